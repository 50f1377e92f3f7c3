"""A fleet in words: one sentence, a table of nodes, worst first, what they share, and what was left out."""

from cudadoctor.report.fleet.lines import fleet_lines
from cudadoctor.report.fleet.words import fleet_sentence

__all__ = ["fleet_lines", "fleet_sentence"]
