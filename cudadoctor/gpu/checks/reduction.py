"""Sum of many whole numbers: shared memory, barriers between threads, and an atomic addition between blocks.

The sum is of 64-bit integers, so the order of the additions does not matter and the result must be exact.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from cudadoctor.gpu.numba_cuda import cuda, gpu_kernel

_BLOCK = 256
_GRID = 64


@gpu_kernel
def kernel(x: Any, out: Any) -> None:
    """Add the sum of x, int32 (n,), to out, int64 (1,). Blocks of `_BLOCK` threads, any grid."""
    partial = cuda.shared.array(_BLOCK, numba.int64)
    thread = cuda.threadIdx.x
    total = np.int64(0)
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        total += x[i]
    partial[thread] = total
    cuda.syncthreads()
    width = _BLOCK // 2
    while width > 0:
        if thread < width:
            partial[thread] += partial[thread + width]
        cuda.syncthreads()
        width //= 2
    if thread == 0:
        cuda.atomic.add(out, 0, partial[0])


def compile() -> None:
    """Compile for the current device, or load from numba's cache."""
    from numba import int32, int64, void

    kernel.compile(void(int32[::1], int64[::1]).args)


def run(elements: int = 1_000_003) -> str:
    """Sum seeded numbers of both signs and compare with NumPy.

    Raises:
        ArithmeticError: The sum differs.
    """
    x = np.random.default_rng(784).integers(-(2**31), 2**31, elements, dtype=np.int32)
    out = cuda.to_device(np.zeros(1, dtype=np.int64))
    kernel[_GRID, _BLOCK](cuda.to_device(x), out)
    found, expected = int(out.copy_to_host()[0]), int(x.sum(dtype=np.int64))
    if found != expected:
        raise ArithmeticError(f"the sum of {elements} whole numbers is {found} and must be {expected}")
    return f"{elements} whole numbers were summed exactly"
