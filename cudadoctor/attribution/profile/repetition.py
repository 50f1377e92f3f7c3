"""Where a sequence repeats: its period, and the stretches that repeat where the whole does not.

A sequence is given as numbers, one for each kind of thing. Its period is the smallest shift at which nearly all of it
agrees with itself (by FFT, so a million take a fraction of a second); one or two things that come in between now and
then, as for a log, may shift it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.grouping import grouped

Ints = NDArray[np.int64]

FEWEST = 4
"""Fewer repetitions are no loop."""
AGREE_AT_LEAST = 0.6
_AGREE = 0.95
_BETWEEN = 2
"""What may come in between: a read-back and a kernel before it."""
_MOST_IN_STEP = 200_000
_LONGEST_CONTEXT = 16
_LEAST_PART = 0.02
"""A stretch that is a smaller part of a sequence is not looked for."""
_SMALL_SHIFTS = 32
_BEST_SHIFTS = 16
_MOST_PARTS = 3


class Stretch(NamedTuple):
    """A part of a sequence that repeats itself: from `begin` up to `end`, with this period."""

    begin: int
    end: int
    period: int


def stretches(short: Ints) -> list[Stretch]:
    """Return the longest stretches that repeat, for each likely period, the shortest periods first."""
    n = len(short)
    if n < 2 * FEWEST:
        return []
    shifts = likely_shifts(short, _LEAST_PART, _BEST_SHIFTS)
    few = np.arange(2, min(_SMALL_SHIFTS, n // FEWEST) + 1)
    found = []
    for period in np.unique(np.concatenate([few, shifts])).tolist():
        same = _same(short, period)
        unlike = np.concatenate([[-1], np.flatnonzero(~same), [len(same)]])
        lengths = np.diff(unlike) - 1
        alike = np.flatnonzero(lengths >= max(period, 2))
        if not len(alike):
            continue
        begin, end = unlike[alike] + 1, unlike[alike + 1]
        # Something in between may part one loop; two loops may follow upon each other: both are tried.
        apart = np.flatnonzero(begin[1:] - end[:-1] > period)
        joined = begin[np.concatenate([[0], apart + 1])], end[np.concatenate([apart, [len(end) - 1]])]
        for firsts, lasts in ((begin, end), joined):
            for place in np.argsort(firsts - lasts, kind="stable")[:_MOST_PARTS].tolist():
                made = Stretch(int(firsts[place]), int(lasts[place]) + period, int(period))
                if made.end - made.begin >= max((FEWEST + 1) * period, _LEAST_PART * n) and made not in found:
                    found.append(made)
    return found


def once_a_period(short: Ints, period: int | None = None) -> Ints | None:
    """Return the places in a sequence at which its periods (of a length, if it is known) begin, None if none repeat."""
    period = period_of(short) if period is None else period
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
            if len(apart) >= FEWEST and np.mean(np.abs(apart - period) <= max(2, period // 4)) >= AGREE_AT_LEAST:
                return places
        # No such operation: what came before it tells them apart.
        further = np.full(len(context), -1, np.int64)
        further[length:] = which[:-length]
        context = which * (len(values) + 1) + further + 1
        length *= 2
    return None


def period_of(short: Ints) -> int | None:
    """Return the smallest shift at which a sequence agrees with itself, None if there is none."""
    best, best_share = None, AGREE_AT_LEAST
    for shift in likely_shifts(short).tolist():
        share = _share(short, shift)
        if share >= _AGREE:
            return int(shift)
        if share > best_share + 0.02:
            best, best_share = int(shift), share
    return best


def _share(short: Ints, shift: int) -> float:
    """Return which part of a sequence is as it was a shift before, or one or two more."""
    return float(np.mean(_same(short, shift)))


def _same(short: Ints, shift: int) -> NDArray[np.bool_]:
    """Say of each place from the shift on whether it is as it was a shift before, or one or two more."""
    same = short[shift:] == short[:-shift]
    for more in range(1, _BETWEEN + 1):
        if len(short) > shift + more:
            same[more:] |= short[shift + more :] == short[: -shift - more]
    made: NDArray[np.bool_] = same
    return made


def likely_shifts(short: Ints, least: float = AGREE_AT_LEAST, many: int = 200) -> Ints:
    """Return the shifts at which a part (`least`) of a sequence may agree with itself: the `many` smallest and best."""
    n = len(short)
    if n < 2 * FEWEST:
        return np.zeros(0, np.int64)
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
    most = min(n // FEWEST, _MOST_IN_STEP)
    shifts = np.arange(2, most + 1)
    if not len(shifts):
        return np.zeros(0, np.int64)
    likely = shifts[agree[2 : most + 1] >= 0.5 * least]
    # The estimate is checked by counting; only the most promising shifts, and the smallest of those.
    return np.unique(np.concatenate([likely[:many], likely[np.argsort(-agree[likely], kind="stable")[:many]]]))
