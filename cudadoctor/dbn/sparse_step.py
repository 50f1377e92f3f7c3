"""What the sparse CPU lane does with one strip of hidden units in a minibatch, compiled.

Only pixels that are not 0 are multiplied, a fifth of them in handwritten digits. A strip is a few vectors of units (see
`strips`) with all their weights.

Weights are kept in Nesterov's form of one array, A = W + mu v. Rows of pixels that no image of a minibatch has are
left as they are, and caught up when they are next needed: without a gradient, a step is a linear map of (A, v), and
n steps are its n-th power.

Fields of tuples are taken out before loops, since numba counts references wherever one is used.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.ink import Pixels
from cudadoctor.dbn.jit import cpu_kernel
from cudadoctor.dbn.reference import FloatArray
from cudadoctor.dbn.strips import LANES, add_rows, gate_rows, learn_rows

_F0 = np.float32(0)
_F1 = np.float32(1)
_PER_PIXEL = np.float32(1 / 255)

_PIECES = 4
"""Parts of an image that go through a strip one after the other, so that their rows of weights stay in L1."""

Parts = tuple[int, ...]
"""As many numbers as a strip has vectors, whatever they are."""


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
def output_deltas(
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
def forward(
    pixels: Pixels,
    rows: FloatArray,
    strip: int,
    inputs: int,
    a: FloatArray,
    b: FloatArray,
    h: FloatArray,
    like: Parts,
) -> None:
    """Set the hidden units of one strip, rectified: h = max(0, b + x A), x being shades / 255."""
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
def add_outputs(
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
def learn_output_biases(by_class: FloatArray, b: FloatArray, v: FloatArray, mu: np.float32, rate: np.float32) -> None:
    """Update the biases of the outputs from their deltas (class, sample)."""
    for c in range(by_class.shape[0]):
        q = _F0
        for s in range(by_class.shape[1]):
            q += by_class[c, s]
        v[c] = mu * v[c] + rate * q
        b[c] += mu * v[c] + rate * q


@cpu_kernel
def learn(
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
def catch_up(
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
