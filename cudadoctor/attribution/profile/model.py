"""A trace as a program: what each host thread called, what each call put on the device, and what it waited for.

Nothing of this stands in the records as such. A call and its operations share a correlation number. That a call waited
is read off the times: it ended just when an operation did that it could have waited for. That an operation waited for
one of another stream (an event, or the legacy default stream) is read off the times too: it could have started, and did
start as soon as the other ended.

Threads that never call at the same time are one lane: so a loop whose backward pass is launched by a thread of the
library plays on as one sequence, and one whose copies a pool makes. Threads that call at the same time are lanes of
their own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.by_callback import helpers
from cudadoctor.attribution.profile.grouping import grouped
from cudadoctor.attribution.profile.trace import CallKind, Overhead, Trace
from cudadoctor.attribution.profile.waits import SLACK, waits

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_SOON = 5_000
"""An operation that starts this soon after another ended may have waited for it, nanoseconds."""
_QUEUED = 2.0
"""An operation was there before it could start if it began later after its call than this times what is usual."""
_SOME = 10
_OVERLAPS = 0.02
"""Threads that call at the same time in more than this part of their calls are lanes of their own."""
_OVERLAPS_OF_HELPERS = 0.25
"""Threads of a pool that copy for another hand back with their last call, while that other goes on."""
_MOST_SHRUNK = 0.8
"""Of what was recorded, at most this part is taken to be the tracer's."""

TRACERS_OWN = (
    Overhead.BUFFER_FLUSH,
    Overhead.INSTRUMENTATION,
    Overhead.RESOURCE,
    Overhead.ACTIVITY_BUFFER_REQUEST,
    Overhead.UVM_ACTIVITY_INIT,
)
WORK = (
    CallKind.LAUNCH,
    CallKind.COPY,
    CallKind.MEMSET,
    CallKind.SYNC,
    CallKind.ALLOCATE,
    CallKind.FREE,
    CallKind.MODULE,
    CallKind.CONTEXT,
)
"""Calls that do something; what Python does just before one is the way to it."""


class Calls(NamedTuple):
    """Calls sorted by start, one entry each. `gap` is host time since the lane's call before (since 0 for the first).

    `cost` is host time before waiting, `tail` host time after it; `wait` the operation waited for, -1 for none.
    `first_op` and `op_count` are its operations. `own_gap`, `own_cost` and `own_tail` are without the tracer's cost.
    Nanoseconds.
    """

    kind: Ints
    start: Ints
    end: Ints
    lane: Ints
    name: Ints
    gap: Floats
    cost: Floats
    tail: Floats
    wait: Ints
    first_op: Ints
    op_count: Ints
    own_gap: Floats
    own_cost: Floats
    own_tail: Floats


class Ops(NamedTuple):
    """Operations in the order of submission.

    `lag` is from the call's start to when it can start at the earliest, `gap` from the end of the one before in its
    stream; `after` is an operation of another stream that it waited for, -1 for none, and `after_gap` the time since.
    `record` is its place in `trace.ops`, `call` in the calls, -1 where that record is missing.
    """

    record: Ints
    call: Ints
    stream: Ints
    duration: Floats
    own_duration: Floats
    lag: Floats
    own_lag: Floats
    gap: Floats
    after: Ints
    after_gap: Floats


class Model(NamedTuple):
    """A trace whose records are tied together. `lanes` are the threads of each lane; the first ran the script."""

    trace: Trace
    calls: Calls
    ops: Ops
    lanes: tuple[tuple[int, ...], ...]
    before: Ints
    """The lane's call before each call, -1 for the first."""


def build(trace: Trace) -> Model:
    """Tie the records of a trace together; `trace` is taken as tidy (see `tidy`)."""
    lane, lanes = _lanes(trace)
    calls = trace.calls
    start, end = calls["start"].astype(np.int64), calls["end"].astype(np.int64)
    before, start, end = _in_lanes(lane, start, end, len(lanes))
    op_call = _calls_of(trace)
    submitted = np.where(op_call >= 0, start[op_call] if len(start) else 0, trace.ops["start"].astype(np.int64))
    order = np.lexsort((trace.ops["start"], op_call, submitted))
    op_call = op_call[order]
    ops = trace.ops[order]
    stream = _streams(ops)
    first, count = _first_ops(op_call, len(calls))
    wait, ended = waits(trace, start, end, ops, op_call, stream, first, count)
    gap = np.where(before >= 0, start - end[before] if len(end) else 0, np.maximum(start, 0)).astype(np.float64)
    gap = np.maximum(gap, 0.0)
    waited = ended > start
    tail = np.where(waited, np.maximum(end - ended, 0), 0).astype(np.float64)
    cost = np.where(waited, 0, end - start).astype(np.float64)
    own_gap, own_cost, own_tail = _without_tracer(trace, lane, lanes, start, end, gap, cost, tail)
    made = Calls(
        calls["kind"].astype(np.int64), start, end, lane, calls["name"].astype(np.int64), gap, cost, tail, wait,
        first, count, own_gap, own_cost, own_tail,
    )  # fmt: skip
    return Model(trace, made, _ops(ops, order, op_call, stream, made), lanes, before)


