"""Horizontal bars, each with its interval, on a linear or a log axis."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cudadoctor.report.html.charts.axis import Axis, drawable
from cudadoctor.report.html.charts.frame import (
    STYLES,
    WIDTH,
    Plot,
    Reference,
    Scale,
    draw_bottom_axis,
    draw_reference,
)
from cudadoctor.report.html.charts.svg import CHARACTER, Drawing, Svg, fitted

_ROW, _BAR = 34.0, 12.0


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One bar. `interval` is (low, high), or None where there is none; `style` chooses its colour."""

    label: str
    value: float
    interval: tuple[float, float] | None = None
    style: int = 0


def bars_with_intervals(
    title: str, bars: Sequence[Bar], scale: Scale, *, references: Sequence[Reference] = ()
) -> Svg | None:
    """Draw a bar for each value, its name and figure above it; None if no value has a place on the axis.

    On a log axis the beginning of a bar means nothing, so there only its end is marked strongly.

    Args:
        title: What the drawing is called by those who do not see it.
        bars: From the top down.
        scale: The axis below.
        references: Upright lines, such as what a link can carry.
    """
    kept = [bar for bar in bars if drawable(bar.value, log=scale.log)]
    bounds = [bound for bar in kept for bound in bar.interval or () if drawable(bound, log=scale.log)]
    axis = scale.axis([*(bar.value for bar in kept), *bounds, *(each.value for each in references)])
    if not kept or axis is None:
        return None
    top = 18.0 if references else 4.0
    bottom = top + _ROW * len(kept) + 4
    flat = Axis(low=0, high=1, ticks=())
    plot = Plot(left=2, top=top, right=WIDTH - 14, bottom=bottom, x=axis, y=flat)
    drawing = Drawing(WIDTH, bottom + 40, title, _told(title, kept, scale))
    draw_bottom_axis(drawing, plot, scale)
    for reference in references:
        draw_reference(drawing, msgspec.structs.replace(plot, top=2), reference, upright=True)
    for place, bar in enumerate(kept):
        _draw(drawing, plot, bar, top + place * _ROW, scale)
    return drawing.finished()


def _draw(drawing: Drawing, plot: Plot, bar: Bar, top: float, scale: Scale) -> None:
    colour, figure = f"s{bar.style % STYLES}", scale.show(bar.value)
    room = WIDTH - 22 - (len(figure) + 2) * CHARACTER
    drawing.add("text", fitted(bar.label, room), x=plot.left + 3, y=top + 14, kind="label halo")
    drawing.add("text", figure, x=plot.right - 3, y=top + 14, kind="figure end halo")
    upper, middle = top + 19, top + 19 + _BAR / 2
    end = plot.across(bar.value)
    start = plot.across(0) if not scale.log else plot.left
    kind = f"area {colour}" + (" faint" if scale.log else "")
    left, wide = min(start, end), max(1.0, abs(end - start))
    drawing.add("rect", x=left, y=upper, width=wide, height=_BAR, kind=kind, told=f"{bar.label}: {figure}")
    if scale.log:
        drawing.add("rect", x=end - 1.5, y=upper, width=3, height=_BAR, kind=f"area {colour}")
    if bar.interval is not None and all(drawable(bound, log=scale.log) for bound in bar.interval):
        low, high = (plot.across(bound) for bound in bar.interval)
        drawing.line(low, middle, high, middle, "whisker")
        for bound in (low, high):
            drawing.line(bound, middle - 4, bound, middle + 4, "whisker")


def _told(title: str, bars: Sequence[Bar], scale: Scale) -> str:
    parts = [f"{title}, in {scale.label}."]
    for bar in bars:
        text = f"{bar.label}: {scale.show(bar.value)}"
        if bar.interval is not None:
            text += f" ({scale.show(bar.interval[0])} to {scale.show(bar.interval[1])})"
        parts.append(f"{text}.")
    return " ".join(parts)
