"""Gradient of the biases, summed over the minibatch: q = column sums of d.

d (m, outputs), q (outputs,), float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import BLOCK, blocks


def reference(d: Any) -> Any:
    """Return q."""
    return d.sum(axis=0)


@gpu_kernel
def kernel(d: Any, out: Any) -> None:
    """One thread per output; neighbouring threads read neighbouring columns."""
    column = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if column < d.shape[1]:
        total = np.float32(0)
        for row in range(d.shape[0]):
            total += d[row, column]
        out[column] = total


def launch(d: Any, out: Any, *, block: int = BLOCK, stream: Any = 0) -> None:
    """Compute q into `out`."""
    kernel[blocks(out.size, block), block, stream](d, out)
