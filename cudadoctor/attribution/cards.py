"""What a minibatch would take on a card that is not here: a prediction from data sheets, with its error.

The device's time has two parts. One does not get shorter with more multiprocessors: work of this size is a chain of
small steps, each of which waits for memory or for a barrier, so it follows the clock alone. It was measured on an H100,
where the other part is small. That other part is arithmetic and traffic at a part of the card's peak. The host's time
is launches at what one costs; it does not depend on the card.

Every constant has a range, and a prediction is worked out at both ends of all ranges at once: its error is no standard
deviation but how far off it is if all that is uncertain is uncertain in the same direction.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import median
from typing import Literal

import msgspec

from cudadoctor.attribution.ladder import measured
from cudadoctor.facts.base import Missing
from cudadoctor.facts.race import Race
from cudadoctor.tables.published_cards import PublishedCard

Style = Literal["per-operation", "graph", "persistent"]

FLOAT_BYTES = 4


class Range(msgspec.Struct, frozen=True):
    """A value, and between which two it lies."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Range:
        """Return the range scaled."""
        return Range(self.value * factor, self.low * factor, self.high * factor)

    def plus(self, other: Range) -> Range:
        """Return the sum, at worst and at best."""
        return Range(self.value + other.value, self.low + other.low, self.high + other.high)

    def at_least(self, other: Range) -> Range:
        """Return the larger of two, end by end."""
        return Range(max(self.value, other.value), max(self.low, other.low), max(self.high, other.high))


class Work(msgspec.Struct, frozen=True):
    """What one minibatch asks of a device: arithmetic of its products, and bytes of all else."""

    flop: float
    moved_bytes: float


class CardModel(msgspec.Struct, frozen=True, kw_only=True):
    """The constants of the model, and the card that they were measured on.

    `launch_us` is the host's cost of a launch; `graph_us` and `persistent_us` are whole minibatches on `card`.
    `arithmetic` and `memory` are parts of the peak that a card reaches whose multiprocessors all have work: the first
    is an assumption, since on the H100 they never have.
    """

    card: str
    launch_us: Range
    launches: int
    graph_us: Range
    persistent_us: Range
    arithmetic: Range
    memory: Range
    source: str


H100 = CardModel(
    card="H100 SXM",
    launch_us=Range(36.0, 27.0, 65.0),
    launches=16,
    graph_us=Range(88.0, 38.1, 91.0),
    persistent_us=Range(16.0, 16.0, 21.4),
    arithmetic=Range(0.35, 0.2, 0.6),
    memory=Range(0.7, 0.5, 0.89),
    source="One H100, 16 host cores, 2026-11-23. Launch: a small numba kernel with one array 36 µs; in races of 16 "
    "launches 31 to 65, on hosts of an H200 27. Graph: PyTorch's eager step as a CUDA graph 88, compiled in a graph of "
    "an epoch 38, numba's fused kernels 91. Persistent: one cooperative numba kernel 21.4, an hour later 16.0. Memory: "
    "copies within the device reach 0.89 of 3352 GB/s.",
)
"""Constants before a race has measured its own."""


def reference_work(layers: Sequence[int], batch_size: int, *, fused: bool) -> Work:
    """Return the work of one minibatch: products forward and back, and what Nesterov's method reads and writes.

    Args:
        layers: Units of each layer.
        batch_size: Rows of a minibatch.
        fused: Whether gradients and activations stay on the chip.
    """
    pairs = list(itertools.pairwise(layers))
    forward = sum(2.0 * batch_size * a * b for a, b in pairs)
    back = forward + sum(2.0 * batch_size * a * b for a, b in pairs[1:])
    parameters = sum(a * b + b for a, b in pairs)
    rows = batch_size * layers[0]
    if fused:
        return Work(forward + back, float(rows))
    activations = 6 * FLOAT_BYTES * batch_size * sum(layers)
    weights = 2 * FLOAT_BYTES * parameters  # read forward, gradients written back
    return Work(forward + back, 5.0 * FLOAT_BYTES * parameters + weights + activations + rows)


def predicted_us(
    card: PublishedCard,
    style: Style,
    reference: PublishedCard,
    *,
    layers: Sequence[int] = (784, 300, 10),
    batch_size: int = 64,
    model: CardModel = H100,
    host_factor: float = 1.0,
) -> Range:
    """Predict a minibatch on a card.

    Args:
        card: Its published figures.
        style: One kernel an operation; the same as a graph; or one persistent kernel.
        reference: The published figures of `model.card`.
        layers: Units of each layer; the constants were measured with 784-300-10.
        batch_size: Rows of a minibatch; the constants were measured with 64.
        model: The constants.
        host_factor: How many times slower the host launches than the one that the constants are from.

    Returns:
        Microseconds, with the ends of their range.
    """
    anchor = model.persistent_us if style == "persistent" else model.graph_us
    work = reference_work(layers, batch_size, fused=style == "persistent")
    here, there = busy_us(card, work, model), busy_us(reference, work, model)
    waiting = Range(*(max(0.0, a - b) for a, b in zip(_ends(anchor), _ends(there), strict=True)))
    device = waiting.times(reference.boost_mhz / card.boost_mhz).plus(here)
    if style != "per-operation":
        return _ordered(device)
    return _ordered(device.at_least(model.launch_us.times(model.launches * host_factor)))


def busy_us(card: PublishedCard, work: Work, model: CardModel = H100) -> Range:
    """Return arithmetic and traffic at the parts of a card's peaks that are reached, one after the other."""
    arithmetic = work.flop / card.gflop_per_s * 1e-3
    traffic = work.moved_bytes / card.memory_gb_per_s * 1e-3
    a, m = model.arithmetic, model.memory
    return Range(
        arithmetic / a.value + traffic / m.value,
        arithmetic / a.high + traffic / m.high,
        arithmetic / a.low + traffic / m.low,
    )


def fitted(race: Race, card: str, model: CardModel = H100) -> CardModel | Missing:
    """Return a model with the constants of a recorded race: launches of R4, the graph of R6, the kernel of R7.

    What the race did not measure stays as it is in `model`; without R4 and R6 there is nothing to fit.
    """
    rungs = race.explanation.rungs if race.explanation is not None else ()
    operations, graph, whole = (measured(rungs, id) for id in ("R4", "R6", "R7"))
    launches = [call for call in operations.calls if call.kind == "launch"] if operations is not None else []
    if operations is None or graph is None or not launches or not operations.median_us or not graph.median_us:
        return Missing("the race did not measure R4, with its calls, and R6")
    each = sorted(call.host_us for call in launches)
    return msgspec.structs.replace(
        model,
        card=card,
        launches=len(launches),
        launch_us=Range(median(each), each[len(each) // 4], max(each[-1 - len(each) // 4], median(each))),
        graph_us=_of(graph.median_us, graph.low_us, graph.high_us),
        persistent_us=model.persistent_us
        if whole is None or not whole.median_us
        else _of(whole.median_us, whole.low_us, whole.high_us),
        source="a recorded race",
    )


def _of(value: float, low: float | None, high: float | None) -> Range:
    return Range(value, value if low is None else low, value if high is None else high)


def _ends(range_: Range) -> tuple[float, float, float]:
    return range_.value, range_.low, range_.high


def _ordered(range_: Range) -> Range:
    ends = [value for value in _ends(range_) if math.isfinite(value)]
    return Range(range_.value, min(ends), max(ends))
