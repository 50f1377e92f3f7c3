"""Charts as SVG, made here: curves, bars with intervals, stacked bars, lanes over time. Numbers in, one `<svg>` out."""

from cudadoctor.report.html.charts.bars import Bar, bars_with_intervals
from cudadoctor.report.html.charts.curve import Series, curve
from cudadoctor.report.html.charts.frame import Reference, Scale
from cudadoctor.report.html.charts.lanes import Paint, Stretch, Track, lanes
from cudadoctor.report.html.charts.stacked import Stack, stacked_bar
from cudadoctor.report.html.charts.svg import Svg

__all__ = [
    "Bar", "Paint", "Reference", "Scale", "Series", "Stack", "Stretch", "Svg", "Track", "bars_with_intervals", "curve",
    "lanes", "stacked_bar",
]  # fmt: skip
