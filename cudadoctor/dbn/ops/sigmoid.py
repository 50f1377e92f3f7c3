"""Sigmoid hidden units, in place: h = 1 / (1 + exp(-n)).

h (m, units), float32, passed flat.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import BLOCK, blocks


def reference(n: Any) -> Any:
    """Return h."""
    small = np.exp(-np.abs(n))
    return np.where(n >= 0, 1, small) / (1 + small)


@gpu_kernel
def kernel(h: Any) -> None:
    """One thread per unit of a sample; only the exponential of what is not positive is taken, so it always fits."""
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if i < h.size:
        small = math.exp(-abs(h[i]))
        h[i] = (np.float32(1) if h[i] >= np.float32(0) else small) / (np.float32(1) + small)


def launch(h: Any, *, block: int = BLOCK, stream: Any = 0) -> None:
    """Put the flat array h through the sigmoid."""
    kernel[blocks(h.size, block), block, stream](h)
