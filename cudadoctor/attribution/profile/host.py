"""What a host thread was at between its calls: on its way into the next call, at Python of its own, or waiting.

A short piece of Python before a launch or a copy is the way of the library into that call, and belongs to it: of 36 µs
that numba needs for a launch, 31 are spent before the driver is called. A longer one is the program's own; there, the
CPU time that the thread used tells work from waiting, and samples of its stack tell compiling, importing and reading.
"""

from __future__ import annotations

import numpy as np

from cudadoctor.attribution.profile.charges import OF_CALL, OWN, At
from cudadoctor.attribution.profile.lane_time import LaneTime
from cudadoctor.attribution.profile.model import WORK, Floats, Ints, Model
from cudadoctor.attribution.profile.trace import CallKind, Doing

_DISPATCH = 200_000
"""Nanoseconds: the longest way into a call. Measured on an H100: 31 to 65 µs with numba, under 20 with PyTorch."""
_SAMPLE_REACH = 500_000_000
"""A sample speaks for gaps up to this long before and after it, where none was taken in them."""


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
        self._clocks = [_Clock(model, lane) for lane in range(len(model.lanes))]
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


class _Clock:
    """How much of a lane's time between calls went to each of `OWN`, as a running sum over time."""

    def __init__(self, model: Model, lane: int) -> None:
        trace, calls = model.trace, model.calls
        threads = model.lanes[lane]
        mine = np.flatnonzero(calls.lane == lane)
        start, end = calls.start[mine], calls.end[mine]
        cpu = trace.cpu[np.isin(trace.cpu["thread"], threads)]
        samples = trace.samples[np.isin(trace.samples["thread"], threads)]
        inside = np.searchsorted(start, samples["at"], side="right") - 1
        free = (
            (inside < 0) | (samples["at"] > end[np.maximum(inside, 0)]) if len(start) else np.ones(len(samples), bool)
        )
        samples = samples[free]
        grid = np.unique(cpu["at"]) if len(cpu) else np.unique(samples["at"])
        self.grid = np.concatenate([[0], grid[(grid > 0) & (grid < trace.end)], [max(trace.end, 1)]]).astype(np.int64)
        width = np.diff(self.grid).astype(np.float64)
        busy = _busy(cpu, threads, self.grid)
        in_calls = np.diff(np.interp(self.grid, *_in_calls(start, end)))
        ratio = _cpu_by_gaps(busy, in_calls, width)
        compiling, importing, reading, sleeping, told = _sampled(samples, self.grid)
        rest = np.clip(1.0 - compiling - importing - reading, 0.0, 1.0)
        without_cpu = np.isnan(ratio)
        python = np.where(without_cpu, 0.0, np.minimum(rest, np.nan_to_num(ratio)))
        waiting = np.where(without_cpu, np.where(told, np.minimum(sleeping, rest), 0.0), rest - python)
        host = np.clip(rest - python - waiting, 0.0, 1.0)
        shares = np.stack([compiling, importing, reading, python, waiting, host], axis=1)
        self.sums = np.concatenate([np.zeros((1, len(OWN))), np.cumsum(shares * width[:, None], axis=0)])

    def between(self, begin: Ints, end: Ints) -> Floats:
        length = np.maximum(end - begin, 1).astype(np.float64)
        made = np.empty((len(begin), len(OWN)))
        for column in range(len(OWN)):
            sums = self.sums[:, column]
            made[:, column] = (np.interp(end, self.grid, sums) - np.interp(begin, self.grid, sums)) / length
        total = made.sum(axis=1)
        made[:, -1] += np.maximum(0.0, 1.0 - total)
        result: Floats = made / np.maximum(total, 1.0)[:, None]
        return result


def _in_calls(start: Ints, end: Ints) -> tuple[Floats, Floats]:
    """Return points of the running sum of time in calls."""
    at = np.stack([start, end], axis=1).ravel().astype(np.float64)
    sums = np.stack([np.zeros(len(start)), (end - start).astype(np.float64)], axis=1).ravel().cumsum()
    return (at, sums) if len(at) else (np.zeros(1), np.zeros(1))


def _busy(cpu: np.ndarray, threads: tuple[int, ...], grid: Ints) -> Floats:
    """Return the CPU time of the threads in each cell of the grid, NaN where it was not read."""
    made = np.zeros(len(grid) - 1)
    known = np.zeros(len(grid) - 1, bool)
    for thread in threads:
        mine = cpu[cpu["thread"] == thread]
        if len(mine) < 2:
            continue
        made += np.diff(np.interp(grid, mine["at"], np.maximum.accumulate(mine["cpu"])))
        known |= (grid[:-1] >= mine["at"][0]) & (grid[1:] <= mine["at"][-1])
    made[~known] = np.nan
    return made


def _cpu_by_gaps(busy: Floats, in_calls: Floats, width: Floats) -> Floats:
    """Return which part of the time between calls was CPU time, a cell; NaN where it is not known.

    CUDA lets a waiting thread spin or sleep; which of them is read off the cells that are nearly all calls.
    """
    gaps = np.maximum(width - in_calls, 0.0)
    calls_only = (in_calls > 0.9 * width) & (width > 0) & ~np.isnan(busy)
    spins = (
        float(np.clip(np.median((busy / np.maximum(in_calls, 1.0))[calls_only]), 0, 1)) if calls_only.sum() > 5 else 1.0
    )
    ratio: Floats = np.clip((busy - spins * in_calls) / np.maximum(gaps, 1.0), 0.0, 1.0)
    ratio[gaps <= 0] = np.nan
    return ratio


def _sampled(samples: np.ndarray, grid: Ints) -> tuple[Floats, Floats, Floats, Floats, np.ndarray]:
    """Return the shares of samples at compiling, importing, reading and sleeping, a cell, and whether there are any."""
    cells = len(grid) - 1
    cell = np.clip(np.searchsorted(grid, samples["at"], side="right") - 1, 0, cells - 1)
    many = np.bincount(cell, minlength=cells)
    sampled = np.flatnonzero(many)
    if not len(sampled):
        nothing = np.zeros(cells)
        return nothing, nothing, nothing, nothing, np.zeros(cells, bool)
    later = np.clip(np.searchsorted(sampled, np.arange(cells)), 0, len(sampled) - 1)
    before, after = sampled[np.maximum(later - 1, 0)], sampled[later]
    here = np.arange(cells)
    nearest = np.where(np.abs(grid[here] - grid[before]) < np.abs(grid[after] - grid[here]), before, after)
    reach = np.abs(grid[:-1] - grid[nearest]) <= _SAMPLE_REACH
    shares = []
    for doing in (Doing.COMPILING, Doing.IMPORTING, Doing.READING, Doing.SLEEPING):
        part = np.bincount(cell[samples["doing"] == doing], minlength=cells) / np.maximum(many, 1)
        shares.append(np.where(reach, part[nearest], 0.0))
    return (*shares, reach)