def tidy(trace: Trace) -> Trace:
    """Return the trace with its arrays sorted, and without records that end before they start."""
    far = np.int64(2) ** 60

    def sound(array: NDArray[Any], key: str = "start") -> NDArray[Any]:
        keep = np.abs(np.clip(array[key], -far, far)) < far
        if "end" in (array.dtype.names or ()):
            keep &= (array["end"] >= array["start"]) & (array["end"] < far)
        array = array[keep] if not keep.all() else array
        return array if np.all(array[key][1:] >= array[key][:-1]) else array[np.argsort(array[key], kind="stable")]

    last = max((int(a["end"].max()) for a in (sound(trace.ops), sound(trace.calls)) if len(a)), default=0)
    return trace._replace(
        ops=sound(trace.ops),
        calls=sound(trace.calls),
        syncs=sound(trace.syncs),
        overheads=sound(trace.overheads),
        ranges=sound(trace.ranges),
        cpu=sound(trace.cpu, "at"),
        samples=sound(trace.samples, "at"),
        reads=sound(trace.reads, "at"),
        marks=np.sort(trace.marks.astype(np.int64)),
        end=max(int(min(trace.end, far)), last, 1),
    )


def _lanes(trace: Trace) -> tuple[Ints, tuple[tuple[int, ...], ...]]:
    """Return each call's lane, and the threads of the lanes."""
    firsts, which, many = grouped(trace.calls["thread"])
    threads, n = trace.calls["thread"][firsts], len(which)
    if not n:
        return np.zeros(0, np.int64), ((trace.main_thread,),)
    end = trace.calls["end"].astype(np.int64)
    latest = np.maximum.accumulate(np.where(end >= np.maximum.accumulate(end), np.arange(n), 0))
    ahead = np.concatenate([[0], latest[:-1]])
    at_once = (trace.calls["start"] < end[ahead]) & (which != which[ahead])
    overlaps = np.zeros((len(threads), len(threads)), np.int64) if len(threads) < 2000 else None
    lane_of = np.zeros(len(threads), np.int64)
    groups: list[list[int]] = []
    if overlaps is None:
        return np.zeros(n, np.int64), (tuple(int(t) for t in threads),)
    np.add.at(overlaps, (which[at_once], which[ahead[at_once]]), 1)
    overlaps = overlaps + overlaps.T
    main = np.flatnonzero(threads == trace.main_thread)
    most = np.where(np.isin(threads, helpers(trace)), _OVERLAPS_OF_HELPERS, _OVERLAPS)
    order = sorted(range(len(threads)), key=lambda t: (t not in main, -many[t]))
    for thread in order:
        place = next(
            (
                place
                for place, group in enumerate(groups)
                if all(overlaps[thread, other] <= most[thread] * min(many[thread], many[other]) for other in group)
            ),
            None,
        )
        if place is None:
            groups.append([])
            place = len(groups) - 1
        groups[place].append(thread)
        lane_of[thread] = place
    told = [tuple(int(threads[t]) for t in group) for group in groups]
    if trace.main_thread not in told[0]:
        told[0] = (trace.main_thread, *told[0])
    return lane_of[which].astype(np.int64), tuple(told)


def _in_lanes(lane: Ints, start: Ints, end: Ints, lanes: int) -> tuple[Ints, Ints, Ints]:
    """Return the call before each in its lane, and times in which calls of one lane do not overlap."""
    before = np.full(len(lane), -1, np.int64)
    start, end = start.copy(), end.copy()
    for each in range(lanes):
        places = np.flatnonzero(lane == each)
        if not len(places):
            continue
        before[places[1:]] = places[:-1]
        ends = np.maximum.accumulate(end[places])
        begins = start[places].copy()
        begins[1:] = np.maximum(begins[1:], ends[:-1])
        start[places], end[places] = begins, np.maximum(ends, begins)
    return before, start, end


def _calls_of(trace: Trace) -> Ints:
    """Return the call of each operation by its correlation, -1 where there is none."""
    if not len(trace.calls) or not len(trace.ops):
        return np.full(len(trace.ops), -1, np.int64)
    order = np.argsort(trace.calls["correlation"], kind="stable")
    known = trace.calls["correlation"][order]
    place = np.clip(np.searchsorted(known, trace.ops["correlation"]), 0, len(known) - 1)
    found = order[place]
    right = (known[place] == trace.ops["correlation"]) & (trace.calls["start"][found] <= trace.ops["start"] + SLACK)
    return np.where(right, found, -1).astype(np.int64)


def _streams(ops: NDArray[Any]) -> Ints:
    return grouped(ops["device"], ops["context"], ops["stream"])[1]


