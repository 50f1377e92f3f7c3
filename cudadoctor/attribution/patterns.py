"""What slow programs look like in their calls: patterns, each with the calls as they would be without it.

A pattern alone is no cause (see `causes`); it says what to take out, and what was seen.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from statistics import median

import msgspec

from cudadoctor.attribution import what_if
from cudadoctor.attribution.replay import replay
from cudadoctor.facts.base import Missing
from cudadoctor.facts.explanation import Call, Decomposition, Rung

_EXPOSED_LAUNCHES = 0.25
_EXPOSED_COPIES = 0.15
_EXPOSED_PYTHON = 0.25
_IDLE_BEFORE = 0.5
_SLOW_COPY = 0.6
_SMALL_BYTES = 64 * 1024
_SMALL_GRIDS = 0.5
_KERNELS = 0.25
_BLOCKS_EACH = 2
_LEAST_KERNEL_US = 1.2
"""What a kernel of one block takes that adds up three numbers; measured on an H100."""
_MANY_COPIES = 3

Evidence = tuple[str, float, str]
"""What was seen, how much of it, and where."""

Seen = tuple[tuple[Call, ...], tuple[Evidence, ...]]


class Lane(msgspec.Struct, frozen=True):
    """A rung, taken apart; `rungs` are all that were tried, `multiprocessors` the GPU's."""

    rung: Rung
    parts: Decomposition
    rungs: tuple[Rung, ...]
    multiprocessors: int | None = None

    def share(self, kind: str, *names: str) -> float:
        """Return which part of the wall time a kind of part takes."""
        us = sum(p.us for p in self.parts.parts if p.kind == kind and (not names or p.name in names))
        return us / self.parts.wall_us

    def saving(self, calls: Sequence[Call]) -> tuple[float, float]:
        """Return what other calls would save of the wall time, and its error."""
        wall, replayed = self.parts.wall_us, self.parts.replayed_us
        ratio = replay(calls).period_us / replayed
        half = what_if.half_width(self.rung) * abs(1 - ratio)
        return wall * (1 - ratio), math.hypot(half, abs(self.parts.residual_us) * max(ratio, abs(1 - ratio)))


def _implicit(lane: Lane) -> Seen | None:
    calls = lane.rung.calls
    implicit = [call for call in calls if call.implicit]
    if not implicit:
        return None
    moved = float(sum(call.bytes for call in implicit))
    return what_if.without_implicit_copies(calls), (
        ("copies and allocations that a minibatch makes around launches", len(implicit), "recorded calls"),
        ("bytes that they move", moved, "recorded calls"),
    )


def _pageable(lane: Lane) -> Seen | None:
    copies = [call for call in lane.rung.calls if call.kind in _COPIES and call.bytes > 0]
    pageable = [call for call in copies if not call.pinned]
    exposed = lane.share("copies") + lane.share("idle", "copying")
    if not pageable or exposed < _EXPOSED_COPIES:
        return None
    if sum(call.bytes for call in pageable) <= 0.5 * sum(call.bytes for call in copies):
        return None
    pinned = [call for rung in lane.rungs for call in rung.calls if call.kind in _COPIES and call.pinned]
    # A read-back of some bytes has no bandwidth to lose: it stays as it is where no pinned one of its size is known.
    edited: list[Call] = []
    for call in lane.rung.calls:
        other = what_if.with_pinned_copies((call,), pinned)
        edited += (call,) if isinstance(other, Missing) else other
    largest = max(pageable, key=lambda call: call.bytes)
    fast = next((call for call in edited if call.name == largest.name and call.pinned), None)
    if fast is None or _us(largest) * _SLOW_COPY < _us(fast):
        return None
    return tuple(edited), (
        ("share of copies in the wall time", exposed, "decomposition"),
        ("largest pageable copy, bytes", largest.bytes, "recorded calls"),
        ("its time, µs", _us(largest), "recorded calls"),
        ("a pinned copy of that size, µs", _us(fast), "measured in the next rung"),
    )


def _small_transfers(lane: Lane) -> Seen | None:
    copies = [call for call in lane.rung.calls if call.kind in _COPIES and not call.implicit]
    if len(copies) <= _MANY_COPIES or median(call.bytes for call in copies) > _SMALL_BYTES:
        return None
    places = {
        kind: [place for place, call in enumerate(lane.rung.calls) if call in copies and call.kind == kind]
        for kind in _COPIES
    }
    # One copy each way takes what the largest of them takes.
    kept = {max(way, key=lambda place: _us(lane.rung.calls[place])) for kind in _COPIES if (way := places.get(kind))}
    edited = tuple(call for place, call in enumerate(lane.rung.calls) if call not in copies or place in kept)
    return edited, (
        ("copies in a minibatch", len(copies), "recorded calls"),
        ("median copy, bytes", median(call.bytes for call in copies), "recorded calls"),
        ("median copy, µs", median(_us(call) for call in copies), "recorded calls"),
    )


