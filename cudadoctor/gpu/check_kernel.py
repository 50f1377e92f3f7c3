"""The kernel that `check` compiles and runs: a x + y, one thread an element."""

from __future__ import annotations

from typing import Any

import numpy as np

from cudadoctor.gpu.numba_cuda import cuda

_BLOCK = 128
_FACTOR = 3.0


# No signature here: with one, numba would compile, and so contact the driver, while this module is imported.
@cuda.jit(cache=True)
def axpy(a, x, y, out):  # type: ignore[no-untyped-def]
    """Compute out = a x + y."""
    i = cuda.grid(1)
    if i < out.size:
        out[i] = a * x[i] + y[i]


def select(device: int) -> None:
    """Make `device` (the driver API's index) this process's current one; creates its context."""
    cuda.select_device(device)


def capability() -> str:
    """Return the compute capability of the current device, `9.0`."""
    major, minor = cuda.get_current_device().compute_capability
    return f"{major}.{minor}"


def compile_kernel() -> None:
    """Compile for the current device, or load from numba's cache, and load the code into the driver."""
    from numba import float32, void

    kernel: Any = axpy
    kernel.compile(void(float32, float32[::1], float32[::1], float32[::1]).args)


def run(elements: int) -> str:
    """Launch on whole numbers and compare with NumPy.

    Raises:
        ArithmeticError: The result differs.
    """
    x = np.arange(elements, dtype=np.float32)
    y = x[::-1].copy()
    out = cuda.to_device(np.full(elements, np.nan, dtype=np.float32))
    axpy[(elements + _BLOCK - 1) // _BLOCK, _BLOCK](np.float32(_FACTOR), cuda.to_device(x), cuda.to_device(y), out)
    result, expected = out.copy_to_host(), np.float32(_FACTOR) * x + y
    wrong = int(np.count_nonzero(result != expected))
    if wrong:
        first = int(np.flatnonzero(result != expected)[0])
        raise ArithmeticError(
            f"{wrong} of {elements} elements are wrong; "
            f"element {first} is {result[first]} and must be {expected[first]}"
        )
    return f"{elements} elements of a x + y were right"


def copy_back(size_bytes: int) -> str:
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
