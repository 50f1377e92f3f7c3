"""These tests launch kernels: on the GPU if CUDADOCTOR_TEST_DEVICE=gpu, and else in numba's simulator.

numba decides that at its import, for the whole process. So without a GPU they are not collected here;
`tests/dbn/test_simulator.py` runs them in a process of their own.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def _prepare_simulator() -> None:
    import numpy as np
    from numba.cuda.simulator.kernelapi import FakeCUDAShared
    from numba.np.numpy_support import as_dtype

    from cudadoctor.dbn.ops import grid

    # The simulator starts a Python thread per GPU thread, and polls them: small blocks, and quick turns.
    grid.TILE, grid.BLOCK, grid.ROWS_BLOCK = 3, 8, 4
    sys.setswitchinterval(1e-4)

    # Its threads look for the block's shared array and make it if there is none, without a lock in between; two that
    # come at once get one each, and the result is wrong now and then (seen with numba-cuda 0.30.4).
    lock = threading.Lock()

    def array(self: Any, shape: Any, dtype: Any) -> Any:
        caller = sys._getframe(1)
        line = caller.f_code.co_filename, caller.f_lineno
        with lock:
            if line not in self._allocations:
                self._allocations[line] = np.empty(shape, as_dtype(dtype))
            return self._allocations[line]

    FakeCUDAShared.array = array


if SIMULATED:
    _prepare_simulator()
elif os.environ.get("CUDADOCTOR_TEST_DEVICE") == "gpu":
    os.environ["NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS"] = "0"  # small shapes are meant
else:
    collect_ignore_glob = ["test_*.py"]
