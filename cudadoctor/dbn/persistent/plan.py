"""How a network is divided among the multiprocessors, and what each of its blocks keeps in shared memory.

A block owns 4 hidden units, or a multiple of 4: their weights from all inputs, their weights to all outputs, and all
velocities. The pixels of a minibatch are in every block's shared memory. 4 units, because a tile of a tensor core has
8 columns and a number in single precision is two in half precision.
"""

from __future__ import annotations

from typing import NamedTuple

from cudadoctor.dbn.network import Network

TILE_UNITS = 4
"""Hidden units of a tile."""

ROWS = 64
"""Samples that are handled together; a minibatch is filled up to a multiple of it."""

PAIR_INPUTS = 32
"""Inputs of a pair of tiles, which a warp handles together."""

MATRIX_WARPS = 13
"""Warps for the first layer at most; measured: 25 pairs of tiles (784 inputs) are done in two turns."""

WARPS = 16

THREADS = 32 * WARPS

MOST_BLOCKS = 255
"""A sum of outputs counts in 8 bits how many blocks have added to it."""

MOST_CLASSES = 256
"""Labels are bytes."""

LEAST_CAPABILITY = (8, 0)
"""The first with these tensor-core instructions and asynchronous copies."""

_WORD = 4


class Plan(NamedTuple):
    """Sizes, and byte addresses within a block's shared memory.

    `batch` samples are filled up to `groups` * 64; `chunks` are the 16-byte pieces of a sample's pixels, `stride` is
    the distance of samples in shared memory, `pairs` are the tiles of 32 inputs, `tiles` those of 4 hidden units in
    each of `blocks`. Of the block's warps the first `matrix_warps` train the first layer and the others the second.
    `buffers` minibatches are held at once. Sums have `sum_columns` columns, an even number.
    """

    batch: int
    groups: int
    inputs: int
    chunks: int
    stride: int
    pairs: int
    hidden: int
    tiles: int
    blocks: int
    classes: int
    sum_columns: int
    matrix_warps: int
    buffers: int
    pixels: int
    weights: int
    velocities: int
    halves: int
    deltas: int
    parts: int
    units: int
    outputs: int
    unit_deltas: int
    above: int
    above_velocities: int
    seen: int
    rows: int
    labels: int
    scores: int
    size: int


def why_not(
    network: Network, *, multiprocessors: int, shared_bytes: int, capability: tuple[int, int], cooperative: bool
) -> str | None:
    """Return why this kernel cannot train a network on a device, as a phrase, or None if it can.

    Args:
        network: The network.
        multiprocessors: Number of them.
        shared_bytes: Shared memory that one block can have on this device.
        capability: Compute capability.
        cooperative: Whether the device takes cooperative launches.
    """
    if network.hidden != "relu":
        return "it is written for rectified hidden units"
    if len(network.layers) != 3:
        return f"it trains networks of one hidden layer, and this one has {len(network.layers) - 2}"
    if network.classes > MOST_CLASSES:
        return f"it takes at most {MOST_CLASSES} classes, and this network has {network.classes}"
    if capability < LEAST_CAPABILITY:
        return (
            f"it needs the tensor cores of compute capability {'.'.join(map(str, LEAST_CAPABILITY))}, "
            f"and this GPU has {'.'.join(map(str, capability))}"
        )
    if not cooperative:
        return "its blocks wait for each other, and this GPU takes no cooperative launches"
    plan = divide(network, multiprocessors=multiprocessors, shared_bytes=shared_bytes)
    if plan.size > shared_bytes:
        return (
            f"a minibatch of {network.batch_size} and a block's share of the weights need {plan.size / 1024:.0f} KiB "
            f"of shared memory, and a block of this GPU has {shared_bytes / 1024:.0f} KiB"
        )
    return None


def divide(network: Network, *, multiprocessors: int, shared_bytes: int) -> Plan:
    """Return the plan with as few units a block as can be, and two minibatches in memory if they fit."""
    hidden = network.layers[1]
    most = min(multiprocessors, MOST_BLOCKS)
    tiles = -(-hidden // (TILE_UNITS * most))
    plan = _plan(network, tiles, 2)
    return plan if plan.size <= shared_bytes else _plan(network, tiles, 1)


def _plan(network: Network, tiles: int, buffers: int) -> Plan:
    inputs, hidden, classes = network.layers
    groups = -(-network.batch_size // ROWS)
    samples = groups * ROWS
    chunks, pairs = -(-inputs // 16), -(-inputs // PAIR_INPUTS)
    # An odd number of 16-byte pieces: eight neighbouring samples then start at eight different groups of memory banks.
    stride = 16 * (2 * pairs + 1)
    matrix_warps = -(-pairs // -(-pairs // MATRIX_WARPS))
    units = tiles * TILE_UNITS
    sum_columns = classes + classes % 2
    fragment = tiles * pairs * 32 * 16

    sizes = {
        "pixels": buffers * samples * stride,
        "weights": fragment,
        "velocities": fragment,
        "halves": fragment,
        "deltas": tiles * groups * 8 * 36 * _WORD,
        "seen": 2 * samples * sum_columns * 8,
        "parts": matrix_warps * part_words(tiles, groups) * _WORD,
        "units": samples * (units + 2) * _WORD,
        "outputs": samples * classes * _WORD,
        "unit_deltas": samples * units * _WORD,
        "above": (units + 1) * (classes + 1) * _WORD,
        "above_velocities": (units + 1) * (classes + 1) * _WORD,
        "rows": 2 * samples * _WORD,
        "labels": 2 * samples * _WORD,
        "scores": 2 * samples * _WORD,
    }
    starts, end = {}, 0
    for name, size in sizes.items():
        starts[name] = end
        end += -(-size // 16) * 16
    return Plan(
        batch=network.batch_size,
        groups=groups,
        inputs=inputs,
        chunks=chunks,
        stride=stride,
        pairs=pairs,
        hidden=hidden,
        tiles=tiles,
        blocks=-(-hidden // units),
        classes=classes,
        sum_columns=sum_columns,
        matrix_warps=matrix_warps,
        buffers=buffers,
        size=end,
        **starts,
    )


def part_words(tiles: int, groups: int) -> int:
    """Return the words of a warp's part of the hidden units, and 8 more, so that warps' parts differ in their banks."""
    return tiles * groups * ROWS * TILE_UNITS + 8


def state_size(plan: Plan) -> int:
    """Return how many numbers the weights and biases of both layers are; velocities are as many."""
    return plan.inputs * plan.hidden + plan.hidden + plan.hidden * plan.classes + plan.classes
