"""Matrix product in float32, through tiles in shared memory, compared with the product in float64.

Bound of the error, element by element: gamma_k |A| |B| with gamma_k = k u / (1 - k u), u = 2^-24 and k the inner size;
it holds for any order of the additions, fused or not. Source: Higham, Accuracy and Stability of Numerical Algorithms,
section 3.5.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from cudadoctor.gpu.numba_cuda import cuda, gpu_kernel
from cudadoctor.units import format_percent

_TILE = 16
_UNIT_ROUNDOFF = 2.0**-24


@gpu_kernel
def kernel(a: Any, b: Any, out: Any) -> None:
    """Compute out = a b, one thread an element; a (m, k), b (k, n), out (m, n), float32, of any sizes."""
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    column = cuda.blockIdx.x * _TILE + tx
    row = cuda.blockIdx.y * _TILE + ty
    rows, inner, columns = a.shape[0], a.shape[1], b.shape[1]
    left = cuda.shared.array((_TILE, _TILE), numba.float32)
    right = cuda.shared.array((_TILE, _TILE), numba.float32)
    total = np.float32(0)
    for start in range(0, inner, _TILE):
        left[ty, tx] = a[row, start + tx] if row < rows and start + tx < inner else np.float32(0)
        right[ty, tx] = b[start + ty, column] if start + ty < inner and column < columns else np.float32(0)
        cuda.syncthreads()
        for k in range(_TILE):
            total += left[ty, k] * right[k, tx]
        cuda.syncthreads()
    if row < rows and column < columns:
        out[row, column] = total


def compile() -> None:
    """Compile for the current device, or load from numba's cache."""
    from numba import float32, void

    kernel.compile(void(float32[:, ::1], float32[:, ::1], float32[:, ::1]).args)


def run(m: int = 129, k: int = 257, n: int = 65) -> str:
    """Multiply seeded matrices and compare with float64.

    Raises:
        ArithmeticError: An element is farther from the exact product than rounding allows.
    """
    random = np.random.default_rng(300)
    a = random.standard_normal((m, k), dtype=np.float32)
    b = random.standard_normal((k, n), dtype=np.float32)
    out = cuda.to_device(np.full((m, n), np.nan, dtype=np.float32))
    grid = ((n + _TILE - 1) // _TILE, (m + _TILE - 1) // _TILE)
    kernel[grid, (_TILE, _TILE)](cuda.to_device(a), cuda.to_device(b), out)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    gamma = k * _UNIT_ROUNDOFF / (1 - k * _UNIT_ROUNDOFF)
    bound = gamma * (np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64))
    error = np.abs(out.copy_to_host().astype(np.float64) - exact)
    # NaN is in no order to the bound: what is not within it is wrong.
    wrong = ~(error <= bound)
    if wrong.any():
        row, column = (int(index) for index in np.argwhere(wrong)[0])
        raise ArithmeticError(
            f"{int(wrong.sum())} of {m * n} elements of a {m} x {k} by {k} x {n} product are wrong; element ({row}, "
            f"{column}) differs by {error[row, column]:.3g} where rounding allows {bound[row, column]:.3g}"
        )
    share = float((error / bound).max())
    return f"{m} x {k} by {k} x {n} agrees with float64 (largest error {format_percent(share)} of what rounding allows)"
