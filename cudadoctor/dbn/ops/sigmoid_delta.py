"""Delta of sigmoid hidden units: e = (d A^T) * h * (1 - h), the deltas above sent back through the weights.

d (m, outputs), A (units, outputs), h (m, units), e (m, units), float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import TILE, tiles
from cudadoctor.dbn.ops.products import row_by_row


def reference(d: Any, weights: Any, h: Any) -> Any:
    """Return e."""
    return (d @ weights.T) * h * (1 - h)


@gpu_kernel
def kernel(d: Any, weights: Any, h: Any, out: Any) -> None:
    """One thread per (sample, unit)."""
    column = cuda.blockIdx.x * TILE + cuda.threadIdx.x
    row = cuda.blockIdx.y * TILE + cuda.threadIdx.y
    total = row_by_row(d, weights, row, column)
    if row < out.shape[0] and column < out.shape[1]:
        active = h[row, column]
        out[row, column] = total * active * (np.float32(1) - active)


def launch(d: Any, weights: Any, h: Any, out: Any, *, stream: Any = 0) -> None:
    """Compute e into `out`."""
    kernel[tiles(*out.shape), (TILE, TILE), stream](d, weights, h, out)
