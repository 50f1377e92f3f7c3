"""A shorter trace: whole steady steps cut out of the middle, and what lies around them moved together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile import steps
from cudadoctor.attribution.profile.model import build, tidy
from cudadoctor.attribution.profile.trace import Control, Trace
from tests.attribution.profile.recorded import Recorded

_PIECES = 20
_FALLS_BEHIND = 0.1
"""By this part of a stretch at most the device may fall behind in it, or catch up."""


def shorten(recorded: Recorded, keep: int) -> Recorded:
    """Keep about so many steady steps, in pieces from all over the run, and all that is not steady.

    What lies between the pieces is taken out of the trace and, counted by calls, out of the untraced runs.

    Raises:
        ValueError: Runs differ in how often they call, so that their steps cannot be told by counting; or the device
            falls further and further behind the host, so that operations would overlap.
    """
    trace = tidy(recorded.trace)
    found = steps.find(build(trace))
    if found.steady <= keep:
        return recorded
    if any(len(each) != len(trace.marks) for each in recorded.control.marks):
        raise ValueError("an untraced run made another number of calls than the traced one")
    starts = trace.calls["start"][found.calls[found.warm_up :]]
    first, last = (int(np.searchsorted(trace.marks, each)) for each in (starts[0], starts[-1]))
    walls, marks = recorded.control.walls[-len(recorded.control.marks) :], recorded.control.marks
    loops = [float(each[last] - each[first]) for each in marks]
    pieces = min(_PIECES, max(2, keep // 3))
    piece = keep // pieces
    kept_from = np.linspace(0, found.steady - piece, pieces).round().astype(int)
    for begin, end in zip(starts[kept_from[:-1] + piece][::-1], starts[kept_from[1:]][::-1], strict=True):
        if begin >= end:
            continue
        places = [int(np.searchsorted(trace.marks, each)) for each in (begin, end)]
        walls = tuple(wall - int(each[places[1]] - each[places[0]]) for wall, each in zip(walls, marks, strict=True))
        marks = tuple(_closed(each, *each[places]) for each in marks)
        trace = _without(trace, int(begin), int(end))
    last -= len(recorded.trace.marks) - len(trace.marks)
    kept = [float(each[last] - each[first]) / loop for each, loop in zip(marks, loops, strict=True)]
    return recorded._replace(trace=trace, control=Control(walls, marks), kept=recorded.kept * float(np.median(kept)))


def _closed(moments: NDArray[Any], begin: int, end: int) -> NDArray[Any]:
    """Take out a stretch of time, and move what comes after it to its beginning."""
    return np.concatenate([moments[moments < begin], moments[moments >= end] - (end - begin)])


def _without(trace: Trace, begin: int, end: int) -> Trace:
    """Take out the calls that begin within a stretch of time, with what they did."""
    first, last = np.searchsorted(trace.calls["start"], [begin, end])
    gone = trace.calls["correlation"][first:last]
    later = trace.calls["correlation"][last:]
    before = np.isin(trace.ops["correlation"], trace.calls["correlation"][:first])
    behind = [
        max(0, int(trace.ops["end"][which].max(initial=0)) - moment)
        for which, moment in ((before, begin), (before | np.isin(trace.ops["correlation"], gone), end))
    ]
    if abs(behind[1] - behind[0]) > _FALLS_BEHIND * (end - begin):
        raise ValueError("the device falls behind the host: such a trace is kept whole")

    def by_call(rows: NDArray[Any]) -> NDArray[Any]:
        kept = rows[~np.isin(rows["correlation"], gone)].copy()
        moved = np.isin(kept["correlation"], later)
        for name in ("start", "end"):
            kept[name][moved] -= end - begin
        return kept[np.argsort(kept["start"], kind="stable")]

    def by_time(rows: NDArray[Any], key: str = "start", counters: tuple[str, ...] = ()) -> NDArray[Any]:
        kept = rows[(rows[key] < begin) | (rows[key] >= end)].copy()
        moved = kept[key] >= end
        for name in {key, "end"} & set(rows.dtype.names or ()):
            kept[name][moved] -= end - begin
        for name in counters:
            before, after = np.interp([begin, end], rows[key], rows[name])
            kept[name][moved] -= round(after - before)
        return kept

    cpu = [by_time(trace.cpu[trace.cpu["thread"] == each], "at", ("cpu",)) for each in np.unique(trace.cpu["thread"])]
    threads = np.concatenate(cpu) if cpu else trace.cpu
    return trace._replace(
        ops=by_call(trace.ops),
        calls=by_call(trace.calls),
        syncs=by_call(trace.syncs),
        overheads=by_time(trace.overheads),
        ranges=by_time(trace.ranges),
        cpu=threads[np.argsort(threads["at"], kind="stable")],
        samples=by_time(trace.samples, "at"),
        reads=by_time(trace.reads, "at", ("asked", "storage")) if len(trace.reads) else trace.reads,
        marks=_closed(trace.marks, begin, end),
        end=trace.end - (end - begin),
    )
