"""Forward through a hidden layer in one kernel: h = max(0, s x[rows] A + c), taking its inputs by row.

x (samples, inputs) uint8 pixels or float32 units; rows (minibatches, m) uint32, row `step` of it taken; s the scale of
the inputs; A (inputs, outputs), c (outputs,), h (m, outputs), float32. For the first layer that is gather, affine map
and rectification at once; for the others `rows` is 0, 1, 2, ... and s is 1.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import DEPTH, TILE, tiles

# The tile of x is read down its columns by neighbouring threads of a warp: one column more avoids bank conflicts.
_PADDED = DEPTH + 1


def reference(x: Any, rows: Any, step: int, scale: Any, weights: Any, biases: Any) -> Any:
    """Return h."""
    n = x[rows[step]].astype(np.float32) * scale @ weights + biases
    return n * (n > 0)


@gpu_kernel
def kernel(x: Any, rows: Any, step: int, scale: Any, weights: Any, biases: Any, out: Any) -> None:
    """One thread per (sample, output); tiles are deep, so that few loads are waited for."""
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    column = cuda.blockIdx.x * TILE + tx
    sample = cuda.blockIdx.y * TILE + ty
    samples, inner, columns = out.shape[0], weights.shape[0], out.shape[1]
    left = cuda.shared.array((TILE, _PADDED), numba.float32)
    right = cuda.shared.array((DEPTH, TILE), numba.float32)
    row = np.int64(rows[step, sample]) if sample < samples else 0
    total = np.float32(0)
    for start in range(0, inner, DEPTH):
        for k in range(tx, DEPTH, TILE):
            left[ty, k] = np.float32(0)
            if sample < samples and start + k < inner:
                left[ty, k] = np.float32(x[row, start + k]) * scale
        for k in range(ty, DEPTH, TILE):
            right[k, tx] = np.float32(0)
            if start + k < inner and column < columns:
                right[k, tx] = weights[start + k, column]
        cuda.syncthreads()
        for k in range(DEPTH):
            total += left[ty, k] * right[k, tx]
        cuda.syncthreads()
    if sample < samples and column < columns:
        out[sample, column] = max(total + biases[column], np.float32(0))


def launch(
    x: Any, rows: Any, step: int, scale: np.float32, weights: Any, biases: Any, out: Any, *, stream: Any = 0
) -> None:
    """Compute h into `out`."""
    kernel[tiles(*out.shape), (TILE, TILE), stream](x, rows, step, scale, weights, biases, out)
