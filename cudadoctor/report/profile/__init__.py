"""A profiled program as a sentence and as lines of plain text. Pure: facts in, words out."""

from __future__ import annotations

from cudadoctor.report.profile.sentence import profile_sentence
from cudadoctor.report.profile.whole import profile_lines

__all__ = ["profile_lines", "profile_sentence"]
