"""Lanes over time: spans on each, or the shares that several things have of each bucket."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cudadoctor.report.html.charts.axis import Axis, drawable
from cudadoctor.report.html.charts.frame import STYLES, WIDTH, Plot, Scale, draw_bottom_axis
from cudadoctor.report.html.charts.svg import CHARACTER, Drawing, Svg, fitted

_LABEL, _SPAN, _SHARES, _GAP = 17.0, 16.0, 34.0, 7.0
_ROW = 18.0
_LEAST_WIDTH = 0.6
_SEEN = 0.002
"""A share from here on is drawn high enough to be seen."""


class Paint(msgspec.Struct, frozen=True):
    """What a kind of thing is called and looks like; `faint` tells two of one colour apart."""

    name: str
    style: int
    faint: bool = False

    @property
    def kind(self) -> str:
        """The classes of its area."""
        return f"area s{self.style % STYLES}{' faint' if self.faint else ''}"


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A span of a lane. `filled` is which part of it is taken, drawn as its height; `told` is what a pointer shows."""

    start: float
    end: float
    paint: Paint
    told: str = ""
    filled: float = 1.0


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """One lane: spans, or shares of equal buckets from the axis' beginning, stacked in this order."""

    label: str
    stretches: tuple[Stretch, ...] = ()
    shares: tuple[tuple[Paint, tuple[float, ...]], ...] = ()
    bucket: float = 0.0


def lanes(title: str, tracks: Sequence[Track], length: float, scale: Scale, description: str) -> Svg | None:
    """Draw lanes from the top down over a common axis from 0 to `length`; None if there is nothing to draw.

    Args:
        title: What the drawing is called by those who do not see it.
        tracks: The lanes.
        length: Where the axis ends.
        scale: The axis below; linear.
        description: What the drawing shows, in words.
    """
    kept = [track for track in tracks if track.stretches or track.shares]
    if not kept or not drawable(length) or length <= 0:
        return None
    axis = scale.axis((0.0, length))
    if axis is None:
        return None
    axis = Axis(low=0.0, high=length, ticks=tuple(tick for tick in axis.ticks if 0 <= tick <= length))
    paints = _paints(kept)
    top = _legend_rows(paints) * _ROW + 6
    height = sum(_LABEL + _height(track) + _GAP for track in kept)
    plot = Plot(left=2, top=top, right=WIDTH - 8, bottom=top + height, x=axis, y=Axis(low=0, high=1, ticks=()))
    drawing = Drawing(WIDTH, top + height + 40, title, f"{title}. {description}")
    _draw_legend(drawing, paints)
    draw_bottom_axis(drawing, plot, scale)
    at = top
    for track in kept:
        drawing.add("text", fitted(track.label, WIDTH - 20), x=plot.left + 1, y=at + 13, kind="label halo")
        at += _LABEL
        _draw_shares(drawing, plot, track, at) if track.shares else _draw_stretches(drawing, plot, track, at)
        drawing.line(plot.left, at + _height(track), plot.right, at + _height(track), "grid")
        at += _height(track) + _GAP
    return drawing.finished()


def _height(track: Track) -> float:
    return _SHARES if track.shares else _SPAN


def _paints(tracks: Sequence[Track]) -> list[Paint]:
    found: dict[Paint, None] = {}
    for track in tracks:
        found |= dict.fromkeys(stretch.paint for stretch in track.stretches)
        found |= dict.fromkeys(paint for paint, shares in track.shares if any(shares))
    return sorted(found, key=lambda paint: (paint.style, paint.faint, paint.name))


def _places(paints: Sequence[Paint]) -> list[tuple[float, int]]:
    """Return where each entry of the legend stands: several a row."""
    places = []
    across, row = 0.0, 0
    for paint in paints:
        wide = 18 + len(paint.name) * CHARACTER + 10
        if across and across + wide > WIDTH:
            across, row = 0.0, row + 1
        places.append((across, row))
        across += wide
    return places


def _legend_rows(paints: Sequence[Paint]) -> int:
    return max((row + 1 for _, row in _places(paints)), default=0)


def _draw_legend(drawing: Drawing, paints: Sequence[Paint]) -> None:
    for paint, (across, row) in zip(paints, _places(paints), strict=True):
        drawing.add("rect", x=across + 2, y=row * _ROW + 4, width=12, height=12, kind=paint.kind)
        drawing.add("text", fitted(paint.name, WIDTH - 40), x=across + 19, y=row * _ROW + 14, kind="label")


def _draw_stretches(drawing: Drawing, plot: Plot, track: Track, top: float) -> None:
    for stretch in track.stretches:
        if not drawable(stretch.start) or not drawable(stretch.end):
            continue
        left, right = plot.across(stretch.start), plot.across(stretch.end)
        high = max(2.0, _SPAN * min(1.0, max(0.0, stretch.filled)))
        drawing.add(
            "rect",
            x=left,
            y=top + _SPAN - high,
            width=max(_LEAST_WIDTH, right - left),
            height=high,
            kind=stretch.paint.kind,
            told=stretch.told,
        )


def _draw_shares(drawing: Drawing, plot: Plot, track: Track, top: float) -> None:
    """Draw one path a paint, so that hundreds of buckets stay small."""
    count = max(len(shares) for _, shares in track.shares)
    reached = [0.0] * count
    for paint, shares in track.shares:
        pieces = []
        for place, share in enumerate(shares):
            if not drawable(share) or share <= 0:
                continue
            low, high = reached[place], min(1.0, reached[place] + share)
            reached[place] = high
            left, right = plot.across(place * track.bucket), plot.across((place + 1) * track.bucket)
            tall = (high - low) * _SHARES
            if low == 0 and share >= _SEEN:
                tall = max(1.0, tall)
            if tall >= 0.05:
                y = top + _SHARES * (1 - low) - tall
                pieces.append(f"M{left:.2f} {y:.2f}h{right - left:.2f}v{tall:.2f}h{left - right:.2f}z")
        if pieces:
            drawing.add("path", d="".join(pieces), kind=paint.kind, told=paint.name)
