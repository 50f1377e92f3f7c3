"""Delta of the outputs, in place: d = t - p, the negative gradient of the cross-entropy.

p and d (m, classes) float32; t (m,) uint8 labels, one-hot in the formula.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import BLOCK, blocks


def reference(p: Any, t: Any) -> Any:
    """Return d."""
    return np.eye(p.shape[1], dtype=p.dtype)[t] - p


@gpu_kernel
def kernel(p: Any, t: Any) -> None:
    """One thread per (sample, class)."""
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if i < p.size:
        row = i // p.shape[1]
        column = i - row * p.shape[1]
        hit = np.float32(1) if t[row] == column else np.float32(0)
        p[row, column] = hit - p[row, column]


def launch(p: Any, t: Any, *, block: int = BLOCK, stream: Any = 0) -> None:
    """Turn the probabilities p into deltas."""
    kernel[blocks(p.size, block), block, stream](p, t)
