"""Find the steps that a program repeats: by its NVTX ranges, or by the sequence of its device operations.

The sequence is that of the operations in the order of submission: kernels by name, copies by direction, each with its
GPU; what comes several times in a row counts once, so that inner loops of any length look alike. Its period is the
smallest shift at which nearly all of it agrees with itself (by FFT, so a million operations take a fraction of a
second); one or two operations that come in between now and then, as for a log, may shift it. A step begins with an
operation that comes once a period.

A sequence cannot tell 48 equal layers and one read-back from 48 equal steps and one read-back; ranges can.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cudadoctor.attribution.profile.grouping import grouped
from cudadoctor.attribution.profile.model import Floats, Ints, Model

_AGREE = 0.95
_BETWEEN = 2
"""Operations that may come in between: a read-back and a kernel before it."""
_AGREE_AT_LEAST = 0.6
_FEWEST = 4
"""Fewer repetitions are no loop."""
_MOST_IN_STEP = 200_000
_SLOW = 1.25
"""Steps at the beginning that take this much longer than those after them are warm-up."""
_LONGEST_CONTEXT = 16


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
    ranges = model.trace.ranges
    best: tuple[int, int] | None = None
    for name in np.unique(ranges["name"]):
        mine = ranges[ranges["name"] == name]
        if len(mine) < _FEWEST or np.any(mine["start"][1:] < mine["end"][:-1]):
            continue
        first = np.searchsorted(model.calls.start, mine["start"])
        if np.mean(np.diff(first) > 0) < _AGREE_AT_LEAST:
            continue  # nothing is called in them
        covered = int((mine["end"] - mine["start"]).sum())
        if best is None or covered > best[0]:
            best = covered, int(name)
    if best is None:
        return None
    mine = ranges[ranges["name"] == best[1]]
    bounds = np.concatenate([mine["start"], mine["end"][-1:]]).astype(np.int64)
    calls = np.searchsorted(model.calls.start, bounds)
    names = model.trace.names
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
    ops = model.trace.ops[model.ops.record]
    lane = model.calls.lane[model.ops.call] if len(model.calls.lane) else np.zeros(len(ops), np.int64)
    busiest = np.bincount(lane[model.ops.call >= 0]).argmax() if (model.ops.call >= 0).any() else 0
    mine = np.flatnonzero((model.ops.call >= 0) & (lane == busiest))
    if len(mine) < _FEWEST:
        return None
    token = grouped(ops["kind"][mine], ops["name"][mine], ops["device"][mine])[1]
    runs = np.flatnonzero(np.concatenate([[True], token[1:] != token[:-1]]))
    short = token[runs]
    first = _once_a_period(short)
    if first is None:
        # One kernel again and again: each is a step.
        longest = int(np.diff(np.concatenate([runs, [len(token)]])).argmax())
        begin, end = int(runs[longest]), int(np.concatenate([runs, [len(token)]])[longest + 1])
        if end - begin < max(_FEWEST, len(token) // 2):
            return None
        places = mine[begin:end]
    else:
        places = mine[runs[first]]
    calls = model.ops.call[places]
    keep = np.concatenate([[True], np.diff(calls) > 0])
    calls, places = calls[keep], places[keep]
    if len(calls) < _FEWEST + 1:
        return None
    at = np.maximum.accumulate(ops["start"][places].astype(np.float64))
    return _steady("repetition", "", calls, at)


def _once_a_period(short: Ints) -> Ints | None:
    """Return the places in a sequence at which its periods begin, None if nothing repeats."""
    period = _period(short)
    if period is None:
        return None
    wanted = len(short) / period
    context, length = short.astype(np.int64), 1
    while length <= _LONGEST_CONTEXT:
        values, which, many = grouped(context)
        near = np.flatnonzero((many >= 0.6 * wanted) & (many <= 1.15 * wanted))
        for each in near[np.argsort(np.abs(many[near] - wanted), kind="stable")][:8]:
            places = np.flatnonzero(which == each)
            apart = np.diff(places)
            if len(apart) >= _FEWEST and np.mean(np.abs(apart - period) <= max(2, period // 4)) >= _AGREE_AT_LEAST:
                return places
        # No such operation: what came before it tells them apart.
        further = np.full(len(context), -1, np.int64)
        further[length:] = which[:-length]
        context = which * (len(values) + 1) + further + 1
        length *= 2
    return None


def _period(short: Ints) -> int | None:
    """Return the smallest shift at which a sequence agrees with itself, None if there is none."""
    n = len(short)
    if n < 2 * _FEWEST:
        return None
    # Each kind of operation gets a direction at random: the products of equal ones add up, those of others cancel.
    chance = np.random.default_rng(0)
    size = 1 << int(n * 2 - 1).bit_length()
    agree = np.zeros(n)
    rounds = 4 if n < 50_000 else 2
    for _ in range(rounds):
        turned = np.exp(2j * np.pi * chance.random(int(short.max()) + 1))[short]
        spectrum = np.fft.fft(turned, size)
        agree += np.fft.ifft(spectrum * np.conj(spectrum))[:n].real
    agree /= rounds * np.maximum(n - np.arange(n), 1)
    most = min(n // _FEWEST, _MOST_IN_STEP)
    shifts = np.arange(2, most + 1)
    if not len(shifts):
        return None
    likely = shifts[agree[2 : most + 1] >= 0.5 * _AGREE_AT_LEAST]
    # The estimate is checked by counting; only the most promising shifts, and the smallest of those.
    likely = np.unique(np.concatenate([likely[:200], likely[np.argsort(-agree[likely], kind="stable")[:200]]]))
    best, best_share = None, _AGREE_AT_LEAST
    for shift in likely.tolist():
        share = _share(short, shift)
        if share >= _AGREE:
            return int(shift)
        if share > best_share + 0.02:
            best, best_share = int(shift), share
    return best


def _share(short: Ints, shift: int) -> float:
    """Return which part of a sequence is as it was a shift before, or one or two more."""
    same = short[shift:] == short[:-shift]
    for more in range(1, _BETWEEN + 1):
        if len(short) > shift + more:
            same[more:] |= short[shift + more :] == short[: -shift - more]
    return float(np.mean(same))


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
