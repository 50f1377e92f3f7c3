"""Minibatches on their way from device memory to shared memory: first their row numbers, then pixels and labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from cudadoctor.dbn.persistent.plan import ROWS, THREADS, WARPS
from cudadoctor.gpu.numba_cuda import gpu_function
from cudadoctor.gpu.ptx import copy_16_bytes, copy_word, load_word


@gpu_function
def start_rows(plan: Any, base: Any, rows: Any, step: Any, thread: Any) -> None:
    """Start to copy the row numbers of a minibatch."""
    to = base + plan.rows + 4 * (step & 1) * ROWS * plan.groups
    start = rows + 4 * np.int64(step) * plan.batch
    for first in range(0, plan.batch, THREADS):
        sample = first + thread
        if sample < plan.batch:
            copy_word(to + 4 * sample, start + 4 * sample)


@gpu_function
def start_minibatch(plan: Any, base: Any, pixels: Any, labels: Any, step: Any, warp: Any, lane: Any) -> None:
    """Start to copy the pixels and labels of a minibatch, whose row numbers are there."""
    turn = 4 * (step & 1) * ROWS * plan.groups
    to = base + plan.pixels
    if plan.buffers == 2:
        to += (step & 1) * ROWS * plan.groups * plan.stride
    for first in range(0, plan.batch, WARPS):
        sample = first + warp
        if sample < plan.batch:
            row = np.int64(load_word(base + plan.rows + turn + 4 * sample))
            start = pixels + row * (16 * plan.chunks)
            for first_chunk in range(0, plan.chunks, 32):
                chunk = first_chunk + lane
                if chunk < plan.chunks:
                    copy_16_bytes(to + sample * plan.stride + 16 * chunk, start + 16 * chunk)
            if lane == 31:
                copy_word(base + plan.labels + turn + 4 * sample, labels + 4 * row)
