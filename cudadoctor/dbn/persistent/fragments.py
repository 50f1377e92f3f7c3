"""The first layer on tensor cores, with the accuracy of single precision.

A pixel is a byte b, and the half-precision number with the bits of b is exactly b / 2^24, so pixels become operands by
moving bytes. A weight or a delta, times 256, is split into two numbers of half precision, which together carry 22 bits;
the products are exact and summed in single precision. What is larger than 255 becomes infinite, and then not a number.

In both directions a warp's lane is 4 g + t. It owns 4 neighbouring inputs (4 g and on, within a pair's 32) of hidden
unit t of the tile, because that is where the tensor cores leave their gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cudadoctor.dbn.persistent.plan import ROWS
from cudadoctor.gpu.numba_cuda import gpu_function
from cudadoctor.gpu.ptx import (
    load_2_words,
    load_4_words,
    load_word,
    matrix_multiply_add,
    select_bytes,
    split_pair,
    store_2_words,
    store_float,
)

SPLIT_SCALE = 256.0
"""Weights and deltas are multiplied by it before they are split, which keeps small ones exact."""

PRODUCT_SCALE = 2.0**24 / (255 * SPLIT_SCALE)
"""What products of pixels / 2^24 and scaled weights are multiplied by, for pixels of 0 to 1."""

_SCALE = np.float32(SPLIT_SCALE)

# Bytes 0 and 1, or 2 and 3, as the low bytes of two halves whose high bytes are 0.
_FIRST_TWO, _LAST_TWO = 0x4140, 0x4342
# Bytes 0 and 1 of two words, alternating; and bytes 2 and 3.
_MIX_FIRST, _MIX_LAST = 0x5140, 0x7362


@gpu_function
def products(total: Any, pixels: Any, down: Any, halves: Any) -> Any:
    """Add x A for 16 samples (`pixels` and `down` bytes below), 32 inputs and the units of a tile."""
    upper, lower = load_2_words(pixels), load_2_words(pixels + down)
    total = matrix_multiply_add(
        total,
        select_bytes(upper[0], 0, _FIRST_TWO),
        select_bytes(lower[0], 0, _FIRST_TWO),
        select_bytes(upper[0], 0, _LAST_TWO),
        select_bytes(lower[0], 0, _LAST_TWO),
        halves[0],
        halves[1],
    )
    return matrix_multiply_add(
        total,
        select_bytes(upper[1], 0, _FIRST_TWO),
        select_bytes(lower[1], 0, _FIRST_TWO),
        select_bytes(upper[1], 0, _LAST_TWO),
        select_bytes(lower[1], 0, _LAST_TWO),
        halves[2],
        halves[3],
    )


@gpu_function
def forward(pixels: Any, stride: Any, halves: Any, parts: Any, lane: Any, first: Any, pairs: Any, turn: Any) -> None:
    """Compute this warp's part of x A for 64 samples and the units of a tile.

    Args:
        pixels: Address of the first sample.
        stride: Bytes from sample to sample.
        halves: Address of the tile's split weights.
        parts: Address that the (64, 4) results are written to, in the order of `part_index`.
        lane: Of this thread.
        first: First pair of this warp.
        pairs: Number of pairs.
        turn: Distance of this warp's pairs.
    """
    g, t = lane >> 2, lane & 3
    zero = np.float32(0)
    a = b = c = d = (zero, zero, zero, zero)
    start = pixels + (2 * (g & 3) + (g >> 2)) * stride + 8 * t
    word = 4 * (16 * g + 4 * (t ^ (g >> 1)))
    pair = first
    while pair < pairs:  # numba would divide to find the length of a range whose step it does not know
        weights = load_4_words(halves + 512 * pair + word)
        at = start + 32 * pair
        a = products(a, at, 8 * stride, weights)
        b = products(b, at + 16 * stride, 8 * stride, weights)
        c = products(c, at + 32 * stride, 8 * stride, weights)
        d = products(d, at + 48 * stride, 8 * stride, weights)
        pair += turn
    to = parts + 4 * lane
    store_float(to, a[0] + a[1])
    store_float(to + 128, a[2] + a[3])
    store_float(to + 256, b[0] + b[1])
    store_float(to + 384, b[2] + b[3])
    store_float(to + 512, c[0] + c[1])
    store_float(to + 640, c[2] + c[3])
    store_float(to + 768, d[0] + d[1])
    store_float(to + 896, d[2] + d[3])


@gpu_function
def part_index(row: Any, unit: Any) -> Any:
    """Return where `forward` leaves a sample's unit among its 256 results; rows of 64, units of 4."""
    return 32 * (row >> 3) + 4 * (((row & 7) >> 1) + 4 * (row & 1)) + unit


