"""Straight lines through measured times, by least squares on relative errors, with what is known of their doubt.

Relative errors, since times over sizes span orders of magnitude and all are measured to the same few percent: each
point counts by the inverse square of its fitted time, found in a few rounds.

One point that another program disturbed is left out, if the outlier test says so: the one without which the fit
gains most, where that gain is more than chance gives the luckiest of all points in one of a hundred curves
(externally studentised residual with Bonferroni's bound; Cook and Weisberg, Residuals and Influence in Regression,
1982, section 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

LEAST_SIZES = 4
_LEAST_POINTS_TO_DROP_ONE = 6  # five that remain leave three degrees of freedom for the scatter
_OUTLIER_LEVEL = 0.01
_ROUNDS = 6  # of weights; they settle in three to four

Point = tuple[float, float]


class FittedLine(msgspec.Struct, frozen=True):
    """t = a + b n, the sum of squared relative residuals, and the inverse of X'WX as (aa, ab, bb)."""

    a: float
    b: float
    squares: float
    inverse: tuple[float, float, float]

    def at(self, size: float) -> float:
        """Return the fitted time of a size."""
        return self.a + self.b * size

    def covariance(self, freedom: int) -> tuple[float, float, float]:
        """Return variance of a, covariance, and variance of b, from the scatter of the points about the line."""
        variance = self.squares / freedom
        aa, ab, bb = (variance * term for term in self.inverse)
        return aa, ab, bb


def fit_without_outlier(pairs: list[Point], *, rising: bool = True) -> tuple[FittedLine | None, list[Point]]:
    """Return the line, and the points that it was fitted to: all, or all but one that does not belong."""
    everything = fit_line(pairs, rising=rising)
    if len(pairs) < _LEAST_POINTS_TO_DROP_ONE:
        return everything, pairs
    rest, line = min(
        (
            (rest, fitted)
            for i in range(len(pairs))
            if (fitted := fit_line(rest := pairs[:i] + pairs[i + 1 :], rising=rising)) is not None
        ),
        key=lambda candidate: candidate[1].squares,
        default=(pairs, None),
    )
    if everything is None or line is None or len({size for size, _ in rest}) < LEAST_SIZES:
        return everything, pairs
    freedom = len(rest) - 2
    bound = student_quantile(freedom, 1 - _OUTLIER_LEVEL / len(pairs))
    if everything.squares - line.squares > bound * bound * line.squares / freedom:
        return line, rest
    return everything, pairs


def fit_line(pairs: Sequence[Point], *, rising: bool = True) -> FittedLine | None:
    """Return the line of least relative squares; None where all sizes are one, or it should rise and does not."""
    weights = [1 / (seconds * seconds) for _, seconds in pairs]
    line = None
    for _ in range(_ROUNDS):
        line = _weighted(pairs, weights)
        if line is None or (rising and line.b <= 0):
            return None
        # A line may start below zero, where it gives no weight: then a point counts by its own time.
        fitted = [max(line.at(size), 0.1 * seconds) for size, seconds in pairs]
        weights = [1 / (value * value) for value in fitted]
    return line


def through_origin(pairs: Sequence[Point]) -> FittedLine:
    """Return the line without overhead: of large copies alone the overhead may come out below zero by chance."""
    slope = 1 / (sum(size / seconds for size, seconds in pairs) / len(pairs))
    return FittedLine(0.0, slope, 0.0, (0.0, 0.0, 0.0))


def ratio_interval(a: float, b: float, covariance: tuple[float, float, float], quantile: float) -> tuple[float, float]:
    """Return the interval of a / b from the covariance (aa, ab, bb), where b differs from zero at that quantile.

    Source: Fieller, Some problems in interval estimation, J. R. Stat. Soc. B 16 (1954) 175-185.
    """
    aa, ab, bb = (quantile * quantile * term for term in covariance)
    square, linear, constant = b * b - bb, a * b - ab, a * a - aa
    root = math.sqrt(max(0.0, linear * linear - square * constant))
    return (linear - root) / square, (linear + root) / square


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


def _weighted(pairs: Sequence[Point], weights: Sequence[float]) -> FittedLine | None:
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
    return FittedLine(start, slope, squares, (1 / total + mean * mean / spread, -mean / spread, 1 / spread))
