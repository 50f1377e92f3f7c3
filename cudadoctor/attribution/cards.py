"""What a minibatch would take on a card that is not here: a prediction from data sheets, with its error.

The device's time has two parts. One does not get shorter with more multiprocessors: work of this size is a chain of
small steps, each of which waits for memory or for a barrier, so it follows the clock alone. The other is arithmetic and
traffic at a part of the card's peak. The host's time is launches, copies and read-backs at what they cost there; it
does not depend on the card. The persistent kernel divides the work among a fixed number of multiprocessors, so all of
it follows the clock.

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

Style = Literal["copied", "per-operation", "graph", "persistent"]
"""As most people write it; one kernel an operation, on data that stays; the same fused, in a graph; one kernel an
epoch."""

FLOAT_BYTES = 4

MEASURED_LAYERS: tuple[int, ...] = (784, 300, 10)
MEASURED_BATCH = 64
"""What the constants were measured with."""


class Range(msgspec.Struct, frozen=True):
    """A value, and between which two it lies."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Range:
        """Return the range scaled."""
        return Range(self.value * factor, self.low * factor, self.high * factor)

    def by(self, other: Range) -> Range:
        """Return the product, at worst and at best."""
        return Range(self.value * other.value, self.low * other.low, self.high * other.high)

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

    `launch_us` is the host's cost of a launch, `copying_us` what gathering a minibatch, copying it and reading its loss
    back cost the host; `graph_us` and `persistent_us` are whole minibatches on `card`. `arithmetic` and `memory` are
    parts of the peak that a card reaches whose multiprocessors all have work. A persistent kernel takes `other_chip`
    times as many cycles on another chip, and `one_buffer` times as many where only one minibatch fits.
    """

    card: str
    launch_us: Range
    launches: int
    copied_launches: int
    copying_us: Range
    graph_us: Range
    persistent_us: Range
    arithmetic: Range
    memory: Range
    other_chip: Range = Range(1.0, 0.8, 2.0)
    one_buffer: Range = Range(1.25, 1.0, 1.53)
    source: str


H100 = CardModel(
    card="H100 SXM",
    launch_us=Range(36.0, 28.8, 69.1),
    launches=15,
    copied_launches=14,
    copying_us=Range(359.0, 255.0, 971.0),
    graph_us=Range(91.1, 90.8, 91.8),
    persistent_us=Range(6.40, 6.35, 6.65),
    arithmetic=Range(0.021, 0.015, 0.06),
    memory=Range(0.7, 0.5, 0.89),
    source="measured on H100s, 2026-11-23",
)
"""This project's kernels, before a race has measured its own; docs/measurements.md has the figures.

