"""Affine map of a layer: n = x A + c.

x (m, inputs), A (inputs, outputs), c (outputs,), n (m, outputs), float32. A tile of x and a tile of A are staged in
shared memory, so each number is read from device memory once per tile of the result and not once per result.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import FLOAT_BYTES, TILE, Cost, tiles


def reference(x: Any, weights: Any, biases: Any) -> Any:
    """Return n."""
    return x @ weights + biases


@gpu_kernel
def kernel(x: Any, weights: Any, biases: Any, out: Any) -> None:
    """One thread per (sample, output)."""
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    column = cuda.blockIdx.x * TILE + tx
    row = cuda.blockIdx.y * TILE + ty
    rows, inner, columns = x.shape[0], x.shape[1], weights.shape[1]
    left = cuda.shared.array((TILE, TILE), numba.float32)
    right = cuda.shared.array((TILE, TILE), numba.float32)
    total = np.float32(0)
    for start in range(0, inner, TILE):
        left[ty, tx] = np.float32(0)
        right[ty, tx] = np.float32(0)
        if row < rows and start + tx < inner:
            left[ty, tx] = x[row, start + tx]
        if start + ty < inner and column < columns:
            right[ty, tx] = weights[start + ty, column]
        cuda.syncthreads()
        for k in range(TILE):
            total += left[ty, k] * right[k, tx]
        cuda.syncthreads()
    if row < rows and column < columns:
        out[row, column] = total + biases[column]


def launch(x: Any, weights: Any, biases: Any, out: Any, *, stream: Any = 0) -> None:
    """Compute n into `out`."""
    kernel[tiles(*out.shape), (TILE, TILE), stream](x, weights, biases, out)


def cost(m: int, inputs: int, outputs: int) -> Cost:
    """Return bytes and flops for m samples."""
    return Cost(
        FLOAT_BYTES * (m * inputs + inputs * outputs + outputs + m * outputs), 2 * m * inputs * outputs + m * outputs
    )
