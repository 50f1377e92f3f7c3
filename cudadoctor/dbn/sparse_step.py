"""The sparse CPU lane's kernel: one worker's share of a run of minibatches, without a return to Python.

Only pixels that are not 0 are multiplied, a fifth of them in handwritten digits. Every worker owns some strips of the
hidden units (see `strips`) with all their weights, and does everything for them; workers meet once a minibatch,
where each adds its part of the outputs, from which all compute the same output deltas.

Weights are kept in Nesterov's form of one array, A = W + mu v. Rows of pixels that no image of a minibatch has are
left as they are, and caught up when they are next needed: without a gradient, a step is a linear map of (A, v), and
n steps are its n-th power.

Fields of tuples are taken out before loops, since numba counts references wherever one is used.

After the update of a strip the next minibatch goes through it at once, while its weights are still in the cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.gate import wait
from cudadoctor.dbn.ink import Pixels, list_by_pixel
from cudadoctor.dbn.jit import cpu_kernel
from cudadoctor.dbn.reference import FloatArray
from cudadoctor.dbn.strips import LANES, add_rows, gate_rows, learn_rows, prefetch

_F0 = np.float32(0)
_F1 = np.float32(1)
_PER_PIXEL = np.float32(1 / 255)

_PIECES = 4
"""Parts of an image that go through a strip one after the other, so that their rows of weights stay in L1."""

Parts = tuple[int, ...]
"""As many numbers as a strip has vectors, whatever they are."""

BUFFERS = 3
"""Lists of pixels: a worker may still read those of two minibatches while another makes the third."""


class Strips(NamedTuple):
    """Look-ahead weights A and velocities v of one hidden layer, in strips of `width` units, all arrays flat.

    `a1`, `v1` are (strip, pixel, unit); `b1`, `vb1` (strip, unit); `a2`, `v2` (strip, class, unit); `w2` repeats `a2`
    as (strip, unit, class), classes padded to vectors. `b2`, `vb2` are (worker, class), one equal copy each.
    """

    a1: FloatArray
    v1: FloatArray
    b1: FloatArray
    vb1: FloatArray
    a2: FloatArray
    v2: FloatArray
    w2: FloatArray
    b2: FloatArray
    vb2: FloatArray


class Scratch(NamedTuple):
    """What the workers share.

    `units` and `deltas` are (strip, sample, unit), flat; `outputs`, of which each worker has a part, (2, worker,
    sample, class). For each buffer and pixel, `counts` (buffer, pixel) says how many images of a minibatch have it,
    `samples` (buffer, pixel and place) which, and `shades` how dark it is there.
    """

    units: FloatArray
    deltas: FloatArray
    outputs: FloatArray
    counts: NDArray[np.int64]
    samples: NDArray[np.uint16]
    shades: NDArray[np.uint8]


@cpu_kernel
def _output_deltas(
    parts: FloatArray, biases: FloatArray, labels: FloatArray, rows: FloatArray, d: FloatArray, by_class: FloatArray
) -> tuple[float, int]:
    """Set d (sample, class) and its transpose to t - softmax(z + b), z being the sum of the workers' parts.

    Returns:
        Cross-entropy summed over the minibatch, and the number of mistakes.
    """
    loss, mistakes = 0.0, 0
    for s in range(rows.shape[0]):
        label, best = labels[rows[s]], 0
        for c in range(by_class.shape[0]):
            z = biases[c]
            for worker in range(parts.shape[0]):
                z += parts[worker, s, c]
            d[s, c] = z
            if z > d[s, best]:
                best = c
        top, target, total = d[s, best], d[s, label], _F0
        for c in range(by_class.shape[0]):
            d[s, c] = np.exp(d[s, c] - top)
            total += d[s, c]
        loss -= target - top - np.log(total)
        mistakes += best != label
        for c in range(by_class.shape[0]):
            value = (_F1 if c == label else _F0) - d[s, c] / total
            d[s, c] = value
            by_class[c, s] = value
    return loss, mistakes


@cpu_kernel
def _forward(
    pixels: Pixels,
    rows: FloatArray,
    strip: int,
    inputs: int,
    a: FloatArray,
    b: FloatArray,
    h: FloatArray,
    like: Parts,
) -> None:
    """Rectified hidden units of one strip: h = max(0, b + x A), x being shades / 255."""
    m, width = rows.shape[0], len(like) * LANES
    base, to = strip * inputs * width, strip * m * width
    firsts, pixel, shade = pixels.first, pixels.pixel, pixels.shade
    h[to : to + m * width] = _F0
    for piece in range(_PIECES):
        for s in range(m):
            first = firsts[rows[s]]
            n = firsts[rows[s] + 1] - first
            begin, end = first + n * piece // _PIECES, first + n * (piece + 1) // _PIECES
            add_rows(a, base, pixel, begin, shade, begin, end - begin, h, to + s * width, like)
    for s in range(m):
        for j in range(width):
            at = to + s * width + j
            h[at] = max(h[at] * _PER_PIXEL + b[strip * width + j], _F0)


@cpu_kernel
def _add_outputs(
    strips: tuple[int, int],
    w2: FloatArray,
    in_turn: FloatArray,
    h: FloatArray,
    outputs: FloatArray,
    m: int,
    like: Parts,
    like_classes: Parts,
) -> None:
    """Set one worker's part of the outputs (sample, padded class), flat, to what its strips give."""
    width, padded = len(like) * LANES, len(like_classes) * LANES
    outputs[:] = _F0
    for strip in range(strips[0], strips[1]):
        for s in range(m):
            start = (strip * m + s) * width
            add_rows(w2, strip * width * padded, in_turn, 0, h, start, width, outputs, s * padded, like_classes)


