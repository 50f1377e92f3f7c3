"""Curves: one or more series over a common axis, with intervals and lines of reference."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cudadoctor.report.html.charts.axis import drawable
from cudadoctor.report.html.charts.frame import (
    STYLES,
    WIDTH,
    Plot,
    Reference,
    Scale,
    draw_axes,
    draw_legend,
    draw_marker,
    draw_reference,
    legend_height,
)
from cudadoctor.report.html.charts.svg import CHARACTER, Drawing, Svg, path_of

_HEIGHT = 210.0
_MOST_MARKERS = 40


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One curve: points (x, y) in the order of x; a y that is not known is None, and the line is broken there.

    `intervals` are (low, high) of each point's y, or empty. `model` is what a fit says, drawn thin and without markers.
    """

    name: str
    points: tuple[tuple[float, float | None], ...]
    intervals: tuple[tuple[float, float] | None, ...] = ()
    model: tuple[tuple[float, float], ...] = ()


def curve(
    title: str,
    series: Sequence[Series],
    x: Scale,
    y: Scale,
    *,
    levels: Sequence[Reference] = (),
    thresholds: Sequence[Reference] = (),
) -> Svg | None:
    """Draw curves; None if no point has a place on the axes.

    Args:
        title: What the drawing is called by those who do not see it.
        series: Each with its own colour, shape and dashes.
        x: The horizontal axis.
        y: The vertical one.
        levels: Horizontal lines of reference, by their y.
        thresholds: Upright ones, by their x.
    """
    drawn = [(each, _kept(each, x, y)) for each in series]
    drawn = [(each, points) for each, points in drawn if any(points)]
    flat = [point for _, runs in drawn for run in runs for point in run]
    across = x.axis(point[0] for point in flat)
    spread = [bound for each, _ in drawn for pair in each.intervals if pair for bound in pair]
    upward = y.axis([*(point[1] for point in flat), *spread, *(level.value for level in levels)])
    if not flat or across is None or upward is None:
        return None
    top = legend_height(len(drawn)) + 26
    widest = max(len(y.at_tick(tick)) for tick in upward.ticks)
    left = max(34.0, widest * CHARACTER + 12)
    plot = Plot(left=left, top=top, right=WIDTH - 14, bottom=top + _HEIGHT, x=across, y=upward)
    drawing = Drawing(WIDTH, plot.bottom + 40, title, _told(title, drawn, x, y))
    draw_legend(drawing, [each.name for each, _ in drawn])
    draw_axes(drawing, plot, x, y)
    for level in levels:
        draw_reference(drawing, plot, level, upright=False)
    for threshold in thresholds:
        draw_reference(drawing, plot, threshold, upright=True)
    for style, (each, runs) in enumerate(drawn):
        _draw(drawing, plot, each, runs, style, x, y)
    return drawing.finished()


_Points = list[tuple[float, float]]


def _kept(series: Series, x: Scale, y: Scale) -> list[_Points]:
    """Return the points that can be drawn, in runs that no unknown value breaks."""
    runs: list[_Points] = [[]]
    for across, upward in series.points:
        if upward is not None and drawable(across, log=x.log) and drawable(upward, log=y.log):
            runs[-1].append((across, upward))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _draw(drawing: Drawing, plot: Plot, series: Series, runs: list[_Points], style: int, x: Scale, y: Scale) -> None:
    colour = f"s{style % STYLES}"
    model = [point for point in series.model if drawable(point[0], log=x.log) and drawable(point[1], log=y.log)]
    if len(model) > 1:
        drawing.add(
            "path", d=path_of([(plot.across(a), plot.up(b)) for a, b in model]), kind=f"model {colour} d{style % 3}"
        )
    for (across, _), interval in zip(series.points, series.intervals, strict=False):
        if interval and drawable(across, log=x.log) and all(drawable(bound, log=y.log) for bound in interval):
            place = plot.across(across)
            drawing.line(place, plot.up(interval[0]), place, plot.up(interval[1]), f"interval {colour}")
    for run in runs:
        if len(run) > 1 and not model:
            path = path_of([(plot.across(a), plot.up(b)) for a, b in run])
            drawing.add("path", d=path, kind=f"line {colour} d{style % 3}")
    points = [point for run in runs for point in run]
    if len(points) <= _MOST_MARKERS:
        for across, upward in points:
            told = f"{series.name}: {y.show(upward)} at {x.show(across)}"
            draw_marker(drawing, plot.across(across), plot.up(upward), style, told)


def _told(title: str, drawn: Sequence[tuple[Series, list[_Points]]], x: Scale, y: Scale) -> str:
    """Say in words what is drawn: each series from its first to its last point, with its extremes."""
    parts = [f"{title}. {y.label} over {x.label}."]
    for series, runs in drawn:
        points = [point for run in runs for point in run]
        (begin, first), (end, last) = points[0], points[-1]
        heights = [point[1] for point in points]
        text = f"{series.name}: {y.show(first)} at {x.show(begin)}"
        if len(points) > 1:
            text += f", {y.show(last)} at {x.show(end)}; between {y.show(min(heights))} and {y.show(max(heights))}"
        parts.append(f"{text}.")
    return " ".join(parts)