Launch: a small kernel of numba with one array 36 µs; races of 15 launches 33 to 69 on hosts of an H100, 29 on one of an
H200. Copying: the lane gpu-copied 863 µs (813 to 999) without 14 launches, where one cost 35.6; on hosts that launch
slower or faster it is assumed to be so as well. Graph and persistent kernel: one H100, 12 epochs of the latter.
Arithmetic: what 960 more samples in a minibatch added to the graph, 0.674 µs each, which is 2.1 % of 66.9 TFLOP/s; at
most a third more is taken to be lost elsewhere, or three times as much reached. Memory: copies within the device reach
0.89 of 3352 GB/s. Other chips: assumed, an A100's multiprocessor does half as much a cycle. One buffer: of 11,190
cycles a minibatch 5960 hide the fetch of the next, so that it costs at most these again.
"""

LIBRARIES = msgspec.structs.replace(
    H100,
    graph_us=Range(88.0, 38.1, 91.0),
    arithmetic=Range(0.35, 0.2, 0.6),
    source="measured on H100s, 2026-11-23; the part of the arithmetic peak that a library reaches is assumed",
)
"""The same with kernels of libraries: PyTorch's eager step as a CUDA graph 88 µs, compiled in an epoch's graph 38."""


def reference_work(layers: Sequence[int], batch_size: int) -> Work:
    """Return the work of one minibatch: products forward and back, and what Nesterov's method reads and writes.

    Args:
        layers: Units of each layer.
        batch_size: Rows of a minibatch.
    """
    pairs = list(itertools.pairwise(layers))
    forward = sum(2.0 * batch_size * a * b for a, b in pairs)
    back = forward + sum(2.0 * batch_size * a * b for a, b in pairs[1:])
    parameters = sum(a * b + b for a, b in pairs)
    rows = batch_size * layers[0]
    activations = 6 * FLOAT_BYTES * batch_size * sum(layers)
    weights = 2 * FLOAT_BYTES * parameters  # read forward, gradients written back
    return Work(forward + back, 5.0 * FLOAT_BYTES * parameters + weights + activations + rows)


def predicted_us(
    card: PublishedCard,
    style: Style,
    reference: PublishedCard,
    *,
    layers: Sequence[int] = MEASURED_LAYERS,
    batch_size: int = MEASURED_BATCH,
    model: CardModel = H100,
    host_factor: float = 1.0,
    buffers: int = 2,
) -> Range:
    """Predict a minibatch on a card.

    Args:
        card: Its published figures.
        style: How the program is written; whether the card can run a persistent kernel is not asked here.
        reference: The published figures of `model.card`.
        layers: Units of each layer; the constants were measured with 784-300-10.
        batch_size: Rows of a minibatch; the constants were measured with 64.
        model: The constants.
        host_factor: How many times slower the host launches and copies than the one that the constants are from.
        buffers: Minibatches that a block of the persistent kernel holds at once.

    Returns:
        Microseconds, with the ends of their range.
    """
    clock = reference.boost_mhz / card.boost_mhz
    if style == "persistent":
        whole = model.persistent_us.times(clock)
        whole = whole if card.chip == reference.chip else whole.by(model.other_chip)
        return whole if buffers > 1 else whole.by(model.one_buffer)
    here = busy_us(card, reference_work(layers, batch_size), model)
    there = busy_us(reference, reference_work(MEASURED_LAYERS, MEASURED_BATCH), model)
    pairs = list(zip(_ends(model.graph_us), _ends(there), strict=True))
    waiting = Range(*(max(0.0, whole - busy) for whole, busy in pairs))
    # A reference that is done sooner than these parts of its peaks allow reaches more, and so do others.
    here = here.by(Range(*(min(1.0, whole / busy) for whole, busy in pairs)))
    if card.chip != reference.chip:  # it may reach another part of its peak than the reference does
        waiting = _ordered(waiting)
    device = waiting.times(clock).plus(here)
    if style == "graph":
        return _ordered(device)
    if style == "per-operation":
        return _ordered(device.at_least(model.launch_us.times(model.launches * host_factor)))
    launching = model.launch_us.times(model.copied_launches * host_factor)
    return _ordered(device.at_least(launching).plus(model.copying_us.times(host_factor)))


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
    """Return a model with the constants of a recorded race: launches of R4, copies of R1, R6's graph, R7's kernel.

    What the race did not measure stays as it is in `model`; without R4 and R6 there is nothing to fit.
    """
    rungs = race.explanation.rungs if race.explanation is not None else ()
    copied, operations, graph, whole = (measured(rungs, id) for id in ("R1", "R4", "R6", "R7"))
    launches = [call for call in operations.calls if call.kind == "launch"] if operations is not None else []
    if operations is None or graph is None or not launches or not operations.median_us or not graph.median_us:
        return Missing("the race did not measure R4, with its calls, and R6")
    each = sorted(call.host_us for call in launches)
    if copied is not None and copied.calls and copied.median_us:
        count = sum(call.kind == "launch" for call in copied.calls)
        whole_us = _of(copied.median_us, copied.low_us, copied.high_us)
        around = (max(0.0, us - count * median(each)) for us in _ends(whole_us))
        model = msgspec.structs.replace(model, copied_launches=count, copying_us=Range(*around))
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
