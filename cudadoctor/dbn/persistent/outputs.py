"""Outputs and deltas of a minibatch, as far as a block has a part in them.

A warp has 4 samples at a time and a sample has 8 lanes (`sub` 0 to 7): first unit sub % 4 with half of the warps' parts
or half of the classes, then classes 2 sub and 2 sub + 1, then those 16 on.

`units` hold a sample's hidden units and then two constants: 1 in block 0 and 0 in all others, by which the outputs'
biases are counted once, and 1 for the biases of the hidden units.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cudadoctor.dbn.persistent.fragments import PRODUCT_SCALE, SPLIT_SCALE, delta_index, part_index
from cudadoctor.dbn.persistent.plan import ROWS, TILE_UNITS, WARPS, part_words
from cudadoctor.dbn.persistent.sums import NO_NEWS, complete, news, part, value
from cudadoctor.gpu.numba_cuda import cuda, gpu_function
from cudadoctor.gpu.ptx import (
    add_to_sum,
    load_float,
    load_long,
    load_word,
    read_2_sums,
    split_pair,
    store_float,
    store_long,
    store_word,
)

_ALL = 0xFFFFFFFF
_ZERO, _ONE = np.float32(0), np.float32(1)
_LOWEST = np.float32(-np.inf)
_PRODUCT_SCALE, _SPLIT_SCALE = np.float32(PRODUCT_SCALE), np.float32(SPLIT_SCALE)

_part_words = gpu_function(part_words)


@gpu_function
def over_8_lanes(number: Any) -> Any:
    """Return the sum over the 8 lanes of a sample."""
    number += cuda.shfl_xor_sync(_ALL, number, 4)
    number += cuda.shfl_xor_sync(_ALL, number, 2)
    return number + cuda.shfl_xor_sync(_ALL, number, 1)


@gpu_function
def largest_of_8_lanes(number: Any) -> Any:
    """Return the largest of the 8 lanes of a sample."""
    number = max(number, cuda.shfl_xor_sync(_ALL, number, 4))
    number = max(number, cuda.shfl_xor_sync(_ALL, number, 2))
    return max(number, cuda.shfl_xor_sync(_ALL, number, 1))


@gpu_function
def add_outputs(plan: Any, base: Any, sums: Any, step: Any, warp: Any, lane: Any) -> None:
    """Add up the warps' parts of the hidden units, and send this block's part of the outputs."""
    sub = lane & 7
    width = TILE_UNITS * plan.tiles
    samples = ROWS * plan.groups
    words = _part_words(plan.tiles, plan.groups)
    for first in range(0, samples, 4 * WARPS):
        row = first + 4 * warp + (lane >> 3)
        line = base + plan.units + 4 * row * (width + 2)
        index = 256 * (row >> 6) + part_index(row & 63, sub & 3)
        for tile in range(plan.tiles):
            at = base + plan.parts + 4 * (words * (sub >> 2) + 256 * plan.groups * tile + index)
            total = _ZERO
            for other in range(0, plan.matrix_warps, 2):
                if other + (sub >> 2) < plan.matrix_warps:
                    total += load_float(at + 4 * words * other)
            total += cuda.shfl_xor_sync(_ALL, total, 4)
            unit = TILE_UNITS * tile + (sub & 3)
            n = total * _PRODUCT_SCALE + load_float(base + plan.above + 4 * ((unit + 1) * (plan.classes + 1) - 1))
            if sub < TILE_UNITS:
                store_float(line + 4 * unit, n if n > _ZERO else _ZERO)
        cuda.syncwarp()
        to = sums + 8 * ((step & 1) * samples + row) * plan.sum_columns
        for start in range(0, plan.classes, 16):
            column = start + 2 * sub
            z0 = z1 = _ZERO
            at = base + plan.above + 4 * column
            if column < plan.classes:
                for unit in range(width + 1):
                    h = load_float(line + 4 * unit)
                    z0 += h * load_float(at + 4 * unit * (plan.classes + 1))
                    z1 += h * load_float(at + 4 * unit * (plan.classes + 1) + 4)  # a bias, if there is no such class
                if row < plan.batch:
                    add_to_sum(to + 8 * column, part(z0))
                    if column + 1 < plan.classes:
                        add_to_sum(to + 8 * column + 8, part(z1))


@gpu_function
def receive_outputs(plan: Any, seen: Any, sums: Any, line: Any, sub: Any, patience: Any) -> Any:
    """Wait for a sample's outputs and store them; return the largest of this lane and what is left of the patience."""
    top = _LOWEST
    for start in range(0, plan.classes, 16):
        column = start + 2 * sub
        if column < plan.classes:
            first, second = load_long(seen + 8 * column), load_long(seen + 8 * column + 8)
            both = column + 1 < plan.classes
            while True:
                now = read_2_sums(sums + 8 * column)
                z0, z1 = news(now[0], first, plan.blocks), news(now[1], second, plan.blocks)
                if complete(z0) and (complete(z1) or not both):
                    break
                patience -= 1
                if patience < 0:
                    z0 = z1 = NO_NEWS
                    break
            store_long(seen + 8 * column, now[0])
            n = value(z0)
            store_float(line + 4 * column, n)
            top = max(top, n)
            if both:
                store_long(seen + 8 * column + 8, now[1])
                n = value(z1)
                store_float(line + 4 * column + 4, n)
                top = max(top, n)
    return top, patience


@gpu_function
def preferred(plan: Any, line: Any, column: Any, label: Any, target: Any) -> Any:
    """Return whether a class is preferred to the label's; of equals the first is."""
    if column >= plan.classes:
        return False
    n = load_float(line + 4 * column)
    return n > target or (n == target and column < label)


