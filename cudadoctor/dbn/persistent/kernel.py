"""The kernel that trains an epoch.

Blocks meet only in the sums of the outputs. Within a block there are two barriers a minibatch: before the deltas are
used, and before the warps' parts of the next hidden units are. Between them the warps of the first layer go from the
gradient to the updated weights and on to the next minibatch's products without waiting for anybody, because a warp
keeps to its own inputs. The next minibatch's pixels are on their way while the block waits for the outputs.
"""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np

from cudadoctor.dbn.persistent.above import train_above
from cudadoctor.dbn.persistent.fetch import start_minibatch, start_rows
from cudadoctor.dbn.persistent.fragments import forward, gradient, store_halves
from cudadoctor.dbn.persistent.outputs import add_outputs, add_scores, deltas
from cudadoctor.dbn.persistent.plan import PAIR_INPUTS, ROWS, THREADS, TILE_UNITS, WARPS, Plan, part_words, state_size
from cudadoctor.gpu.numba_cuda import cuda, gpu_function, gpu_kernel_with
from cudadoctor.gpu.ptx import (
    global_address,
    load_4_floats,
    load_float,
    shared_address,
    store_4_floats,
    store_float,
    store_word,
    wait_for_copies,
)

PATIENCE = 1 << 24
"""How often a thread may look for outputs in vain before it goes on without them: some seconds, so a launch ends."""

_part_words, _state_size = gpu_function(part_words), gpu_function(state_size)


@gpu_function
def take_weights(plan: Any, base: Any, state: Any, block: Any, thread: Any) -> None:
    """Copy this block's weights and velocities to shared memory, which is 0 elsewhere."""
    warp, lane = thread >> 5, thread & 31
    g, t = lane >> 2, lane & 3
    half = _state_size(plan)
    width = TILE_UNITS * plan.tiles
    if warp < plan.matrix_warps:
        for tile in range(plan.tiles):
            unit = block * width + TILE_UNITS * tile + t
            for pair in range(warp, plan.pairs, plan.matrix_warps):
                at = base + 512 * (tile * plan.pairs + pair)
                for k in range(4):
                    i = PAIR_INPUTS * pair + 4 * g + k
                    if i < plan.inputs and unit < plan.hidden:
                        store_float(at + plan.weights + 16 * lane + 4 * k, state[i * plan.hidden + unit])
                        store_float(at + plan.velocities + 16 * lane + 4 * k, state[half + i * plan.hidden + unit])
                store_halves(at + plan.halves, lane, load_4_floats(at + plan.weights + 16 * lane))
    for row in range(warp, width + 1, WARPS):
        for column in range(lane, plan.classes + 1, 32):
            i = above_index(plan, block, row, column)
            if i >= 0:
                to = base + 4 * (row * (plan.classes + 1) + column)
                store_float(to + plan.above, state[i])
                store_float(to + plan.above_velocities, state[half + i])


@gpu_function
def give_weights(plan: Any, base: Any, state: Any, block: Any, thread: Any) -> None:
    """Copy this block's weights and velocities back."""
    warp, lane = thread >> 5, thread & 31
    g, t = lane >> 2, lane & 3
    half = _state_size(plan)
    width = TILE_UNITS * plan.tiles
    if warp < plan.matrix_warps:
        for tile in range(plan.tiles):
            unit = block * width + TILE_UNITS * tile + t
            for pair in range(warp, plan.pairs, plan.matrix_warps):
                at = base + 512 * (tile * plan.pairs + pair) + 16 * lane
                for k in range(4):
                    i = PAIR_INPUTS * pair + 4 * g + k
                    if i < plan.inputs and unit < plan.hidden:
                        state[i * plan.hidden + unit] = load_float(at + plan.weights + 4 * k)
                        state[half + i * plan.hidden + unit] = load_float(at + plan.velocities + 4 * k)
    for row in range(warp, width + 1, WARPS):
        for column in range(lane, plan.classes + 1, 32):
            i = above_index(plan, block, row, column)
            if i >= 0:
                at = base + 4 * (row * (plan.classes + 1) + column)
                state[i] = load_float(at + plan.above)
                state[half + i] = load_float(at + plan.above_velocities)


