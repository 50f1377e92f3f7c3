"""A race as lines of plain text: its lanes, who won, and why. Pure: facts in, lines out."""

from __future__ import annotations

from cudadoctor.report.race.lanes import (
    data_line,
    epoch_line,
    format_clock_fine,
    lane_line,
    network_line,
    pretraining_line,
    race_lines,
    race_result_lines,
    race_sentence,
    seconds_per_epoch,
)
from cudadoctor.report.race.why import explanation_lines, verdict

__all__ = [
    "data_line",
    "epoch_line",
    "explanation_lines",
    "format_clock_fine",
    "lane_line",
    "network_line",
    "pretraining_line",
    "race_lines",
    "race_result_lines",
    "race_sentence",
    "seconds_per_epoch",
    "verdict",
]
