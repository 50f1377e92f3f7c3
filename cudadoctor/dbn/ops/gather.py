"""Gather a minibatch: x = pixels[rows] / 255 and t = labels[rows], from the training set that stays on the device.

pixels (samples, inputs) uint8; labels (samples,) uint8; rows (minibatches, m) uint32, drawn for a whole epoch at
once; x (m, inputs) float32 in 0..1; t (m,) uint8. The set is kept as bytes: a quarter of the memory and traffic.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import BLOCK, blocks

_PER_PIXEL = np.float32(1 / 255)


def reference(pixels: Any, labels: Any, rows: Any, step: int) -> tuple[Any, Any]:
    """Return x and t."""
    return pixels[rows[step]].astype(np.float32) * _PER_PIXEL, labels[rows[step]]


@gpu_kernel
def kernel(pixels: Any, labels: Any, rows: Any, step: int, x: Any, t: Any) -> None:
    """One thread per (sample, input); the first of each sample copies the label too."""
    column = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    sample = cuda.blockIdx.y
    if column < x.shape[1]:
        row = rows[step, sample]
        x[sample, column] = np.float32(pixels[row, column]) * _PER_PIXEL
        if column == 0:
            t[sample] = labels[row]


def launch(
    pixels: Any, labels: Any, rows: Any, step: int, x: Any, t: Any, *, block: int = BLOCK, stream: Any = 0
) -> None:
    """Gather minibatch `step` of the epoch into x and t."""
    samples, inputs = x.shape
    kernel[(blocks(inputs, block), samples), block, stream](pixels, labels, rows, step, x, t)
