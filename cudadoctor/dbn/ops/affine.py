"""Affine map of a layer: n = x A + c.

x (m, inputs), A (inputs, outputs), c (outputs,), n (m, outputs), float32.
"""

from __future__ import annotations

from typing import Any

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import TILE, tiles
from cudadoctor.dbn.ops.products import row_by_column


def reference(x: Any, weights: Any, biases: Any) -> Any:
    """Return n."""
    return x @ weights + biases


@gpu_kernel
def kernel(x: Any, weights: Any, biases: Any, out: Any) -> None:
    """One thread per (sample, output)."""
    column = cuda.blockIdx.x * TILE + cuda.threadIdx.x
    row = cuda.blockIdx.y * TILE + cuda.threadIdx.y
    total = row_by_column(x, weights, row, column)
    if row < out.shape[0] and column < out.shape[1]:
        out[row, column] = total + biases[column]


def launch(x: Any, weights: Any, biases: Any, out: Any, *, stream: Any = 0) -> None:
    """Compute n into `out`."""
    kernel[tiles(*out.shape), (TILE, TILE), stream](x, weights, biases, out)