def _read_back(lane: Lane) -> Seen | None:
    back = [call for call in lane.rung.calls if call.kind == "copy-to-host" and call.waits and not call.implicit]
    if not back:
        return None
    edited = tuple(call for call in lane.rung.calls if not any(call is each for each in back))
    return edited, (
        ("read-backs that the host waits for, in a minibatch", len(back), "recorded calls"),
        ("bytes that they bring", sum(call.bytes for call in back), "recorded calls"),
    )


def _sync(lane: Lane) -> Seen | None:
    waits = sum(call.waits and call.kind not in _COPIES for call in lane.rung.calls)
    if not waits:
        return None
    return what_if.without_waits(lane.rung.calls), (("waits in a minibatch", waits, "recorded calls"),)


def _allocation(lane: Lane) -> Seen | None:
    made = [call for call in lane.rung.calls if call.kind in ("allocate", "free") and not call.implicit]
    if not made:
        return None
    return what_if.without_allocation(lane.rung.calls), (
        ("allocations and frees in a minibatch", len(made), "recorded calls"),
        ("host time of one, µs", median(call.host_us for call in made), "recorded calls"),
    )


def _host_bound(lane: Lane) -> Seen | None:
    exposed = lane.share("idle", "Python")
    if exposed < _EXPOSED_PYTHON:
        return None
    edited = tuple(call for call in lane.rung.calls if call.kind != "host")
    longest = max((call for call in lane.rung.calls if call.kind == "host"), key=lambda call: call.host_us)
    return edited, (
        ("share of the wall time in which the GPU waits for Python", exposed, "decomposition"),
        (f"longest piece ({longest.name}), µs", longest.host_us, "recorded calls"),
    )


def _launches(lane: Lane) -> Seen | None:
    launches = [call for call in lane.rung.calls if call.kind == "launch"]
    if len(launches) < 2:
        return None
    kernel, host = median(c.device_us for c in launches), median(c.host_us for c in launches)
    exposed, idle = lane.share("idle", "launching"), idle_before_launches(lane.rung.calls)
    if exposed < _EXPOSED_LAUNCHES or kernel >= host or idle < _IDLE_BEFORE:
        return None
    first, edited = True, []
    for call in lane.rung.calls:
        cheap = call.kind == "launch" and not first
        edited.append(msgspec.structs.replace(call, host_us=0.0) if cheap else call)
        first = first and call.kind != "launch"
    return tuple(edited), (
        ("launches in a minibatch", len(launches), "recorded calls"),
        ("host time of a launch, median, µs", host, "recorded calls"),
        ("kernel, median, µs", kernel, "recorded calls"),
        ("share of the wall time in which the GPU waits for a launch", exposed, "decomposition"),
        ("share of launches that find the GPU idle", idle, "replay"),
    )


def _small_grids(lane: Lane) -> Seen | None:
    launches = [call for call in lane.rung.calls if call.kind == "launch" and call.device_us > 0]
    if not launches or not lane.multiprocessors or any(call.blocks <= 0 for call in launches):
        return None
    enough = _BLOCKS_EACH * lane.multiprocessors
    total = sum(call.device_us for call in launches)
    small = [call for call in launches if call.blocks < enough]
    share, kernels = sum(call.device_us for call in small) / total, lane.share("kernels")
    if share < _SMALL_GRIDS or kernels < _KERNELS:
        return None
    # At best a kernel is faster by the multiprocessors that it leaves idle, and never faster than one of one block.
    edited = tuple(
        msgspec.structs.replace(
            call, device_us=max(min(call.device_us, _LEAST_KERNEL_US), call.device_us * call.blocks / enough)
        )
        if any(call is each for each in small)
        else call
        for call in lane.rung.calls
    )
    longest = max(small, key=lambda call: call.device_us)
    return edited, (
        ("share of kernels in the wall time", kernels, "decomposition"),
        (f"share of kernel time in grids of fewer than {enough} blocks", share, "recorded calls"),
        ("multiprocessors", lane.multiprocessors, "driver"),
        (f"blocks of the longest of them ({longest.name})", longest.blocks, "recorded calls"),
    )


def idle_before_launches(calls: Sequence[Call]) -> float:
    """Return for which part of the launches the device was idle when they came, 0 where there are none."""
    played = replay(calls)
    if played.device_bound:
        return 0.0
    starts = played.device[len(played.device) // 2 - 1 :]
    found = [
        after.start_us > before.end_us + 1e-9
        for before, after in itertools.pairwise(starts)
        if after.call.kind == "launch"
    ]
    return sum(found) / len(found) if found else 0.0


def _us(call: Call) -> float:
    return call.host_us + call.device_us


_COPIES = ("copy-to-device", "copy-to-host")

Pattern = Callable[[Lane], Seen | None]

PATTERNS: dict[str, Pattern] = {
    "launch-bound-small-work": _launches,
    "implicit-host-copies": _implicit,
    "pageable-transfer": _pageable,
    "small-transfers": _small_transfers,
    "readback-every-step": _read_back,
    "sync-every-step": _sync,
    "allocation-in-loop": _allocation,
    "host-bound-not-gpu": _host_bound,
    "low-occupancy-grid": _small_grids,
}

AT_BEST = frozenset({"low-occupancy-grid"})
"""Patterns whose calls without it are not what something measured takes, but what it takes at best."""
