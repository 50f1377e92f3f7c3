"""Play a traced program again: each lane's calls in order, each stream's operations in order, and who waits for whom.

A lane spends a call's gap and its cost; then, if the call waits, it goes on when that operation has ended, after the
call's tail. An operation starts a lag after its call began, after the operation before it in its stream, and after the
one of another stream that it waited for; a launch finds room once no more than 1024 are ahead of it. Calls are played
in the order in which they began.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.model import Floats, Ints, Model

QUEUE_DEPTH = 1024
"""Launches that the driver takes before it lets the host wait."""


class Script(NamedTuple):
    """What is played: a range of a model's calls, with times that may have been edited, nanoseconds.

    `step` is each call's step. `dropped` operations are not played.
    """

    lane: Ints
    gap: Floats
    cost: Floats
    tail: Floats
    wait: Ints
    first_op: Ints
    op_count: Ints
    stream: Ints
    duration: Floats
    lag: Floats
    op_gap: Floats
    after: Ints
    after_gap: Floats
    dropped: NDArray[np.bool_]


class Played(NamedTuple):
    """When the host was done with each call, and when each operation started and ended, nanoseconds."""

    call_end: Floats
    op_start: Floats
    op_end: Floats


def script(model: Model, first: int, last: int, *, own: bool = True) -> Script:
    """Return the calls from `first` up to `last`, with the tracer's cost taken out if they shall be the program's own.

    The first call of each lane starts at once, unless it is the first of the whole trace.
    """
    calls, ops = model.calls, model.ops
    these = slice(first, last)
    count = calls.op_count[these]
    with_ops = np.flatnonzero(count)
    low = int(calls.first_op[these][with_ops].min()) if len(with_ops) else 0
    high = int((calls.first_op[these] + count)[with_ops].max()) if len(with_ops) else 0
    gap = (calls.own_gap if own else calls.gap)[these].copy()
    if first > 0:
        gap[model.before[these] < first] = 0.0
    wait = calls.wait[these] - low
    after = ops.after[low:high] - low
    return Script(
        lane=calls.lane[these],
        gap=gap,
        cost=(calls.own_cost if own else calls.cost)[these].copy(),
        tail=(calls.own_tail if own else calls.tail)[these].copy(),
        wait=np.where((calls.wait[these] >= 0) & (wait >= 0) & (wait < high - low), wait, -1),
        first_op=np.where(count > 0, calls.first_op[these] - low, 0),
        op_count=count.copy(),
        stream=ops.stream[low:high],
        duration=(ops.own_duration if own else ops.duration)[low:high].copy(),
        lag=(ops.own_lag if own else ops.lag)[low:high].copy(),
        op_gap=ops.gap[low:high].copy(),
        after=np.where((ops.after[low:high] >= 0) & (after >= 0), after, -1),
        after_gap=ops.after_gap[low:high],
        dropped=np.zeros(high - low, np.bool_),
    )


def play(script: Script) -> Played:
    """Play calls and operations.

    Returns:
        Times since the beginning; a dropped operation starts and ends when the one before it in its stream did.
    """
    clock = [0.0] * (int(script.lane.max(initial=0)) + 1)
    free = [0.0] * (int(script.stream.max(initial=0)) + 1)
    n = len(script.stream)
    starts, ends, call_end = [0.0] * n, [0.0] * n, [0.0] * len(script.lane)
    stream, duration, lag = script.stream.tolist(), script.duration.tolist(), script.lag.tolist()
    op_gap, after, after_gap = script.op_gap.tolist(), script.after.tolist(), script.after_gap.tolist()
    dropped = script.dropped.tolist()
    rows = zip(
        script.lane.tolist(), script.gap.tolist(), script.cost.tolist(), script.tail.tolist(), script.wait.tolist(),
        script.first_op.tolist(), script.op_count.tolist(), strict=True,
    )  # fmt: skip
    for place, (lane, gap, cost, tail, wait, first, count) in enumerate(rows):
        now = clock[lane] + gap
        for op in range(first, first + count):
            queue = stream[op]
            begin = free[queue]
            if not dropped[op]:
                if begin > 0.0:
                    begin += op_gap[op]
                if now + lag[op] > begin:
                    begin = now + lag[op]
                other = after[op]
                if other >= 0 and ends[other] + after_gap[op] > begin:
                    begin = ends[other] + after_gap[op]
                starts[op] = begin
                ends[op] = free[queue] = begin + duration[op]
            else:
                starts[op] = ends[op] = begin
        now += cost
        if count and first >= QUEUE_DEPTH and ends[first - QUEUE_DEPTH] > now:
            now = ends[first - QUEUE_DEPTH]
        if wait >= 0:
            if ends[wait] > now:
                now = ends[wait]
            now += tail
        clock[lane] = call_end[place] = now
    return Played(np.array(call_end), np.array(starts), np.array(ends))


def fronts(script: Script, played: Played, bounds: Ints) -> Floats:
    """Return when all that was called before each bound (a place among the calls) is done, on host and device."""
    host = np.maximum.accumulate(np.concatenate([[0.0], played.call_end]))
    device = np.maximum.accumulate(np.concatenate([[0.0], played.op_end]))
    ops = np.concatenate([[0], np.maximum.accumulate(script.first_op + script.op_count)])
    made: Floats = np.maximum(host[bounds], device[ops[bounds]])
    return made


class WholeRun(NamedTuple):
    """The whole run, played again: how long it takes, and when each call begins, nanoseconds."""

    wall: float
    begins: Floats


def whole_run(model: Model, *, own: bool = True) -> WholeRun:
    """Play the whole run again, without the tracer's cost if it shall be the program's own."""
    end, calls = float(model.trace.end), model.calls
    if not len(calls.start):
        return WholeRun(end, np.zeros(0))
    made = script(model, 0, len(calls.start), own=own)
    played = play(made)
    before = np.where(model.before >= 0, played.call_end[model.before], 0.0)
    last = float(max(calls.end.max(), 0))
    return WholeRun(float(played.call_end.max()) + max(0.0, end - last), before + made.gap)
