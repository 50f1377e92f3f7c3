"""These tests launch kernels: on the GPU if CUDADOCTOR_TEST_DEVICE=gpu, and else in numba's simulator.

Without a GPU they are not collected here; `tests/gpu/test_simulator.py` runs them in a process of their own.
"""

from __future__ import annotations

import os

from tests.simulator import ON_GPU, SIMULATED, prepare

if SIMULATED:
    from cudadoctor.gpu.checks import axpy, matmul, memory, reduction

    prepare()
    # Small blocks: each thread costs a Python thread.
    axpy._BLOCK = memory._BLOCK = reduction._BLOCK = 8
    memory._GRID = reduction._GRID = 2
    matmul._TILE = 3
elif ON_GPU:
    os.environ["NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS"] = "0"  # small shapes are meant
else:
    collect_ignore_glob = ["test_*.py"]
