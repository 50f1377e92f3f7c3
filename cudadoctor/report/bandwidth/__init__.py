"""A bandwidth measurement as lines of plain text: one file for each part. Pure: facts in, lines out."""

from cudadoctor.report.bandwidth.answer import bandwidth_sentence
from cudadoctor.report.bandwidth.comparison import compare, comparison_lines, comparison_sentence
from cudadoctor.report.bandwidth.progress import Progress
from cudadoctor.report.bandwidth.whole import bandwidth_lines

__all__ = [
    "Progress",
    "bandwidth_lines",
    "bandwidth_sentence",
    "compare",
    "comparison_lines",
    "comparison_sentence",
]