@cpu_kernel
def _learn_output_biases(by_class: FloatArray, b: FloatArray, v: FloatArray, mu: np.float32, rate: np.float32) -> None:
    for c in range(by_class.shape[0]):
        q = _F0
        for s in range(by_class.shape[1]):
            q += by_class[c, s]
        v[c] = mu * v[c] + rate * q
        b[c] += mu * v[c] + rate * q


@cpu_kernel
def _learn(
    strip: int,
    weights: Strips,
    scratch: Scratch,
    this: int,
    touched: FloatArray,
    d2: FloatArray,
    by_class: FloatArray,
    in_turn: FloatArray,
    ones: FloatArray,
    mu: np.float32,
    rate: np.float32,
    shrink: np.float32,
    like: Parts,
) -> None:
    """Update all weights of one strip from the output deltas d2 (sample, padded class) and their transpose."""
    (m, padded), classes = d2.shape, by_class.shape[0]
    inputs, width = scratch.counts.shape[1], len(like) * LANES
    h, d, block = scratch.units, scratch.deltas, strip * m * width
    flat_d2, flat_by_class = d2.reshape(-1), by_class.reshape(-1)
    a1, v1, a2, v2, w2 = weights.a1, weights.v1, weights.a2, weights.v2, weights.w2
    for s in range(m):
        at = block + s * width
        gate_rows(a2, strip * classes * width, in_turn, 0, flat_d2, s * padded, classes, h, d, at, like)
    for c in range(classes):
        at = (strip * classes + c) * width
        learn_rows(h, block, in_turn, 0, flat_by_class, c * m, m, a2, v2, at, mu, rate, shrink, like)
        for j in range(width):
            w2[(strip * width + j) * padded + c] = a2[at + j]
    learn_rows(d, block, in_turn, 0, ones, 0, m, weights.b1, weights.vb1, strip * width, mu, rate, _F0, like)
    counts, samples, shades = scratch.counts[this], scratch.samples[this], scratch.shades[this]
    pixel_rate = rate * _PER_PIXEL
    for i in range(touched.shape[0]):
        k = touched[i]
        at, of = (strip * inputs + k) * width, k * m
        learn_rows(d, block, samples, of, shades, of, counts[k], a1, v1, at, mu, pixel_rate, shrink, like)


@cpu_kernel
def _catch_up(
    strip: int,
    inputs: int,
    width: int,
    stale: FloatArray,
    by: FloatArray,
    powers: FloatArray,
    a: FloatArray,
    v: FloatArray,
) -> None:
    """Make up for the steps that rows of pixels were left out of: `by` of them each."""
    for i in range(stale.shape[0]):
        aa, av, va, vv = powers[by[i], 0], powers[by[i], 1], powers[by[i], 2], powers[by[i], 3]
        begin = (strip * inputs + stale[i]) * width
        for at in range(begin, begin + width):
            old_a, old_v = a[at], v[at]
            a[at] = aa * old_a + av * old_v
            v[at] = va * old_a + vv * old_v


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
        _forward(pixels, rows[0], strip, inputs, a1, b1, h, like)

    for step in range(steps):
        outputs = scratch.outputs[step & 1, worker].reshape(-1)
        _add_outputs(strips, w2, in_turn, h, outputs, m, like, like_classes)
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

        loss, mistakes = _output_deltas(scratch.outputs[step & 1], b2, pixels.labels, rows[step], d2, by_class)
        totals[0] += loss
        totals[1] += mistakes
        _learn_output_biases(by_class, b2, vb2, mu, rate)

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
            _learn(
                strip, weights, scratch, this, touched[:n_touched], d2, by_class, in_turn, ones, mu, rate, shrink, like
            )
            if step + 1 < steps:
                _catch_up(strip, inputs, width, stale[:n_stale], by[:n_stale], powers, a1, v1)
                _forward(pixels, rows[step + 1], strip, inputs, a1, b1, h, like)
        touched, next_touched, n_touched = next_touched, touched, n_next

    n_stale = 0
    for k in range(inputs):
        stale[n_stale], by[n_stale] = k, steps - up_to[k]
        n_stale += up_to[k] < steps
    for strip in range(strips[0], strips[1]):
        _catch_up(strip, inputs, width, stale[:n_stale], by[:n_stale], powers, a1, v1)