@gpu_function
def above_index(plan: Any, block: Any, row: Any, column: Any) -> Any:
    """Return where a number of `above` stands in the state, or -1 if it is not this block's."""
    width = TILE_UNITS * plan.tiles
    unit = block * width + row
    biases = plan.inputs * plan.hidden
    if row == width:
        return biases + plan.hidden * (1 + plan.classes) + column if block == 0 and column < plan.classes else -1
    if unit >= plan.hidden:
        return -1
    return biases + unit if column == plan.classes else biases + plan.hidden + unit * plan.classes + column


@gpu_function
def forward_all(plan: Any, base: Any, pixels: Any, warp: Any, lane: Any) -> None:
    """Compute this warp's part of all hidden units."""
    parts = base + plan.parts + 4 * warp * _part_words(plan.tiles, plan.groups)
    for tile in range(plan.tiles):
        halves = base + plan.halves + 512 * tile * plan.pairs
        for group in range(plan.groups):
            start = pixels + group * ROWS * plan.stride
            to = parts + 1024 * (tile * plan.groups + group)
            forward(start, plan.stride, halves, to, lane, warp, plan.pairs, plan.matrix_warps)


@gpu_function
def train_first(plan: Any, base: Any, pixels: Any, warp: Any, lane: Any, momentum: Any, rate: Any, shrink: Any) -> None:
    """Train this warp's share of the first layer."""
    for tile in range(plan.tiles):
        split = base + plan.deltas + 1152 * tile * plan.groups
        pair = warp
        while pair < plan.pairs:  # not a range, for which numba would divide
            at = base + 512 * (tile * plan.pairs + pair) + 16 * lane
            g = gradient(pixels + PAIR_INPUTS * pair, plan.stride, split, lane, plan.groups)
            a, v = load_4_floats(at + plan.weights), load_4_floats(at + plan.velocities)
            c0, c1 = rate * g[0] - shrink * a[0], rate * g[1] - shrink * a[1]
            c2, c3 = rate * g[2] - shrink * a[2], rate * g[3] - shrink * a[3]
            s0, s1, s2, s3 = momentum * v[0] + c0, momentum * v[1] + c1, momentum * v[2] + c2, momentum * v[3] + c3
            a0, a1 = a[0] + (momentum * s0 + c0), a[1] + (momentum * s1 + c1)
            a2, a3 = a[2] + (momentum * s2 + c2), a[3] + (momentum * s3 + c3)
            store_4_floats(at + plan.velocities, (s0, s1, s2, s3))
            store_4_floats(at + plan.weights, (a0, a1, a2, a3))
            store_halves(at + plan.halves - 16 * lane, lane, (a0, a1, a2, a3))
            pair += plan.matrix_warps


