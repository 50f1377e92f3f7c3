"""Where two lanes meet by the points themselves, without any line through all of them, and in what words it is told."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cudadoctor.attribution.break_even import time_at
from cudadoctor.facts.explanation import BreakEven, BreakEvenPoint

_AGREE = 1.1
"""How far apart the fitted crossing and that between two neighbouring sizes may be."""

_WIDEST = 1.5
"""Of the crossing's 95 % interval, its high end over its low one: beyond it the place is not known."""

_BESIDE = 1.15
"""How far off the crossing may be: farther, and the lanes would differ by more at that size."""


def root(first: tuple[int, float], second: tuple[int, float]) -> float | None:
    """Return where the line through two points crosses zero, None where it does not at a positive size."""
    (x1, y1), (x2, y2) = first, second
    if y1 == y2:
        return None
    root = x1 - y1 * (x2 - x1) / (y2 - y1)
    return root if root > 0 else None


def between(points: Sequence[BreakEvenPoint]) -> float | None:
    """Return where the lanes meet between two neighbours; of several places the middle one, None where they do not."""
    lags = [(point.value, point.cpu_us - point.gpu_us) for point in points]
    found = [root(one, other) for one, other in pairwise(lags) if (one[1] < 0) != (other[1] < 0)]
    places = [place for place in found if place is not None]
    return places[len(places) // 2] if places else None


def is_sure(found: BreakEven, meeting: float) -> bool:
    """Say whether a fitted crossing is known well, and is where the points themselves say that the lanes meet."""
    at, low, high = found.at or 0.0, found.low or 0.0, found.high or 0.0
    return 1 / _AGREE <= at / meeting <= _AGREE and low > 0 and high <= _WIDEST * low


def tolerance(found: BreakEven, at: float) -> float:
    """Return by how much the lanes may differ at the crossing: as much as the lines do a little beside it."""
    return min(abs(time_at(found.cpu, size) - time_at(found.gpu, size)) for size in (at / _BESIDE, at * _BESIDE))


def not_told(points: Sequence[BreakEvenPoint]) -> str:
    """Say what was seen where five sizes show no crossing: a line through them says nothing of others."""
    first, *_, last = sorted(points, key=lambda point: point.value)
    return (
        f"no crossing can be told: with {first.value} the CPU took {first.cpu_us:.0f} µs and the GPU "
        f"{first.gpu_us:.0f}, with {last.value} they took {last.cpu_us:.0f} and {last.gpu_us:.0f}, and what lies "
        "between differs too little or too irregularly"
    )


def always(points: Sequence[BreakEvenPoint]) -> str | None:
    """Say that one lane was faster at all sizes, and by how much at the size where it was least; None if it was not."""
    who = {"GPU" if point.gpu_us < point.cpu_us else "CPU" for point in points}
    if len(who) != 1:
        return None
    least = min(points, key=lambda point: abs(point.cpu_us - point.gpu_us) / point.cpu_us)
    sizes = sorted(point.value for point in points)
    return (
        f"the {who.pop()} was faster at every size tried ({sizes[0]} to {sizes[-1]}); with {least.value} the CPU took "
        f"{least.cpu_us:.0f} µs and the GPU {least.gpu_us:.0f}"
    )
