"""A pasted text made fit for searching: one form for what terminals, loggers and editors add to the same message."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterator
from functools import cached_property

MAX_CHARACTERS = 8_000_000
_LONGEST_LINE = 1000

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]{0,40}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,400}(?:\x07|\x1b\\)|[@-Z\\-_])")
_SPACES = re.compile(r"[ \t\u00a0]+")
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\x00": " "})


class Pasted:
    """The lines of a text, without colours and runs of blanks, and one lower-case string to search in.

    A line that a terminal wrapped is still found: in `flat` every line end is a blank. Offsets into `flat` lead back
    to lines, and `numbers` tells for each the number of its line in the text as it was given: very long ones are cut.
    """

    def __init__(self, text: str) -> None:
        cut = text[:MAX_CHARACTERS].replace("\r\n", "\n").replace("\r", "\n").translate(_QUOTES)
        if "\x1b" in cut:
            cut = _ESCAPES.sub("", cut)
        # Logs as JSON hold a whole traceback in one line, its ends written as \\n.
        given = (
            (n, part)
            for n, line in enumerate(cut.split("\n"), 1)
            for part in ((line,) if len(line) <= 200 else _parts(line))
        )
        numbered = [(n, _SPACES.sub(" ", part).strip()) for n, part in given]
        self.numbers = tuple(n for n, _ in numbered)
        self.lines = tuple(line for _, line in numbered)
        # A capital may become two letters in lower case; such a line is left as it is, so that offsets stay true.
        low = (lower if len(lower := line.lower()) == len(line) else line for line in self.lines)
        self.flat = " ".join(low)

    @cached_property
    def _starts(self) -> list[int]:
        return list(itertools.accumulate((len(line) + 1 for line in self.lines[:-1]), initial=0))

    def line_at(self, offset: int) -> int:
        """Return the index of the line that holds an offset into `flat`."""
        return bisect.bisect_right(self._starts, offset) - 1

    def start_of(self, index: int) -> int:
        """Return the offset into `flat` at which a line begins; the end of the text for the line after the last."""
        return self._starts[index] if index < len(self._starts) else len(self.flat)

    def two_lines(self, index: int) -> str:
        """Return a line and the one after it, joined by a blank: a message may be wrapped once."""
        return " ".join(self.lines[index : index + 2])


def _parts(line: str) -> Iterator[str]:
    """Yield a line in parts that are not longer than `_LONGEST_LINE`, cut at blanks where there are any."""
    for piece in line.split("\\n"):
        start = 0
        while len(piece) - start > _LONGEST_LINE:
            blank = piece.rfind(" ", start + _LONGEST_LINE // 2, start + _LONGEST_LINE)
            end = blank if blank > 0 else start + _LONGEST_LINE
            yield piece[start:end]
            start = end
        yield piece[start:]
