"""Numba's simulator made fit for tests: whether it is on, and what it needs to be right."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")
ON_GPU = os.environ.get("CUDADOCTOR_TEST_DEVICE") == "gpu"


def prepare() -> None:
    """Make quick turns between its threads, and make its shared arrays safe.

    The simulator starts a Python thread per GPU thread, and polls them. They look for the block's shared array and make
    it if there is none, without a lock in between; two that come at once get one each, and the result is wrong now and
    then (seen with numba-cuda 0.30.4).
    """
    import numpy as np
    from numba.cuda.simulator.kernelapi import FakeCUDAShared
    from numba.np.numpy_support import as_dtype

    sys.setswitchinterval(1e-4)
    lock = threading.Lock()

    def array(self: Any, shape: Any, dtype: Any) -> Any:
        caller = sys._getframe(1)
        line = caller.f_code.co_filename, caller.f_lineno
        with lock:
            if line not in self._allocations:
                self._allocations[line] = np.empty(shape, as_dtype(dtype))
            return self._allocations[line]

    FakeCUDAShared.array = array


def run_tests(folder: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of a folder in the simulator: numba decides at its import, for the whole process."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", folder]
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    root = Path(__file__).parent.parent
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False)
