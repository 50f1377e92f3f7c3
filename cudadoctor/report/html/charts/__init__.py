"""Charts as SVG, made here: curves, bars with intervals, stacked bars. Numbers in, one `<svg>` element out."""

from cudadoctor.report.html.charts.bars import Bar, bars_with_intervals
from cudadoctor.report.html.charts.curve import Series, curve
from cudadoctor.report.html.charts.frame import Reference, Scale
from cudadoctor.report.html.charts.stacked import Stack, stacked_bar
from cudadoctor.report.html.charts.svg import Svg

__all__ = ["Bar", "Reference", "Scale", "Series", "Stack", "Svg", "bars_with_intervals", "curve", "stacked_bar"]
