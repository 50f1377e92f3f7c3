"""What a host thread was at between its calls: on its way into the next call, at Python of its own, or waiting.

A short piece of Python before a launch or a copy is the way of the library into that call, and belongs to it: of 36 µs
that numba needs for a launch, 31 are spent before the driver is called. A longer one is the program's own; there, the
CPU time that the thread used tells work from waiting, and samples of its stack tell compiling, importing and reading.
"""

from __future__ import annotations

import numpy as np

from cudadoctor.attribution.profile.charges import OF_CALL, OWN, At
from cudadoctor.attribution.profile.clock import Clock
from cudadoctor.attribution.profile.lane_time import LaneTime
from cudadoctor.attribution.profile.model import WORK, Floats, Ints, Model
from cudadoctor.attribution.profile.trace import CallKind

_DISPATCH = 200_000
"""Nanoseconds: the longest way into a call. Measured on an H100: 31 to 65 µs with numba, under 20 with PyTorch."""


class Host:
    """What the lanes of a model do.

    `at` is each call's category. `into` is which part of the gap before each call is the way into the next call that
    does something (`target`, -1 for none), and `into_at` that call's category; the rest of the gap has the `shares`
    (calls x 6, of `OWN`).
    """

    def __init__(self, model: Model) -> None:
        """Work all gaps out."""
        self.model = model
        calls = model.calls
        table = np.full(max(int(k) for k in CallKind) + 1, At.OTHER, np.int64)
        for kind, category in OF_CALL.items():
            table[kind] = category
        self.at: Ints = table[np.clip(calls.kind, 0, len(table) - 1)]
        self.into, self.into_at, self.target = _ways(model, self.at)
        self._timelines: dict[int, LaneTime] = {}
        self._clocks = [Clock(model, lane) for lane in range(len(model.lanes))]
        self.shares = np.zeros((len(calls.start), len(OWN)), np.float32)
        for lane in range(len(model.lanes)):
            mine = np.flatnonzero(calls.lane == lane)
            before = model.before[mine]
            begin = np.where(before >= 0, calls.end[before], 0)
            self.shares[mine] = self._clocks[lane].between(begin, calls.start[mine])

    def timeline(self, lane: int) -> LaneTime:
        """Return what a lane does at each moment."""
        if lane not in self._timelines:
            calls, trace = self.model.calls, self.model.trace
            mine = np.flatnonzero(calls.lane == lane)
            last = calls.end[mine[-1]] if len(mine) else 0
            rest = self._clocks[lane].between(np.array([last]), np.array([max(trace.end, int(last) + 1)]))[0]
            self._timelines[lane] = LaneTime(self.model, mine, self.at, self.into, self.into_at, self.shares, rest)
        return self._timelines[lane]


def _ways(model: Model, at: Ints) -> tuple[Floats, Ints, Ints]:
    """Return which part of each gap is the way into the lane's next call that does something, its category, and it."""
    calls = model.calls
    n = len(calls.start)
    into, into_at, next_work = np.zeros(n), np.full(n, At.OTHER, np.int64), np.full(n, -1, np.int64)
    works = np.isin(calls.kind, WORK)
    for lane in range(len(model.lanes)):
        mine = np.flatnonzero(calls.lane == lane)
        work = np.flatnonzero(works[mine])
        if not len(work):
            continue
        following = np.searchsorted(work, np.arange(len(mine)))
        known = following < len(work)
        target = np.minimum(following, len(work) - 1)
        span = np.bincount(target[known], calls.own_gap[mine][known], len(work))
        if work[0] < len(mine) and model.before[mine[0]] < 0:
            span[0] = np.inf  # what comes before the first call is no way into it
        category = at[mine[work]]
        usual = np.zeros(len(work))
        for each in np.unique(category):
            these = category == each
            short = span[these] <= _DISPATCH
            usual[these] = float(np.median(span[these][short])) if short.mean() > 0.2 else 0.0
        part = np.where(span <= _DISPATCH, 1.0, usual / np.maximum(span, 1.0))
        into[mine] = np.where(known, part[target], 0.0)
        into_at[mine] = np.where(known, category[target], At.OTHER)
        next_work[mine] = np.where(known, mine[work[target]], -1)
    return into, into_at, next_work
