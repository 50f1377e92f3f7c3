"""These tests launch kernels: on the GPU if CUDADOCTOR_TEST_DEVICE=gpu, and else in numba's simulator.

Without a GPU they are not collected here; `tests/dbn/test_simulator.py` runs them in a process of their own.
"""

from __future__ import annotations

import os

from tests.simulator import ON_GPU, SIMULATED, prepare

if SIMULATED:
    from cudadoctor.dbn.ops import grid

    prepare()
    grid.TILE, grid.DEPTH, grid.BLOCK, grid.ROWS_BLOCK = 3, 6, 8, 4  # small blocks: each thread costs a Python thread
elif ON_GPU:
    os.environ["NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS"] = "0"  # small shapes are meant
else:
    collect_ignore_glob = ["test_*.py"]