@gpu_function
def train(
    plan: Plan,
    pixels: Any,
    labels: Any,
    rows: Any,
    state: Any,
    sums: Any,
    totals: Any,
    steps: Any,
    momentum: Any,
    product_rate: Any,
    rate: Any,
    shrink: Any,
) -> None:
    """Train on `steps` minibatches; a grid of `plan.blocks` blocks of `THREADS` threads, `plan.size` bytes each.

    Args:
        plan: How the work is divided.
        pixels: (samples * 16 chunks,) uint8, each sample filled up with zeros.
        labels: (samples,) int32.
        rows: (steps * batch,) uint32, and those of one minibatch even for 0 steps.
        state: A (inputs, hidden), c (hidden,), A (hidden, classes), c (classes,), then their velocities; float32, flat.
        sums: (2 * 64 groups * sum_columns,) int64; in any state.
        totals: (2 * steps,) float32: cross-entropy in nats and mistakes of each minibatch.
        steps: Number of minibatches.
        momentum: Momentum.
        product_rate: rate * `PRODUCT_SCALE`.
        rate: Learning rate / samples of a minibatch.
        shrink: Learning rate * L2 cost.
    """
    memory = cuda.shared.array(0, numba.uint8)
    base = shared_address(memory)
    thread, block = cuda.threadIdx.x, cuda.blockIdx.x
    warp, lane = thread >> 5, thread & 31
    samples = ROWS * plan.groups
    width = TILE_UNITS * plan.tiles

    for at in range(4 * thread, plan.size, 4 * THREADS):
        store_word(base + at, 0)
    if block == 0:
        for i in range(thread, sums.size, THREADS):
            sums[i] = 0
    cuda.syncthreads()
    for row in range(thread, samples, THREADS):
        line = base + plan.units + 4 * row * (width + 2)
        store_float(line + 4 * width, np.float32(1) if block == 0 else np.float32(0))
        store_float(line + 4 * width + 4, np.float32(1))
    take_weights(plan, base, state, block, thread)
    pixels_at, labels_at, rows_at = global_address(pixels), global_address(labels), global_address(rows)
    sums_at = global_address(sums)
    start_rows(plan, base, rows_at, 0, thread)
    if steps > 1:
        start_rows(plan, base, rows_at, 1, thread)
    wait_for_copies()
    cuda.syncthreads()
    start_minibatch(plan, base, pixels_at, labels_at, 0, warp, lane)
    wait_for_copies()
    # All blocks run at once, because this makes the launch a cooperative one; and all sums are 0.
    cuda.cg.this_grid().sync()

    here = there = base + plan.pixels
    if warp < plan.matrix_warps:
        forward_all(plan, base, here, warp, lane)
    cuda.syncthreads()
    patience = PATIENCE
    for step in range(steps):
        more = step + 1 < steps
        if plan.buffers == 2:
            here = base + plan.pixels + (step & 1) * samples * plan.stride
            there = base + plan.pixels + ((step + 1) & 1) * samples * plan.stride
        add_outputs(plan, base, sums_at, step, warp, lane)
        if more and plan.buffers == 2:
            start_minibatch(plan, base, pixels_at, labels_at, step + 1, warp, lane)
        if step + 2 < steps:
            start_rows(plan, base, rows_at, step + 2, thread)
        patience = deltas(plan, base, sums_at, step, warp, lane, block, patience)
        wait_for_copies()
        cuda.syncthreads()

        if warp < plan.matrix_warps:
            train_first(plan, base, here, warp, lane, momentum, product_rate, shrink)
            cuda.syncwarp()
        if more and plan.buffers == 1:
            cuda.syncthreads()
            start_minibatch(plan, base, pixels_at, labels_at, step + 1, warp, lane)
            wait_for_copies()
            cuda.syncthreads()
        if warp < plan.matrix_warps:
            if more:
                forward_all(plan, base, there, warp, lane)
        else:
            train_above(plan, base, warp - plan.matrix_warps, WARPS - plan.matrix_warps, lane, momentum, rate, shrink)
            if block == 0 and warp == WARPS - 1:
                add_scores(plan, base, totals, step, lane)
        cuda.syncthreads()
    give_weights(plan, base, state, block, thread)


@cache
def sources() -> int:
    """Return a checksum of the kernel's source files; numba's cache on disk would see changes in this one alone."""
    folder = Path(__file__).parent
    parts = [*sorted(folder.glob("*.py")), folder.parent.parent / "gpu" / "ptx.py"]
    return zlib.crc32(b"".join(part.read_bytes() for part in parts))


@cache
def kernel_for(plan: Plan) -> Any:
    """Return the kernel for a plan, with the plan's numbers as constants.

    As arguments they made the code three times as long: loops of unknown length were unrolled with all that it takes to
    leave them early. So there is one kernel for each network, minibatch size and number of multiprocessors.
    """
    checksum = sources()

    @gpu_kernel_with(launch_bounds=THREADS)
    def kernel(
        pixels: Any,
        labels: Any,
        rows: Any,
        state: Any,
        sums: Any,
        totals: Any,
        steps: Any,
        momentum: Any,
        product_rate: Any,
        rate: Any,
        shrink: Any,
    ) -> None:
        if checksum >= 0:  # always; what a kernel makes use of becomes part of the key that it is cached by
            train(plan, pixels, labels, rows, state, sums, totals, steps, momentum, product_rate, rate, shrink)

    return kernel


def signature() -> Any:
    """Return the kernel's argument types, by which it is compiled before the first launch."""
    from numba.cuda import types

    number, long = types.float32, types.int64
    arrays = types.uint8[::1], types.int32[::1], types.uint32[::1], number[::1], long[::1], number[::1]
    return *arrays, types.int32, number, number, number, number
