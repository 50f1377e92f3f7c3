"""Find the steps that a program repeats: by its NVTX ranges, or by the sequence of its device operations.

The sequence is that of the operations in the order of submission: kernels by name, copies by direction, each with its
GPU; what comes several times in a row counts once, so that inner loops of any length look alike. A step begins with an
operation that comes once a period (see `repetition`). Where steps of a usual length are not most of the time, as in a
program that tries many kernels before its loop, the stretch that repeats for the longest time is taken.

A sequence cannot tell 48 equal layers and one read-back from 48 equal steps and one read-back; ranges can. Ranges that
libraries open for themselves are none of the program's.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from cudadoctor.attribution.profile.grouping import grouped
from cudadoctor.attribution.profile.model import Floats, Ints, Model
from cudadoctor.attribution.profile.repetition import AGREE_AT_LEAST, FEWEST, once_a_period, stretches

_SLOW = 1.25
"""Steps at the beginning that take this much longer than those after them are warm-up."""
_USUAL = 4.0
"""Steps that take up to this many times the median are as long as usual."""
_MOST_TIME = 0.7
"""Steps of a usual length shall be this part of the time between the first and the last operation."""
_LEAST_TIME = 0.15
"""A part that takes less is no loop of the program; compiling may take most of the time before it."""
_OF_LIBRARIES = re.compile(r"\w+:#.*#$|aten::|autograd::|nccl[A-Z]|cub::|thrust::|cudnn|cublas|kernel at 0x")
"""XLA's passes, modules and operations; PyTorch's operators; and names that could not be read."""


class Found(NamedTuple):
    """Steps by the places of their first calls in the model, and when they began on the device.

    `calls` has one bound more than there are steps, and so has `at` (nanoseconds). `warm_up` steps come first.
    """

    by: str
    name: str
    calls: Ints
    at: Floats
    warm_up: int

    @property
    def steady(self) -> int:
        """How many steps there are after the warm-up."""
        return len(self.at) - 1 - self.warm_up

    @property
    def window(self) -> tuple[float, float]:
        """Beginning and end of the steady steps, nanoseconds."""
        return float(self.at[self.warm_up]), float(self.at[-1])

    @property
    def durations(self) -> Floats:
        """Of the steady steps, nanoseconds."""
        made: Floats = np.diff(self.at[self.warm_up :])
        return made


def find(model: Model) -> Found:
    """Return the steps of a traced program; one step from the first to the last operation where nothing repeats."""
    return _by_ranges(model) or _by_repetition(model) or _whole(model)


def _whole(model: Model) -> Found:
    ops, calls = model.trace.ops, model.calls
    if not len(ops) or not len(calls.start):
        return Found("none", "", np.array([0, len(calls.start)]), np.array([0.0, float(model.trace.end)]), 0)
    with_ops = np.flatnonzero(calls.op_count)
    first, last = (int(with_ops[0]), int(with_ops[-1]) + 1) if len(with_ops) else (0, len(calls.start))
    return Found("none", "", np.array([first, last]), np.array([float(ops["start"][0]), float(ops["end"].max())]), 0)


def _by_ranges(model: Model) -> Found | None:
    """Take the name whose ranges repeat, do not overlap, and cover most time."""
    ranges, names = model.trace.ranges, model.trace.names
    best: tuple[int, int] | None = None
    for name in np.unique(ranges["name"]):
        mine = ranges[ranges["name"] == name]
        if _OF_LIBRARIES.match(names[name] if 0 <= name < len(names) else ""):
            continue
        if len(mine) < FEWEST or np.any(mine["start"][1:] < mine["end"][:-1]):
            continue
        first = np.searchsorted(model.calls.start, mine["start"])
        if np.mean(np.diff(first) > 0) < AGREE_AT_LEAST:
            continue  # nothing is called in them
        covered = int((mine["end"] - mine["start"]).sum())
        if best is None or covered > best[0]:
            best = covered, int(name)
    if best is None:
        return None
    mine = ranges[ranges["name"] == best[1]]
    bounds = np.concatenate([mine["start"], mine["end"][-1:]]).astype(np.int64)
    calls = np.searchsorted(model.calls.start, bounds)
    name = names[best[1]] if 0 <= best[1] < len(names) else ""
    return _steady("nvtx", name, calls, _on_device(model, calls, bounds.astype(np.float64)))


def _on_device(model: Model, calls: Ints, otherwise: Floats) -> Floats:
    """Return when the first operation submitted by each of these calls or one after it started."""
    starts = model.trace.ops["start"][model.ops.record].astype(np.float64)
    with_ops = np.flatnonzero(model.calls.op_count)
    place = np.searchsorted(with_ops, calls)
    there = place < len(with_ops)
    at = otherwise.copy()
    at[there] = starts[model.calls.first_op[with_ops[place[there]]]]
    if not there.all() and len(starts):
        at[~there] = np.maximum(otherwise[~there], float(model.trace.ops["end"].max()))
    made: Floats = np.maximum.accumulate(at)
    return made


def _by_repetition(model: Model) -> Found | None:
    sequence = _Sequence.of(model)
    if sequence is None:
        return None
    found = sequence.all_of_it()
    span = float(model.trace.ops["end"].max() - model.trace.ops["start"][0])
    usual = _time_in_usual_steps(found)
    if usual >= _MOST_TIME * span:
        return found
    part = sequence.longest_part()
    took = _time_in_usual_steps(part)
    return part if took >= max(_LEAST_TIME * span, usual / _MOST_TIME) else found


def _time_in_usual_steps(found: Found | None) -> float:
    if found is None or found.steady < 1:
        return 0.0
    lengths = found.durations
    return float(lengths[lengths <= _USUAL * np.median(lengths)].sum())


class _Sequence(NamedTuple):
    """The operations that one lane submitted: their places in the model, and a number for each kind of operation.

    `runs` are the places in these at which another kind begins.
    """

    model: Model
    places: Ints
    token: Ints
    runs: Ints

    @classmethod
    def of(cls, model: Model) -> _Sequence | None:
        """Return that of the lane which submitted most, None if that is next to nothing."""
        ops = model.trace.ops[model.ops.record]
        lane = model.calls.lane[model.ops.call] if len(model.calls.lane) else np.zeros(len(ops), np.int64)
        busiest = np.bincount(lane[model.ops.call >= 0]).argmax() if (model.ops.call >= 0).any() else 0
        mine = np.flatnonzero((model.ops.call >= 0) & (lane == busiest))
        if len(mine) < FEWEST:
            return None
        token = grouped(ops["kind"][mine], ops["name"][mine], ops["device"][mine])[1]
        return cls(model, mine, token, np.flatnonzero(np.concatenate([[True], token[1:] != token[:-1]])))

    def all_of_it(self) -> Found | None:
        """Return the steps of the whole sequence, if it repeats, or if most of it is one operation."""
        first = once_a_period(self.token[self.runs])
        if first is not None:
            return self._steps(self.runs[first])
        # One kernel again and again: each is a step.
        edges = np.concatenate([self.runs, [len(self.token)]])
        longest = int(np.diff(edges).argmax())
        begin, end = int(edges[longest]), int(edges[longest + 1])
        if end - begin < max(FEWEST, len(self.token) // 2):
            return None
        return self._steps(np.arange(begin, end))

    def longest_part(self) -> Found | None:
        """Return the steps of the part in which steps of a usual length take longest, of several the shortest."""
        short = self.token[self.runs]
        best: Found | None = None
        for stretch in stretches(short):
            first = once_a_period(short[stretch.begin : stretch.end], stretch.period)
            found = None if first is None else self._steps(self.runs[stretch.begin + first])
            if _time_in_usual_steps(found) > 1.05 * _time_in_usual_steps(best):
                best = found
        starts = self._starts()
        edges = np.concatenate([self.runs, [len(self.token)]])
        took = np.where(np.diff(edges) > FEWEST, starts[edges[1:] - 1] - starts[edges[:-1]], 0.0)
        longest = int(took.argmax())
        alone = self._steps(np.arange(int(edges[longest]), int(edges[longest + 1])))
        return alone if _time_in_usual_steps(alone) > 1.05 * _time_in_usual_steps(best) else best

    def _starts(self) -> Floats:
        ops = self.model.trace.ops["start"][self.model.ops.record[self.places]]
        made: Floats = np.maximum.accumulate(ops.astype(np.float64))
        return made

    def _steps(self, begins: Ints) -> Found | None:
        calls = self.model.ops.call[self.places[begins]]
        keep = np.concatenate([[True], np.diff(calls) > 0])
        calls, at = calls[keep], self._starts()[begins][keep]
        if len(calls) < FEWEST + 1:
            return None
        return _steady("repetition", "", calls, at)


def _steady(by: str, name: str, calls: Ints, at: Floats) -> Found:
    """Leave out the steps at the beginning that are slower than those after them."""
    lengths = np.diff(at)
    n = len(lengths)
    usual = float(np.median(lengths[n // 2 :]))
    warm_up = 0
    ahead = 5
    while warm_up < n // 2 and float(np.median(lengths[warm_up : warm_up + ahead])) > _SLOW * usual:
        warm_up += 1
    # One slow step among the next few, such as that which compiles.
    for place in range(min(warm_up + ahead, n // 2), warm_up, -1):
        if lengths[place - 1] > 3 * usual:
            warm_up = place
            break
    return Found(by, name, calls.astype(np.int64), at, warm_up)
