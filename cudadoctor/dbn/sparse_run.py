"""The sparse CPU lane's kernel: one worker's share of a run of minibatches, without a return to Python.

Every worker owns some strips of the hidden units and does everything for them (`sparse_step`); workers meet once a
minibatch, where each adds its part of the outputs, from which all compute the same output deltas. After the update of a
strip the next minibatch goes through it at once, while its weights are still in the cache.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.gate import wait
from cudadoctor.dbn.ink import Pixels, list_by_pixel
from cudadoctor.dbn.jit import cpu_kernel
from cudadoctor.dbn.reference import FloatArray
from cudadoctor.dbn.sparse_step import (
    Parts,
    Scratch,
    Strips,
    add_outputs,
    catch_up,
    forward,
    learn,
    learn_output_biases,
    output_deltas,
)
from cudadoctor.dbn.strips import LANES, prefetch

BUFFERS = 3
"""Lists of pixels: a worker may still read those of two minibatches while another makes the third."""


@cpu_kernel
def train(
    worker: int,
    strips: tuple[int, int],
    own_pixels: tuple[int, int],
    gate: NDArray[np.int64],
    pixels: Pixels,
    rows: NDArray[np.uint32],
    weights: Strips,
    scratch: Scratch,
    powers: FloatArray,
    mu: np.float32,
    rate: np.float32,
    shrink: np.float32,
    like: Parts,
    like_classes: Parts,
    totals: NDArray[np.float64],
) -> None:
    """Train one worker's strips on some minibatches (minibatches, m), all workers at once.

    Args:
        worker: Number of the worker, from 0.
        strips: Its first strip, and the one after its last.
        own_pixels: The pixels that it lists for all workers, in the same form.
        gate: A new one for this run.
        pixels: The training set.
        rows: Images of the minibatches.
        weights: Brought up to date when this returns.
        scratch: Its contents do not matter.
        powers: Powers 0 to `minibatches` of the step without a gradient, each as (aa, av, va, vv).
        mu: Momentum.
        rate: Learning rate / m.
        shrink: Learning rate times L2 cost.
        like: As long as a strip has vectors.
        like_classes: As long as the padded classes have vectors.
        totals: Loss and mistakes, summed over the run, are put here.
    """
    a1, v1, b1, w2 = weights.a1, weights.v1, weights.b1, weights.w2
    b2, vb2, h = weights.b2[worker], weights.vb2[worker], scratch.units
    steps, m = rows.shape
    workers, padded = scratch.outputs.shape[1], scratch.outputs.shape[3]
    inputs, classes, width = scratch.counts.shape[1], b2.shape[0], len(like) * LANES
    low, high = own_pixels
    d2, by_class = np.zeros((m, padded), np.float32), np.zeros((classes, m), np.float32)
    in_turn, ones = np.arange(max(m, width, classes)).astype(np.uint16), np.ones(m, np.float32)
    touched, next_touched = np.zeros(inputs + 1, np.int64), np.zeros(inputs + 1, np.int64)
    stale, by, up_to = np.zeros(inputs + 1, np.int64), np.zeros(inputs + 1, np.int64), np.zeros(inputs, np.int64)
    totals[:] = 0.0

    list_by_pixel(pixels, rows[0], low, high, scratch.counts[0], scratch.samples[0], scratch.shades[0])
    if not wait(gate, workers):
        return
    n_touched = 0
    for k in range(inputs):
        touched[n_touched] = k
        n_touched += scratch.counts[0, k] > 0
    for strip in range(strips[0], strips[1]):
        forward(pixels, rows[0], strip, inputs, a1, b1, h, like)

    for step in range(steps):
        outputs = scratch.outputs[step & 1, worker].reshape(-1)
        add_outputs(strips, w2, in_turn, h, outputs, m, like, like_classes)
        this, following = step % BUFFERS, (step + 1) % BUFFERS
        if step + 1 < steps:
            list_by_pixel(
                pixels,
                rows[step + 1],
                low,
                high,
                scratch.counts[following],
                scratch.samples[following],
                scratch.shades[following],
            )
        if step + 2 < steps:
            for s in range(worker, m, workers):
                begin, end = pixels.first[rows[step + 2, s]], pixels.first[rows[step + 2, s] + 1]
                for i in range(begin, end, 32):
                    prefetch(pixels.pixel, i)
                for i in range(begin, end, 64):
                    prefetch(pixels.shade, i)
        if not wait(gate, (step + 2) * workers):
            return

        loss, mistakes = output_deltas(scratch.outputs[step & 1], b2, pixels.labels, rows[step], d2, by_class)
        totals[0] += loss
        totals[1] += mistakes
        learn_output_biases(by_class, b2, vb2, mu, rate)

        for i in range(n_touched):
            up_to[touched[i]] = step + 1
        n_next = n_stale = 0
        if step + 1 < steps:
            for k in range(inputs):
                next_touched[n_next], stale[n_stale], by[n_stale] = k, k, step + 1 - up_to[k]
                n_next += scratch.counts[following, k] > 0
                n_stale += scratch.counts[following, k] > 0 and up_to[k] <= step
            for i in range(n_stale):
                up_to[stale[i]] = step + 1

        for strip in range(strips[0], strips[1]):
            learn(
                strip, weights, scratch, this, touched[:n_touched], d2, by_class, in_turn, ones, mu, rate, shrink, like
            )
            if step + 1 < steps:
                catch_up(strip, inputs, width, stale[:n_stale], by[:n_stale], powers, a1, v1)
                forward(pixels, rows[step + 1], strip, inputs, a1, b1, h, like)
        touched, next_touched, n_touched = next_touched, touched, n_next

    n_stale = 0
    for k in range(inputs):
        stale[n_stale], by[n_stale] = k, steps - up_to[k]
        n_stale += up_to[k] < steps
    for strip in range(strips[0], strips[1]):
        catch_up(strip, inputs, width, stale[:n_stale], by[:n_stale], powers, a1, v1)
