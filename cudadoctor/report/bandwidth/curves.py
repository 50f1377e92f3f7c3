"""Curves over the size of a copy as a chart of text, and what the fit t0 + n / B says of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cudadoctor.facts.bandwidth import CurvePoint, Fit, SizeCurve
from cudadoctor.report.bandwidth.names import duration, kind, wrapped
from cudadoctor.units import format_size

_MOST_ROWS = 15
_SIZE, _TIME, _RATE, _GAP, _WIDEST_BAR = 8, 10, 9, 2, 40
# The minibatch of the reference network, 64 digits of 784 float32, is 200.7 kB.
_EXAMPLE_BYTES, _EXAMPLE = 200e3, "200 kB"
_ROUGH = 0.25


def curve_lines(curves: Sequence[SizeCurve], width: int) -> list[str]:
    """Return charts, two kinds of copy side by side, each with what its fit says."""
    curves = [curve for curve in curves if curve.points]
    lines: list[str] = []
    for start in range(0, len(curves), 2):
        pair = curves[start : start + 2]
        lines += ["ONE COPY OF EACH SIZE" if start == 0 else "", *_chart(pair, width)]
        for curve in pair:
            lines += wrapped(fit_sentences(curve), width)
    return lines


def _chart(curves: Sequence[SizeCurve], width: int) -> list[str]:
    bar = min(_WIDEST_BAR, (width - _SIZE) // len(curves) - _TIME - _RATE - 2 * _GAP)
    column = _TIME + _RATE + _GAP + bar
    points = [{point.size_bytes: point for point in curve.points} for curve in curves]
    most = max(_gb_per_s(point) for found in points for point in found.values())
    sizes = sorted({size for found in points for size in found})
    step = max(1, -(-(len(sizes) - 1) // (_MOST_ROWS - 1)))
    rows = [*sizes[:-1:step], sizes[-1]]
    gap = " " * _GAP
    heads = [f"{'time':>{_TIME}}{'GB/s':>{_RATE}}" for _ in curves]
    lines = [
        (" " * _SIZE + gap.join(f"{'   ' + kind(curve.key):{column}}" for curve in curves)).rstrip(),
        (f"{'size':>{_SIZE}}" + gap.join(f"{head:{column}}" for head in heads)).rstrip(),
    ]
    for size in rows:
        cells = [_cell(found.get(size), most, bar) for found in points]
        lines.append((f"{format_size(size):>{_SIZE}}" + gap.join(f"{cell:{column}}" for cell in cells)).rstrip())
    if step > 1:
        lines.append(f"{len(rows)} of {len(sizes)} sizes are shown; JSON holds all.")
    return lines


def _cell(point: CurvePoint | None, most: float, bar: int) -> str:
    if point is None:
        return f"{'-':>{_TIME}}"
    rate = _gb_per_s(point)
    marks = "#" * round(bar * rate / most) if 0 < rate <= most < math.inf else ""
    written = "< 0.01" if rate < 0.01 else f"{rate:.2f}"
    return f"{duration(point.seconds):>{_TIME}}{written:>{_RATE}}{' ' * _GAP}{marks}"


def _gb_per_s(point: CurvePoint) -> float:
    return point.size_bytes / point.seconds / 1e9 if point.seconds > 0 else 0.0


def fit_sentences(curve: SizeCurve) -> str:
    """Return what the fit says: first for one copy, then its three figures with their intervals."""
    fit, name = curve.fit, kind(curve.key)
    if fit is None:
        return f"{name}: no fit could be made, so the overhead of a copy is not known."
    parts = [f"{name}:"]
    smallest, largest = curve.points[0].size_bytes, max(point.size_bytes for point in curve.points)
    if fit.overhead_s > 0 and fit.gb_per_s > 0 and smallest <= _EXAMPLE_BYTES <= largest:
        total = fit.overhead_s + _EXAMPLE_BYTES / (fit.gb_per_s * 1e9)
        parts.append(
            f"a copy of {_EXAMPLE} costs {duration(total)}, of which {duration(fit.overhead_s)} is "
            "overhead, the same at every size."
        )
    return " ".join([*parts, *_figures(fit)])


def _figures(fit: Fit) -> list[str]:
    low, high = fit.overhead_interval_s
    slow, fast = fit.gb_per_s_interval
    few, many = (_size(size) for size in fit.half_bytes_interval)
    parts = [
        f"Fitted time t0 + n/B: t0 = {duration(fit.overhead_s)} ({duration(low)} to {duration(high)}), "
        f"B = {fit.gb_per_s:.2f} GB/s ({slow:.2f} to {fast:.2f}); half of B is reached at "
        f"{_size(fit.half_bytes)} ({few} to {many})."
    ]
    if fit.worst_relative_error > _ROUGH:
        parts.append(f"The fit is rough: one point is {100 * fit.worst_relative_error:.0f} % off.")
    return parts


def _size(size: float) -> str:
    """Return a size; that of a fit to few points may have no bound."""
    return format_size(max(0, round(size))) if math.isfinite(size) else "unknown"