@gpu_function
def delta_index(row: Any, unit: Any) -> Any:
    """Return the word of the split deltas that holds a pair of samples; 36 words for each unit, and 36 for its rest."""
    pair = (row & 15) >> 1
    return 72 * unit + 8 * (pair & 3) + 2 * (row >> 4) + (pair >> 2)


@gpu_function
def gradient_16(pixels: Any, stride: Any, p: Any, q: Any, d0: Any, d1: Any) -> Any:
    """Add x^T d for 16 samples, the 32 inputs of a pair and the units of a tile."""
    w0, w1 = load_word(pixels), load_word(pixels + stride)
    w2, w3 = load_word(pixels + 8 * stride), load_word(pixels + 9 * stride)
    u, v = select_bytes(w0, w1, _MIX_FIRST), select_bytes(w2, w3, _MIX_FIRST)
    p = matrix_multiply_add(
        p,
        select_bytes(u, 0, _FIRST_TWO),
        select_bytes(u, 0, _LAST_TWO),
        select_bytes(v, 0, _FIRST_TWO),
        select_bytes(v, 0, _LAST_TWO),
        d0,
        d1,
    )
    u, v = select_bytes(w0, w1, _MIX_LAST), select_bytes(w2, w3, _MIX_LAST)
    q = matrix_multiply_add(
        q,
        select_bytes(u, 0, _FIRST_TWO),
        select_bytes(u, 0, _LAST_TWO),
        select_bytes(v, 0, _FIRST_TWO),
        select_bytes(v, 0, _LAST_TWO),
        d0,
        d1,
    )
    return p, q


@gpu_function
def gradient(pixels: Any, stride: Any, deltas: Any, lane: Any, groups: Any) -> Any:
    """Return x^T d of this lane's unit and 4 inputs, over `groups` * 64 samples.

    Args:
        pixels: Address of the first sample's first input of the pair.
        stride: Bytes from sample to sample.
        deltas: Address of the tile's split deltas.
        lane: Of this thread.
        groups: Groups of 64 samples.
    """
    g, t = lane >> 2, lane & 3
    zero = np.float32(0)
    p = q = (zero, zero, zero, zero)
    at = pixels + 2 * t * stride + 4 * g
    word = deltas + 4 * (36 * g + 8 * t)
    for _ in range(groups):
        d = load_4_words(word)
        p, q = gradient_16(at, stride, p, q, d[0], d[1])
        p, q = gradient_16(at + 16 * stride, stride, p, q, d[2], d[3])
        d = load_4_words(word + 16)
        p, q = gradient_16(at + 32 * stride, stride, p, q, d[0], d[1])
        p, q = gradient_16(at + 48 * stride, stride, p, q, d[2], d[3])
        at += ROWS * stride
        word += 4 * 8 * 36
    return p[0] + p[1], p[2] + p[3], q[0] + q[1], q[2] + q[3]


@gpu_function
def store_halves(halves: Any, lane: Any, a: Any) -> None:
    """Store this lane's 4 weights as `forward` reads them; `halves` is the pair's address."""
    g, t = lane >> 2, lane & 3
    first, last = split_pair(a[0] * _SCALE, a[1] * _SCALE), split_pair(a[2] * _SCALE, a[3] * _SCALE)
    # The pieces of a unit's row change places with the unit, so that lanes of different units use different banks.
    to = halves + 4 * (32 * t + 4 * ((g >> 1) ^ t) + 2 * (g & 1))
    store_2_words(to, first[0], last[0])
    store_2_words(to + 64, first[1], last[1])
