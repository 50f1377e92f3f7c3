"""Rectified linear units, in place: h = max(0, n).

h (m, units), float32, passed flat.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import BLOCK, blocks


def reference(n: Any) -> Any:
    """Return h."""
    return n * (n > 0)


@gpu_kernel
def kernel(h: Any) -> None:
    """One thread per unit of a sample."""
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if i < h.size:
        h[i] = max(h[i], np.float32(0))


def launch(h: Any, *, block: int = BLOCK, stream: Any = 0) -> None:
    """Rectify the flat array h."""
    kernel[blocks(h.size, block), block, stream](h)
