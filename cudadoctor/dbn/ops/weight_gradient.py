"""Gradient of the weights, summed over the minibatch: G = x^T d.

x (m, inputs), d (m, outputs), G (inputs, outputs), float32. d is a negative gradient, so G points downhill.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import TILE, tiles


def reference(x: Any, d: Any) -> Any:
    """Return G."""
    return x.T @ d


@gpu_kernel
def kernel(x: Any, d: Any, out: Any) -> None:
    """One thread per (input, output); both tiles are read along their rows, which are the samples."""
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    first = cuda.blockIdx.y * TILE
    column = cuda.blockIdx.x * TILE + tx
    samples, rows, columns = x.shape[0], x.shape[1], d.shape[1]
    left = cuda.shared.array((TILE, TILE), numba.float32)
    right = cuda.shared.array((TILE, TILE), numba.float32)
    total = np.float32(0)
    for start in range(0, samples, TILE):
        left[ty, tx] = np.float32(0)
        right[ty, tx] = np.float32(0)
        if start + ty < samples and first + tx < rows:
            left[ty, tx] = x[start + ty, first + tx]
        if start + ty < samples and column < columns:
            right[ty, tx] = d[start + ty, column]
        cuda.syncthreads()
        for k in range(TILE):
            total += left[k, ty] * right[k, tx]
        cuda.syncthreads()
    if first + ty < rows and column < columns:
        out[first + ty, column] = total


def launch(x: Any, d: Any, out: Any, *, stream: Any = 0) -> None:
    """Compute G into `out`."""
    kernel[tiles(*out.shape), (TILE, TILE), stream](x, d, out)