def _first_ops(op_call: Ints, calls: int) -> tuple[Ints, Ints]:
    count = np.bincount(op_call[op_call >= 0], minlength=calls).astype(np.int64)
    first = np.full(calls, -1, np.int64)
    places = np.flatnonzero(op_call >= 0)[::-1]
    first[op_call[places]] = places
    return first, count


def _without_tracer(
    trace: Trace, lane: Ints, lanes: tuple[tuple[int, ...], ...], start: Ints, end: Ints,
    gap: Floats, cost: Floats, tail: Floats,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Take what the tracer costs out of calls, and what does not fit there out of the gap before the next one."""
    kind = trace.calls["kind"]
    price = np.full(len(kind), max(0.0, trace.cost.call))
    price[kind == CallKind.LAUNCH] = max(0.0, trace.cost.launch)
    price[(kind == CallKind.COPY) | (kind == CallKind.MEMSET)] = max(0.0, trace.cost.copy)
    extra = np.zeros(len(kind))
    mine = trace.overheads[np.isin(trace.overheads["kind"], TRACERS_OWN)]
    for each, threads in enumerate(lanes):
        places = np.flatnonzero(lane == each)
        told = mine[np.isin(mine["thread"], threads)]
        if not len(places) or not len(told):
            continue
        inside = np.searchsorted(start[places], told["start"], side="right") - 1
        where = np.clip(inside, 0, len(places) - 1)
        within = (inside >= 0) & (told["end"] <= end[places[where]] + SLACK)
        length = (told["end"] - told["start"]).astype(np.float64)
        np.add.at(price, places[where[within]], length[within])
        following = np.clip(inside[~within] + 1, 0, len(places) - 1)
        np.add.at(extra, places[following], length[~within])
    from_cost = np.minimum(price, _MOST_SHRUNK * cost)
    from_tail = np.minimum(price - from_cost, _MOST_SHRUNK * tail)
    left = price - from_cost - from_tail
    for each in range(len(lanes)):
        places = np.flatnonzero(lane == each)
        extra[places[1:]] += left[places[:-1]]
    from_gap = np.minimum(extra, _MOST_SHRUNK * gap)
    return gap - from_gap, cost - from_cost, tail - from_tail


def _ops(ops: NDArray[Any], order: Ints, op_call: Ints, stream: Ints, calls: Calls) -> Ops:
    n = len(ops)
    start, end = ops["start"].astype(np.int64), ops["end"].astype(np.int64)
    ahead = np.full(n, -1, np.int64)
    by_stream = np.lexsort((np.arange(n), stream))
    same = stream[by_stream][1:] == stream[by_stream][:-1]
    ahead[by_stream[1:][same]] = by_stream[:-1][same]
    far = np.int64(-(2**60))
    prev_end = np.where(ahead >= 0, end[ahead] if n else 0, far)
    called = np.where(op_call >= 0, calls.start[op_call] if len(calls.start) else 0, start)
    lag = np.maximum(start - called, 0).astype(np.float64)
    idle = (prev_end < called) & (op_call >= 0)
    # Some of them wait for another stream, which is not known yet.
    usual = float(np.percentile(lag[idle], 25)) if idle.any() else 2_000.0
    since = (start - prev_end).astype(np.float64)
    busy = ~idle & (since >= 0) & (since < max(_SOON, usual))
    # What started as soon as it could after its call tells nothing of the gap between two that were both there.
    queued = busy & (lag > _QUEUED * usual)
    usual_gap = float(np.median(since[queued])) if queued.sum() >= _SOME else 1_000.0
    gap = np.where(queued, since, usual_gap)
    free = np.maximum(np.where(busy, called, called + usual), prev_end + np.where(ahead >= 0, usual_gap, 0))
    late = ~busy & (start - free > _SOON)
    after, after_gap = np.full(n, -1, np.int64), np.zeros(n)
    if late.any() and stream.max(initial=0) > 0:
        by_end = np.argsort(end, kind="stable")
        place = np.searchsorted(end[by_end], start[late] + SLACK, side="right") - 1
        found = by_end[np.maximum(place, 0)]
        where = np.flatnonzero(late)
        good = (place >= 0) & (found < where) & (stream[found] != stream[where]) & (start[where] - end[found] <= _SOON)
        after[where[good]] = found[good]
        after_gap[where[good]] = np.maximum(start[where[good]] - end[found[good]], 0)
    held = queued | (after >= 0)
    lag = np.where(held, np.minimum(lag, usual), lag)
    taken = np.where(op_call >= 0, (calls.cost - calls.own_cost)[op_call] if len(calls.cost) else 0.0, 0.0)
    own_lag = np.maximum(lag - taken, (1 - _MOST_SHRUNK) * lag)
    duration = (end - start).astype(np.float64)
    return Ops(order.astype(np.int64), op_call, stream, duration, duration, lag, own_lag, gap, after, after_gap)
