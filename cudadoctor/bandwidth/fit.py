"""Copy time over size as t = t0 + n / B: overhead, bandwidth and half-bandwidth size of a curve, with intervals.

Least squares on relative errors, since a copy of 1 GiB takes a million times as long as one of 4 B and both are
measured to the same few percent: each point counts by the inverse square of its fitted time, found in a few rounds.

One point that another program disturbed is left out, if the outlier test says so: the one without which the fit
gains most, where that gain is more than chance gives the luckiest of all points in one of a hundred curves
(externally studentised residual with Bonferroni's bound; Cook and Weisberg, Residuals and Influence in Regression,
1982, section 2.2).

The 95 % intervals of t0 and 1/B are Student's, with the scatter of the points about the line; that of B is the
inverse of the latter; and that of their ratio, the half-bandwidth size t0 B, is Fieller's, which is exact where the
delta method is an approximation. They hold for independent relative errors that are about normal. A curve that has
another shape widens them, and `worst_relative_error` tells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from cudadoctor.facts.bandwidth import CurvePoint, Fit

_LEAST_SIZES = 4
_LEAST_POINTS_TO_DROP_ONE = 6  # five that remain leave three degrees of freedom for the scatter
_COVERAGE = 0.95
_OUTLIER_LEVEL = 0.01
_ROUNDS = 6  # of weights; they settle in three to four

Point = tuple[float, float]


class _Line(msgspec.Struct, frozen=True):
    """t = a + b n, the sum of squared relative residuals, and the inverse of X'WX as (aa, ab, bb)."""

    a: float
    b: float
    squares: float
    inverse: tuple[float, float, float]

    def at(self, size: float) -> float:
        return self.a + self.b * size


def fit_curve(points: Sequence[CurvePoint]) -> Fit | None:
    """Fit a curve of median copy times.

    Returns:
        None with fewer than four different sizes, and where the slope cannot be told from zero: copies that take as
        long at all sizes say nothing of the bandwidth.
    """
    pairs = [(float(point.size_bytes), point.seconds) for point in points if _usable(point)]
    if len({size for size, _ in pairs}) < _LEAST_SIZES:
        return None
    line, used = _without_outlier(pairs)
    if line is None:
        return None
    freedom = len(used) - 2
    variance = line.squares / freedom
    aa, ab, bb = (variance * term for term in line.inverse)
    quantile = student_quantile(freedom, _COVERAGE)
    off_a, off_b = quantile * math.sqrt(aa), quantile * math.sqrt(bb)
    if line.b - off_b <= 0:
        return None
    half = _fieller(line.a, line.b, (aa, ab, bb), quantile)
    best = line if line.a >= 0 else _through_origin(used)
    return Fit(
        overhead_s=best.a,
        overhead_interval_s=(max(0.0, line.a - off_a), max(0.0, line.a + off_a)),
        gb_per_s=1e-9 / best.b,
        gb_per_s_interval=(1e-9 / (line.b + off_b), 1e-9 / (line.b - off_b)),
        half_bytes=best.a / best.b,
        half_bytes_interval=(max(0.0, half[0]), max(0.0, half[1])),
        worst_relative_error=max(abs(seconds / best.at(size) - 1) for size, seconds in pairs),
    )


def student_quantile(freedom: int, coverage: float) -> float:
    """Return the t with P(|T| < t) = `coverage` for Student's distribution with whole degrees of freedom.

    Source of the closed forms: Abramowitz and Stegun, 26.7.3 and 26.7.4.
    """
    low, high = 0.0, 1.0
    while _student_inside(high, freedom) < coverage:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        if _student_inside(middle, freedom) < coverage:
            low = middle
        else:
            high = middle
    return high


def _student_inside(t: float, freedom: int) -> float:
    angle = math.atan2(t, math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    term = cosine if freedom % 2 else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(3 if freedom % 2 else 2, freedom - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    return 2 / math.pi * (angle + sine * total) if freedom % 2 else sine * total


def _usable(point: CurvePoint) -> bool:
    return point.size_bytes > 0 and 0 < point.seconds < math.inf


def _without_outlier(pairs: list[Point]) -> tuple[_Line | None, list[Point]]:
    """Return the line, and the points that it was fitted to: all, or all but one that does not belong."""
    everything = _line(pairs)
    if len(pairs) < _LEAST_POINTS_TO_DROP_ONE:
        return everything, pairs
    rest, line = min(
        (
            (rest, fitted)
            for i in range(len(pairs))
            if (fitted := _line(rest := pairs[:i] + pairs[i + 1 :])) is not None
        ),
        key=lambda candidate: candidate[1].squares,
        default=(pairs, None),
    )
    if everything is None or line is None or len({size for size, _ in rest}) < _LEAST_SIZES:
        return everything, pairs
    freedom = len(rest) - 2
    bound = student_quantile(freedom, 1 - _OUTLIER_LEVEL / len(pairs))
    if everything.squares - line.squares > bound * bound * line.squares / freedom:
        return line, rest
    return everything, pairs


def _line(pairs: Sequence[Point]) -> _Line | None:
    """Return the line of least relative squares, None where the slope is not positive."""
    weights = [1 / (seconds * seconds) for _, seconds in pairs]
    line = None
    for _ in range(_ROUNDS):
        line = _weighted(pairs, weights)
        if line is None or line.b <= 0:
            return None
        # A line may start below zero, where it gives no weight: then a point counts by its own time.
        fitted = [max(line.at(size), 0.1 * seconds) for size, seconds in pairs]
        weights = [1 / (value * value) for value in fitted]
    return line


def _weighted(pairs: Sequence[Point], weights: Sequence[float]) -> _Line | None:
    total = sum(weights)
    mean = sum(weight * size for (size, _), weight in zip(pairs, weights, strict=True)) / total
    level = sum(weight * seconds for (_, seconds), weight in zip(pairs, weights, strict=True)) / total
    spread = sum(weight * (size - mean) ** 2 for (size, _), weight in zip(pairs, weights, strict=True))
    if spread <= 0:
        return None
    slope = (
        sum(w * (size - mean) * (seconds - level) for (size, seconds), w in zip(pairs, weights, strict=True)) / spread
    )
    start = level - slope * mean
    squares = sum(w * (seconds - start - slope * size) ** 2 for (size, seconds), w in zip(pairs, weights, strict=True))
    return _Line(start, slope, squares, (1 / total + mean * mean / spread, -mean / spread, 1 / spread))


def _through_origin(pairs: Sequence[Point]) -> _Line:
    """Return the line without overhead: of large copies alone the overhead may come out below zero by chance."""
    slope = 1 / (sum(size / seconds for size, seconds in pairs) / len(pairs))
    return _Line(0.0, slope, 0.0, (0.0, 0.0, 0.0))


def _fieller(a: float, b: float, covariance: tuple[float, float, float], quantile: float) -> tuple[float, float]:
    """Return the interval of a / b, where b differs from zero at that quantile.

    Source: Fieller, Some problems in interval estimation, J. R. Stat. Soc. B 16 (1954) 175-185.
    """
    aa, ab, bb = (quantile * quantile * term for term in covariance)
    square, linear, constant = b * b - bb, a * b - ab, a * a - aa
    root = math.sqrt(max(0.0, linear * linear - square * constant))
    return (linear - root) / square, (linear + root) / square