@gpu_function
def mistake(plan: Any, line: Any, sub: Any, label: Any, target: Any) -> Any:
    """Return 1 if a class of this lane is preferred to the label's, else 0."""
    wrong = _ZERO
    for start in range(0, plan.classes, 16):
        column = start + 2 * sub
        if preferred(plan, line, column, label, target) or preferred(plan, line, column + 1, label, target):
            wrong = _ONE
    return wrong


@gpu_function
def power(line: Any, column: Any, top: Any) -> Any:
    """Replace an output by its exponential, and return that."""
    result = math.exp(load_float(line + 4 * column) - top)
    store_float(line + 4 * column, result)
    return result


@gpu_function
def output_delta(line: Any, column: Any, label: Any, part_of_all: Any) -> None:
    """Replace an exponential by the output's delta t - p."""
    hit = _ONE if column == label else _ZERO
    store_float(line + 4 * column, hit - load_float(line + 4 * column) * part_of_all)


@gpu_function
def softmax_delta(plan: Any, line: Any, sub: Any, label: Any, top: Any, live: Any) -> Any:
    """Replace a sample's outputs by their deltas; return the sum of the exponentials."""
    total = _ZERO
    for start in range(0, plan.classes, 16):
        column = start + 2 * sub
        if live and column < plan.classes:
            total += power(line, column, top)
        if live and column + 1 < plan.classes:
            total += power(line, column + 1, top)
    total = over_8_lanes(total)
    part_of_all = _ONE / total
    for start in range(0, plan.classes, 16):
        column = start + 2 * sub
        if live and column < plan.classes:
            output_delta(line, column, label, part_of_all)
        if live and column + 1 < plan.classes:
            output_delta(line, column + 1, label, part_of_all)
    return total


@gpu_function
def hidden_delta(plan: Any, base: Any, row: Any, line: Any, sub: Any) -> None:
    """Compute a sample's deltas of the hidden units, as numbers and as the split pairs that tensor cores take."""
    width = TILE_UNITS * plan.tiles
    for tile in range(plan.tiles):
        unit = TILE_UNITS * tile + (sub & 3)
        left = line + 4 * (sub >> 2)
        right = base + plan.above + 4 * (unit * (plan.classes + 1) + (sub >> 2))
        d = _ZERO
        for column in range(0, plan.classes, 2):
            if column + (sub >> 2) < plan.classes:
                d += load_float(left + 4 * column) * load_float(right + 4 * column)
        d += cuda.shfl_xor_sync(_ALL, d, 4)
        if load_float(base + plan.units + 4 * (row * (width + 2) + unit)) <= _ZERO:
            d = _ZERO
        neighbour = cuda.shfl_xor_sync(_ALL, d, 8)
        if sub < TILE_UNITS:
            store_float(base + plan.unit_deltas + 4 * (row * width + unit), d)
            to = base + plan.deltas + 4 * (288 * (tile * plan.groups + (row >> 6)) + delta_index(row & 63, sub))
            # The even sample's lane stores the pair, the odd one's what rounding left over.
            if row & 1:
                store_word(to + 144, split_pair(neighbour * _SPLIT_SCALE, d * _SPLIT_SCALE)[1])
            else:
                store_word(to, split_pair(d * _SPLIT_SCALE, neighbour * _SPLIT_SCALE)[0])


@gpu_function
def deltas(plan: Any, base: Any, sums: Any, step: Any, warp: Any, lane: Any, block: Any, patience: Any) -> Any:
    """Wait for the outputs of all samples and compute all deltas; return what is left of the patience."""
    sub = lane & 7
    samples = ROWS * plan.groups
    turn = (step & 1) * samples
    for first in range(0, samples, 4 * WARPS):
        row = first + 4 * warp + (lane >> 3)
        live = row < plan.batch
        label = load_word(base + plan.labels + 4 * (turn + row))
        line = base + plan.outputs + 4 * row * plan.classes
        sum_at = 8 * (turn + row) * plan.sum_columns
        top = _LOWEST
        if live:
            top, patience = receive_outputs(plan, base + plan.seen + sum_at, sums + sum_at, line, sub, patience)
        cuda.syncwarp()
        top = largest_of_8_lanes(top)
        target = wrong = _ZERO
        if block == 0:
            if live:
                target = load_float(line + 4 * label)
                wrong = mistake(plan, line, sub, label, target)
            wrong = largest_of_8_lanes(wrong)
        cuda.syncwarp()
        total = softmax_delta(plan, line, sub, label, top, live)
        if block == 0 and sub == 0 and live:
            store_float(base + plan.scores + 4 * row, math.log(total) - (target - top))
            store_float(base + plan.scores + 4 * (samples + row), wrong)
        cuda.syncwarp()
        hidden_delta(plan, base, row, line, sub)
    return patience


@gpu_function
def add_scores(plan: Any, base: Any, totals: Any, step: Any, lane: Any) -> None:
    """Write a minibatch's cross-entropy and mistakes, added up by one warp."""
    samples = ROWS * plan.groups
    loss = mistakes = _ZERO
    for row in range(lane, plan.batch, 32):
        loss += load_float(base + plan.scores + 4 * row)
        mistakes += load_float(base + plan.scores + 4 * (samples + row))
    for lanes in (16, 8):
        loss += cuda.shfl_xor_sync(_ALL, loss, lanes)
        mistakes += cuda.shfl_xor_sync(_ALL, mistakes, lanes)
    loss, mistakes = over_8_lanes(loss), over_8_lanes(mistakes)
    if lane == 0:
        totals[2 * step] = loss
        totals[2 * step + 1] = mistakes
