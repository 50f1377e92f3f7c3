"""Copy time over size as t = t0 + n / B: overhead, bandwidth and half-bandwidth size of a curve, with intervals.

Least squares on relative errors (`attribution.lines`), since a copy of 1 GiB takes a million times as long as one of
4 B and both are measured to the same few percent. One point that another program disturbed is left out.

The 95 % intervals of t0 and 1/B are Student's, with the scatter of the points about the line; that of B is the
inverse of the latter; and that of their ratio, the half-bandwidth size t0 B, is Fieller's, which is exact where the
delta method is an approximation. They hold for independent relative errors that are about normal. A curve that has
another shape widens them, and `worst_relative_error` tells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from cudadoctor.attribution.lines import (
    LEAST_SIZES,
    fit_without_outlier,
    ratio_interval,
    student_quantile,
    through_origin,
)
from cudadoctor.facts.bandwidth import CurvePoint, Fit

_COVERAGE = 0.95


def fit_curve(points: Sequence[CurvePoint]) -> Fit | None:
    """Fit a curve of median copy times.

    Returns:
        None with fewer than four different sizes, and where the slope cannot be told from zero: copies that take as
        long at all sizes say nothing of the bandwidth.
    """
    pairs = [(float(point.size_bytes), point.seconds) for point in points if _usable(point)]
    if len({size for size, _ in pairs}) < LEAST_SIZES:
        return None
    line, used = fit_without_outlier(pairs)
    if line is None:
        return None
    freedom = len(used) - 2
    aa, ab, bb = line.covariance(freedom)
    quantile = student_quantile(freedom, _COVERAGE)
    off_a, off_b = quantile * math.sqrt(aa), quantile * math.sqrt(bb)
    if line.b - off_b <= 0:
        return None
    half = ratio_interval(line.a, line.b, (aa, ab, bb), quantile)
    best = line if line.a >= 0 else through_origin(used)
    return Fit(
        overhead_s=best.a,
        overhead_interval_s=(max(0.0, line.a - off_a), max(0.0, line.a + off_a)),
        gb_per_s=1e-9 / best.b,
        gb_per_s_interval=(1e-9 / (line.b + off_b), 1e-9 / (line.b - off_b)),
        half_bytes=best.a / best.b,
        half_bytes_interval=(max(0.0, half[0]), max(0.0, half[1])),
        worst_relative_error=max(abs(seconds / best.at(size) - 1) for size, seconds in pairs),
    )


def _usable(point: CurvePoint) -> bool:
    return point.size_bytes > 0 and 0 < point.seconds < math.inf
