"""Axes: which range is shown, where its ticks stand, and where on the axis a value lies. Plain arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

_GREATEST, _LEAST = 1e300, 1e-300
# Values that differ by less than this share of themselves are drawn as one: their ticks would all read alike.
_ALIKE = 1e-6


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """A range with its ticks in ascending order, all within it; `low` < `high`, and both positive where `log`."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies: 0 at `low`, 1 at `high`, never beyond either; 0 for what a log axis lacks."""
        if not self.log:
            share = (value - self.low) / (self.high - self.low)
        elif value <= 0:
            return 0.0
        else:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        return min(1.0, max(0.0, share))


def drawable(value: float | None, *, log: bool = False) -> bool:
    """Say whether a value has a place on an axis: a finite number, and on a log axis a positive one."""
    if value is None or not math.isfinite(value) or abs(value) > _GREATEST:
        return False
    return value >= _LEAST if log else True


def linear_axis(
    values: Iterable[float], *, from_zero: bool = True, tight: bool = False, whole: bool = False, at_most: int = 6
) -> Axis | None:
    """Return an axis that holds all values, with round ticks (1, 2 or 5 times a power of ten); None without values.

    Args:
        values: What is to be drawn; what has no place on an axis is passed over.
        from_zero: The axis holds zero too.
        tight: It begins at the lowest value and ends at the highest, instead of at a tick.
        whole: Ticks stand at whole numbers alone, as for epochs.
        at_most: No more ticks than this, 3 or more.
    """
    kept = [value for value in values if drawable(value)]
    if not kept:
        return None
    low, high = min(kept), max(kept)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= _ALIKE * max(abs(low), abs(high)):
        margin = max(abs(low), abs(high)) * 0.1 or 1.0
        low, high = (low if from_zero and low == 0 else low - margin), high + margin
    ticks = _round_ticks(low, high, at_most, 1.0 if whole else 0.0)
    if tight:
        return Axis(low=low, high=high, ticks=tuple(tick for tick in ticks if low <= tick <= high))
    return Axis(low=min(ticks[0], low), high=max(ticks[-1], high), ticks=ticks)


def _round_ticks(low: float, high: float, at_most: int, least: float) -> tuple[float, ...]:
    """Return the closest round ticks that are no more than `at_most`; the first is not above `low`."""
    finest = max((high - low) / at_most, least, _LEAST)
    start = math.floor(math.log10(finest) + _ALIKE)
    for power in range(start, start + 4):
        for factor in (1, 2, 5):
            step = factor * 10.0**power
            first, last = math.floor(low / step), math.ceil(high / step)
            if step >= least and last - first < at_most:
                return tuple(number * step for number in range(first, last + 1))
    raise AssertionError("a step of a thousand times the range holds it in two ticks")


def log_axis(values: Iterable[float], *, base: int = 10, at_most: int = 6) -> Axis | None:
    """Return a logarithmic axis that holds all positive values; None without any.

    Ticks are powers of the base, every second or fifth or tenth of them where there are many; 1, 2 and 5 times a power
    of ten where there are few.

    Args:
        values: What is to be drawn; what has no place on a log axis is passed over.
        base: 10, or 2 for sizes in bytes.
        at_most: No more ticks than this, 3 or more.
    """
    kept = [value for value in values if drawable(value, log=True)]
    if not kept:
        return None
    low, high = min(kept), max(kept)
    if base == 10 and high / low <= 10 ** (at_most / 3 - 0.5):
        return _short_log_axis(low, high, at_most)
    first, last = _floor_log(low, base), _ceil_log(high, base)
    last = max(last, first + 1)
    stride = next(step for step in _strides() if last // step - -(-first // step) + 1 <= at_most)
    ticks = tuple(float(base) ** power for power in range(-(-first // stride) * stride, last + 1, stride))
    return Axis(low=float(base) ** first, high=float(base) ** last, ticks=ticks, log=True)


def _short_log_axis(low: float, high: float, at_most: int) -> Axis:
    """Return an axis of few decades, with ticks at 1, 2 and 5 times a power of ten, or at powers alone."""
    first, last = _floor_log(low, 10), _ceil_log(high, 10)
    marks = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
    begin = max((place for place, mark in enumerate(marks) if mark <= low * (1 + _ALIKE)), default=0)
    end = next((place for place, mark in enumerate(marks) if mark >= high * (1 - _ALIKE)), len(marks) - 1)
    end = max(end, begin + 1)
    ticks = tuple(marks[begin : end + 1])
    if len(ticks) > at_most:
        ticks = tuple(tick for tick in ticks if math.isclose(tick, 10.0 ** round(math.log10(tick))))
    return Axis(low=min(marks[begin], low), high=max(marks[end], high), ticks=ticks, log=True)


def _floor_log(value: float, base: int) -> int:
    """Return the greatest power of the base that is not above the value, whatever a logarithm rounds to."""
    power = math.floor(math.log(value, base))
    return power + 1 if float(base) ** (power + 1) <= value else power if float(base) ** power <= value else power - 1


def _ceil_log(value: float, base: int) -> int:
    power = _floor_log(value, base)
    return power if float(base) ** power >= value else power + 1


def _strides() -> Iterable[int]:
    size = 1
    while True:
        yield from (size, 2 * size, 5 * size)
        size *= 10
