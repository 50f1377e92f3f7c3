"""Delta of hidden units: e = (d A^T) * (h > 0), the deltas above sent back through the weights to active units.

d (m, outputs), A (units, outputs), h (m, units), e (m, units), float32.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import FLOAT_BYTES, TILE, Cost, tiles

# The tile of A is read down its columns: one column more, and a warp's reads fall on different memory banks.
_PADDED = TILE + 1


def reference(d: Any, weights: Any, h: Any) -> Any:
    """Return e."""
    return (d @ weights.T) * (h > 0)


@gpu_kernel
def kernel(d: Any, weights: Any, h: Any, out: Any) -> None:
    """One thread per (sample, unit); the tile of A is read along its rows and used along its columns."""
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    first = cuda.blockIdx.x * TILE
    column = first + tx
    row = cuda.blockIdx.y * TILE + ty
    rows, inner, columns = d.shape[0], d.shape[1], weights.shape[0]
    left = cuda.shared.array((TILE, TILE), numba.float32)
    right = cuda.shared.array((TILE, _PADDED), numba.float32)
    total = np.float32(0)
    for start in range(0, inner, TILE):
        left[ty, tx] = np.float32(0)
        right[ty, tx] = np.float32(0)
        if row < rows and start + tx < inner:
            left[ty, tx] = d[row, start + tx]
        if first + ty < columns and start + tx < inner:
            right[ty, tx] = weights[first + ty, start + tx]
        cuda.syncthreads()
        for k in range(TILE):
            total += left[ty, k] * right[tx, k]
        cuda.syncthreads()
    if row < rows and column < columns:
        out[row, column] = total if h[row, column] > np.float32(0) else np.float32(0)


def launch(d: Any, weights: Any, h: Any, out: Any, *, stream: Any = 0) -> None:
    """Compute e into `out`."""
    kernel[tiles(*out.shape), (TILE, TILE), stream](d, weights, h, out)


def cost(m: int, units: int, outputs: int) -> Cost:
    """Return bytes and flops for m samples."""
    return Cost(FLOAT_BYTES * (m * outputs + units * outputs + 2 * m * units), 2 * m * units * outputs)
