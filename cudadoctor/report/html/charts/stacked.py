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
    """One bar: its parts as (name, value) from the left. A part of the same name has the same colour in every bar.

    `whole` is what was measured, where that is known apart from the parts; shares are of it.
    """

    label: str
    parts: tuple[tuple[str, float], ...]
    whole: float | None = None

    @property
    def total(self) -> float:
        """The sum of the parts that can be drawn."""
        return sum(value for _, value in self.parts if drawable(value) and value > 0)

    @property
    def figure(self) -> float:
        """The figure beside the bar."""
        return self.whole if self.whole is not None and drawable(self.whole) and self.whole > 0 else self.total


def stacked_bar(title: str, stacks: Sequence[Stack], scale: Scale, *, rest: str = "") -> Svg | None:
    """Draw bars whose parts sum to the whole; None if there is nothing to draw.

    A negative part cannot be stacked and is left out: say so beside the drawing.

    Args:
        title: What the drawing is called by those who do not see it.
        stacks: From the top down.
        scale: The axis below; linear, since lengths are to be added.
        rest: The name of the part that is left over, drawn in grey.

    Raises:
        ValueError: The scale is logarithmic.
    """
    if scale.log:
        raise ValueError("the parts of a stacked bar cannot be added on a log axis")
    kept = [stack for stack in stacks if drawable(stack.total) and stack.total > 0]
    axis = scale.axis(stack.total for stack in kept)
    if not kept or axis is None:
        return None
    seen = {name for stack in kept for name, value in stack.parts if drawable(value) and value > 0}
    names = [name for name in dict.fromkeys(name for stack in kept for name, _ in stack.parts) if name in seen]
    top = legend_height(len(names))
    bottom = top + _ROW * len(kept) + 4
    plot = Plot(left=2, top=top, right=WIDTH - 14, bottom=bottom, x=axis, y=Axis(low=0, high=1, ticks=()))
    drawing = Drawing(WIDTH, bottom + 40, title, _told(title, kept, scale))
    styles = {name: STYLES - 1 if name == rest else place % (STYLES - 1) for place, name in enumerate(names)}
    draw_legend(drawing, names, blocks=True, styles=list(styles.values()))
    draw_bottom_axis(drawing, plot, scale)
    for place, stack in enumerate(kept):
        _draw(drawing, plot, stack, styles, top + place * _ROW, scale)
    return drawing.finished()


def _draw(drawing: Drawing, plot: Plot, stack: Stack, styles: dict[str, int], top: float, scale: Scale) -> None:
    figure = scale.show(stack.figure)
    room = WIDTH - 22 - (len(figure) + 2) * CHARACTER
    drawing.add("text", fitted(stack.label, room), x=plot.left + 3, y=top + 14, kind="label halo")
    drawing.add("text", figure, x=plot.right - 3, y=top + 14, kind="figure end halo")
    before = 0.0
    for name, value in stack.parts:
        if not drawable(value) or value <= 0:
            continue
        start, end = plot.across(before), plot.across(before + value)
        share = f"{100 * value / stack.figure:.0f} %"
        told = f"{name}: {scale.show(value)}, {share}"
        kind = f"area part s{styles[name]}"
        drawing.add("rect", x=start, y=top + 19, width=max(0.5, end - start), height=_BAR, kind=kind, told=told)
        if end - start > len(share) * CHARACTER + 6:
            drawing.add("text", share, x=(start + end) / 2, y=top + 33, kind="inside middle")
        before += value


def _told(title: str, stacks: Sequence[Stack], scale: Scale) -> str:
    parts = [f"{title}, in {scale.label}."]
    for stack in stacks:
        told = "; ".join(f"{name} {scale.show(value)}" for name, value in stack.parts)
        parts.append(f"{stack.label}: {scale.show(stack.figure)} in all, of which {told}.")
    return " ".join(parts)
