"""What charts share: the sheet they are drawn on, axes with grid and ticks, legends, lines of reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from cudadoctor.report.html.charts.axis import Axis, linear_axis, log_axis
from cudadoctor.report.html.charts.svg import CHARACTER, Drawing, fitted

WIDTH = 420.0
"""Units. A telephone shows them at a little less than a pixel each, so 12 units of height can be read everywhere."""

MARKERS = ("circle", "square", "triangle", "diamond")
STYLES = 8
"""Colours there are: classes `s0` to `s7`. Shape and dashes tell series apart where colours do not."""

_ROW = 18.0


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """What an axis measures and how its figures are written.

    `base` is that of a log axis: 2 for sizes. `holds` are values that the axis must hold besides the data. `tick`
    writes the figures at the ticks, where they are not to be written as the data are. `from_zero`, `tight` and `whole`
    are those of a linear axis.
    """

    label: str
    show: Callable[[float], str]
    log: bool = False
    base: int = 10
    from_zero: bool = True
    tight: bool = False
    whole: bool = False
    holds: tuple[float, ...] = ()
    tick: Callable[[float], str] | None = None

    def at_tick(self, value: float) -> str:
        """Return the figure at a tick."""
        return (self.tick or self.show)(value)

    def axis(self, values: Iterable[float], at_most: int = 6) -> Axis | None:
        """Return the axis for these values, None if none can be drawn."""
        held = [*values, *self.holds]
        if self.log:
            return log_axis(held, base=self.base, at_most=at_most)
        return linear_axis(held, from_zero=self.from_zero, tight=self.tight, whole=self.whole, at_most=at_most)


class Reference(msgspec.Struct, frozen=True):
    """A line of reference: what a link can carry, where two lanes break even."""

    value: float
    label: str


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """The rectangle in which data are drawn, and its two axes."""

    left: float
    top: float
    right: float
    bottom: float
    x: Axis
    y: Axis

    def across(self, value: float) -> float:
        """Return the horizontal place of a value."""
        return self.left + self.x.place(value) * (self.right - self.left)

    def up(self, value: float) -> float:
        """Return the vertical place of a value."""
        return self.bottom - self.y.place(value) * (self.bottom - self.top)


def legend_height(count: int) -> float:
    """Return the room that a legend takes."""
    return count * _ROW + (6 if count else 0)


def draw_legend(
    drawing: Drawing, names: Sequence[str], *, blocks: bool = False, styles: Sequence[int] | None = None
) -> None:
    """Name the series, one a row, each beside its line and marker, or its block of colour."""
    for place, name in enumerate(names):
        style = place if styles is None else styles[place]
        middle = place * _ROW + 10
        if blocks:
            drawing.add("rect", x=4, y=middle - 6, width=12, height=12, kind=f"area s{style % STYLES}")
        else:
            drawing.line(2, middle, 26, middle, f"line s{style % STYLES} d{style % 3}")
            draw_marker(drawing, 14, middle, style)
        drawing.add("text", fitted(name, WIDTH - 40), x=24 if blocks else 34, y=middle + 4, kind="label")


def draw_marker(drawing: Drawing, x: float, y: float, style: int, told: str = "") -> None:
    """Mark a point, with the shape of its series."""
    kind = f"point s{style % STYLES}"
    shape = MARKERS[style % len(MARKERS)]
    if shape == "circle":
        drawing.add("circle", cx=x, cy=y, r=3.2, kind=kind, told=told)
    elif shape == "square":
        drawing.add("rect", x=x - 2.9, y=y - 2.9, width=5.8, height=5.8, kind=kind, told=told)
    elif shape == "triangle":
        drawing.add("path", d=f"M{x:.2f} {y - 3.8:.2f}l3.6 6.6h-7.2z", kind=kind, told=told)
    else:
        drawing.add("path", d=f"M{x:.2f} {y - 4:.2f}l4 4l-4 4l-4 -4z", kind=kind, told=told)


def draw_axes(drawing: Drawing, plot: Plot, x: Scale, y: Scale) -> None:
    """Draw grid, ticks, figures and the names of both axes."""
    for tick in plot.y.ticks:
        height = plot.up(tick)
        drawing.line(plot.left, height, plot.right, height, "grid")
        drawing.add("text", y.at_tick(tick), x=plot.left - 6, y=height + 4, kind="tick end")
    drawing.add("text", y.label, x=2, y=plot.top - 10, kind="label")
    draw_bottom_axis(drawing, plot, x)


def draw_bottom_axis(drawing: Drawing, plot: Plot, x: Scale) -> None:
    """Draw the lower axis alone, its ticks and its name; of figures that would touch, every second is left out."""
    labels = [x.at_tick(tick) for tick in plot.x.ticks]
    apart = (plot.right - plot.left) / max(1, len(labels) - 1)
    step = 2 if max(map(len, labels), default=0) * CHARACTER + 8 > apart else 1
    for place, (tick, label) in enumerate(zip(plot.x.ticks, labels, strict=True)):
        across = plot.across(tick)
        drawing.line(across, plot.top, across, plot.bottom, "grid")
        if place % step == 0:
            wide = len(label) * CHARACTER / 2
            inside = min(max(across, wide), WIDTH - wide)
            drawing.add("text", label, x=inside, y=plot.bottom + 16, kind="tick middle")
    drawing.line(plot.left, plot.bottom, plot.right, plot.bottom, "axis")
    drawing.add("text", x.label, x=plot.right, y=plot.bottom + 33, kind="label end")


def draw_reference(drawing: Drawing, plot: Plot, reference: Reference, *, upright: bool) -> None:
    """Draw a line of reference with its name beside it, where the axis holds it."""
    axis = plot.x if upright else plot.y
    if not axis.low <= reference.value <= axis.high:
        return
    if upright:
        across = plot.across(reference.value)
        drawing.line(across, plot.top, across, plot.bottom, "reference")
        late = axis.place(reference.value) > 0.5
        kind = "label halo end" if late else "label halo"
        drawing.add("text", reference.label, x=across + (-5 if late else 5), y=plot.top + 11, kind=kind)
    else:
        height = plot.up(reference.value)
        drawing.line(plot.left, height, plot.right, height, "reference")
        below = height + 13 if height - plot.top < 14 else height - 5
        drawing.add("text", reference.label, x=plot.right - 3, y=below, kind="label halo end")
