"""Stacked bars: parts that sum to a whole, the same parts in each bar."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cudadoctor.report.html.charts.axis import Axis, drawable
from cudadoctor.report.html.charts.frame import (
    STYLES,
    WIDTH,
    Plot,
    Scale,
    draw_bottom_axis,
    draw_legend,
    legend_height,
)
from cudadoctor.report.html.charts.svg import CHARACTER, Drawing, Svg, fitted

_ROW, _BAR = 44.0, 20.0


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """One bar: its parts as (name, value) from the left. A part of the same name has the same colour in every bar."""

    label: str
    parts: tuple[tuple[str, float], ...]

    @property
    def total(self) -> float:
        """The sum of the parts that can be drawn."""
        return sum(value for _, value in self.parts if drawable(value) and value > 0)


def stacked_bar(title: str, stacks: Sequence[Stack], scale: Scale) -> Svg | None:
    """Draw bars whose parts sum to the whole; None if there is nothing to draw.

    A negative part cannot be stacked and is left out: give it a bar of its own elsewhere.

    Args:
        title: What the drawing is called by those who do not see it.
        stacks: From the top down.
        scale: The axis below; linear, since lengths are to be added.

    Raises:
        ValueError: The scale is logarithmic.
    """
    if scale.log:
        raise ValueError("the parts of a stacked bar cannot be added on a log axis")
    kept = [stack for stack in stacks if drawable(stack.total) and stack.total > 0]
    axis = scale.axis(stack.total for stack in kept)
    if not kept or axis is None:
        return None
    names = list(dict.fromkeys(name for stack in kept for name, value in stack.parts if drawable(value) and value > 0))
    top = legend_height(len(names))
    bottom = top + _ROW * len(kept) + 4
    plot = Plot(left=2, top=top, right=WIDTH - 14, bottom=bottom, x=axis, y=Axis(low=0, high=1, ticks=()))
    drawing = Drawing(WIDTH, bottom + 40, title, _told(title, kept, scale))
    draw_legend(drawing, names, blocks=True)
    draw_bottom_axis(drawing, plot, scale)
    for place, stack in enumerate(kept):
        _draw(drawing, plot, stack, names, top + place * _ROW, scale)
    return drawing.finished()


def _draw(drawing: Drawing, plot: Plot, stack: Stack, names: list[str], top: float, scale: Scale) -> None:
    figure = scale.show(stack.total)
    room = WIDTH - 22 - (len(figure) + 2) * CHARACTER
    drawing.add("text", fitted(stack.label, room), x=plot.left + 3, y=top + 14, kind="label halo")
    drawing.add("text", figure, x=plot.right - 3, y=top + 14, kind="figure end halo")
    before = 0.0
    for name, value in stack.parts:
        if not drawable(value) or value <= 0:
            continue
        style = names.index(name)
        start, end = plot.across(before), plot.across(before + value)
        told = f"{name}: {scale.show(value)}, {100 * value / stack.total:.0f} %"
        kind = f"area part s{style % STYLES}"
        drawing.add("rect", x=start, y=top + 19, width=max(0.5, end - start), height=_BAR, kind=kind, told=told)
        share = f"{100 * value / stack.total:.0f} %"
        if end - start > len(share) * CHARACTER + 6:
            drawing.add("text", share, x=(start + end) / 2, y=top + 33, kind="inside middle")
        before += value


def _told(title: str, stacks: Sequence[Stack], scale: Scale) -> str:
    parts = [f"{title}, in {scale.label}."]
    for stack in stacks:
        told = "; ".join(f"{name} {scale.show(value)}" for name, value in stack.parts)
        parts.append(f"{stack.label}: {scale.show(stack.total)} in all, of which {told}.")
    return " ".join(parts)
