"""The operations of a step, one launch each, on arrays of the host or of the device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cudadoctor.dbn.network import Hidden
from cudadoctor.dbn.ops import (
    affine,
    bias_gradient,
    hidden_delta,
    nesterov,
    output_delta,
    relu,
    sigmoid,
    sigmoid_delta,
    softmax,
)
from cudadoctor.dbn.ops import weight_gradient as gradient
from cudadoctor.dbn.ops.grid import BLOCK, blocks, tiles
from cudadoctor.dbn.rungs.arrays import NetworkArrays, UpdateNumbers
from cudadoctor.dbn.rungs.base import Step

_ACTIVATION = {"relu": (relu.launch, hidden_delta.launch), "sigmoid": (sigmoid.launch, sigmoid_delta.launch)}
"""The launch of each kind of hidden units, and that of their deltas."""


def launches(
    arrays: NetworkArrays, update: UpdateNumbers, totals: Any, hidden: Hidden, stream: Any = 0
) -> Iterator[Step]:
    """Yield one step a launch, from inputs and targets that are in their arrays to the updated weights."""
    activate, send_back = _ACTIVATION[hidden]
    units, ahead = arrays.units, arrays.ahead
    last = len(ahead) - 1

    def launch(name: str, grid: int, function: Any, *arguments: Any) -> Step:
        return Step(name, "launch", lambda _: function(*arguments, stream=stream), arrays=arguments, blocks=grid)

    for i, (weights, biases) in enumerate(ahead):
        yield launch(f"affine {i + 1}", tiled(units[i + 1]), affine.launch, units[i], weights, biases, units[i + 1])
        if i < last:
            yield launch(f"{hidden} {i + 1}", flat(arrays.hidden[i + 1]), activate, arrays.hidden[i + 1])
    d = units[-1]  # the outputs become their own deltas
    rows = totals.shape[0]

    def run_softmax(step: int, z: Any = d) -> None:
        softmax.launch(z, arrays.targets, step % rows, totals, stream=stream)

    yield Step("softmax", "launch", run_softmax, arrays=(d, arrays.targets, totals), blocks=1)
    yield launch("output delta", flat(d), output_delta.launch, d, arrays.targets)
    for i in range(last, -1, -1):
        weights, biases = arrays.gradient[i]
        yield launch(f"weight gradient {i + 1}", tiled(weights), gradient.launch, units[i], d, weights)
        yield launch(f"bias gradient {i + 1}", flat(biases), bias_gradient.launch, d, biases)
        if i > 0:
            below = arrays.deltas[i]
            yield launch(f"hidden delta {i}", tiled(below), send_back, d, ahead[i].weights, units[i], below)
            d = below
    for number, each in enumerate(arrays.flat):
        what = "weights" if each[-1] else "biases"
        name = f"update {what} {number // 2 + 1}"
        yield Step(name, "launch", _update(each, update, stream), arrays=each[:3], blocks=flat(each[0]))


def tiled(out: Any) -> int:
    """Return the size of the grid of tiles that covers a matrix."""
    across, down = tiles(*out.shape)
    return across * down


def flat(out: Any) -> int:
    """Return the size of the grid of an elementwise operation."""
    return blocks(out.size, BLOCK)


def _update(arrays: tuple[Any, Any, Any, bool], update: UpdateNumbers, stream: Any) -> Any:
    a, v, g, decays = arrays

    def run(_: int) -> None:
        nesterov.launch(a, v, g, update.momentum, update.rate, update.shrink_of(decays), stream=stream)

    return run
