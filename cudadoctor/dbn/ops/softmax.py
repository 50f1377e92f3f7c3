"""Softmax of the outputs, in place, with the minibatch's cross-entropy and mistakes: p = exp(z) / sum exp(z).

z and p (m, classes) float32; t (m,) uint8 labels; totals (minibatches, 2) float32: row `step` gets the cross-entropy
summed over the minibatch, in nats, and the number of rows whose largest output is not the label. A row of totals for
each minibatch lets the host read a whole epoch at once, and no sum grows so long that float32 would lose its end.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import ROWS_BLOCK


def reference(z: Any, t: Any) -> tuple[Any, float, int]:
    """Return p, the summed cross-entropy and the number of mistakes."""
    shifted = z - z.max(axis=1, keepdims=True)
    sums = np.exp(shifted).sum(axis=1, keepdims=True)
    loss = -float((shifted - np.log(sums))[np.arange(len(t)), t].sum())
    return np.exp(shifted) / sums, loss, int((z.argmax(axis=1) != t).sum())


@gpu_kernel
def kernel(z: Any, t: Any, step: int, totals: Any) -> None:
    """One thread per row, in one block, which can sum without atomics and always in the same order."""
    thread = cuda.threadIdx.x
    losses = cuda.shared.array(ROWS_BLOCK, numba.float32)
    mistakes = cuda.shared.array(ROWS_BLOCK, numba.float32)
    loss, wrong = np.float32(0), np.float32(0)
    for row in range(thread, z.shape[0], ROWS_BLOCK):
        best = 0
        for j in range(1, z.shape[1]):
            if z[row, j] > z[row, best]:
                best = j
        label = t[row]
        top, target, total = z[row, best], z[row, label], np.float32(0)
        for j in range(z.shape[1]):
            power = math.exp(z[row, j] - top)
            z[row, j] = power
            total += power
        for j in range(z.shape[1]):
            z[row, j] /= total
        loss += math.log(total) - (target - top)
        if best != label:
            wrong += np.float32(1)
    losses[thread] = loss
    mistakes[thread] = wrong
    cuda.syncthreads()
    if thread == 0:
        for other in range(1, ROWS_BLOCK):
            loss += losses[other]
            wrong += mistakes[other]
        totals[step, 0] = loss
        totals[step, 1] = wrong


def launch(z: Any, t: Any, step: int, totals: Any, *, stream: Any = 0) -> None:
    """Turn the outputs z into p, and write the totals of this minibatch."""
    kernel[1, ROWS_BLOCK, stream](z, t, step, totals)
