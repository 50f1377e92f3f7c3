"""From the last hidden units to the deltas of the outputs in one kernel, with loss and mistakes of every sample.

z = h A + c; p = softmax(z); d = t - p. h (m, units), A (units, classes), c (classes,), d (m, classes), float32; labels
(samples,) uint8; rows (minibatches, m) uint32, row `step` of it taken; totals (minibatches, m, 2) float32 gets the
cross-entropy of each sample in nats and 1 where its largest output is not the label. At most `BLOCK` classes.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import BLOCK


def reference(h: Any, weights: Any, biases: Any, t: Any) -> tuple[Any, Any, Any]:
    """Return d, and the cross-entropy and mistake (1 or 0) of each sample."""
    z = h @ weights + biases
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -log_p[np.arange(len(t)), t]
    return np.eye(z.shape[1], dtype=z.dtype)[t] - np.exp(log_p), loss, (z.argmax(axis=1) != t).astype(z.dtype)


@gpu_kernel
def kernel(h: Any, weights: Any, biases: Any, labels: Any, rows: Any, step: int, d: Any, totals: Any) -> None:
    """One block per sample: its threads share out the products, then one thread per class ends."""
    thread, sample = cuda.threadIdx.x, cuda.blockIdx.x
    units, classes = weights.shape[0], weights.shape[1]
    partial = cuda.shared.array(BLOCK, numba.float32)
    z = cuda.shared.array(BLOCK, numba.float32)
    parts = BLOCK // classes
    part = thread // classes
    column = thread - part * classes
    if part < parts:
        total = np.float32(0)
        for k in range(part, units, parts):
            total += h[sample, k] * weights[k, column]
        partial[thread] = total
    cuda.syncthreads()
    if thread < classes:
        total = biases[thread]
        for other in range(parts):
            total += partial[other * classes + thread]
        z[thread] = total
    cuda.syncthreads()
    if thread < classes:
        label = labels[rows[step, sample]]
        best = 0
        for j in range(1, classes):
            if z[j] > z[best]:
                best = j
        top, total = z[best], np.float32(0)
        for j in range(classes):
            total += math.exp(z[j] - top)
        hit = np.float32(1) if label == thread else np.float32(0)
        d[sample, thread] = hit - math.exp(z[thread] - top) / total
        if thread == 0:
            totals[step, sample, 0] = math.log(total) - (z[label] - top)
            totals[step, sample, 1] = np.float32(1) if best != label else np.float32(0)


def launch(
    h: Any,
    weights: Any,
    biases: Any,
    labels: Any,
    rows: Any,
    step: int,
    d: Any,
    totals: Any,
    *,
    stream: Any = 0,
) -> None:
    """Compute d, and row `step` of the totals."""
    kernel[d.shape[0], BLOCK, stream](h, weights, biases, labels, rows, step, d, totals)
