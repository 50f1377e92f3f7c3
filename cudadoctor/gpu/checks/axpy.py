"""a x + y on small whole numbers, one thread an element; and a copy to the device and back.

float32 holds these numbers exactly, so the result must be equal bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cudadoctor.gpu.numba_cuda import cuda, gpu_kernel

_BLOCK = 128
_FACTOR = 3.0


@gpu_kernel
def kernel(a: Any, x: Any, y: Any, out: Any) -> None:
    """Compute out = a x + y."""
    i = cuda.grid(1)
    if i < out.size:
        out[i] = a * x[i] + y[i]


def compile() -> None:
    """Compile for the current device, or load from numba's cache, and load the code into the driver."""
    from numba import float32, void

    kernel.compile(void(float32, float32[::1], float32[::1], float32[::1]).args)


def run(elements: int = 4096) -> str:
    """Launch and compare with NumPy.

    Raises:
        ArithmeticError: The result differs.
    """
    x = np.arange(elements, dtype=np.float32)
    y = x[::-1].copy()
    out = cuda.to_device(np.full(elements, np.nan, dtype=np.float32))
    kernel[(elements + _BLOCK - 1) // _BLOCK, _BLOCK](np.float32(_FACTOR), cuda.to_device(x), cuda.to_device(y), out)
    result, expected = out.copy_to_host(), np.float32(_FACTOR) * x + y
    wrong = int(np.count_nonzero(result != expected))
    if wrong:
        first = int(np.flatnonzero(result != expected)[0])
        raise ArithmeticError(
            f"{wrong} of {elements} elements are wrong; "
            f"element {first} is {result[first]} and must be {expected[first]}"
        )
    return f"{elements} elements of a x + y were right"


def copy_back(size_bytes: int = 2**20) -> str:
    """Copy a seeded pattern to the device and back and compare.

    Raises:
        ArithmeticError: What came back differs.
    """
    pattern = np.random.default_rng(20141123).integers(0, 256, size_bytes, dtype=np.uint8)
    back = cuda.to_device(pattern).copy_to_host()
    wrong = int(np.count_nonzero(back != pattern))
    if wrong:
        raise ArithmeticError(f"{wrong} of {size_bytes} bytes came back wrong")
    return f"{size_bytes // 2**20} MiB came back unchanged"
