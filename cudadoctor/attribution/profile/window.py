"""What patterns are looked for in, and what a pattern that was found says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cudadoctor.attribution.profile.edits import Edit, Mask
from cudadoctor.attribution.profile.excerpt import Excerpt
from cudadoctor.attribution.profile.trace import Peaks
from cudadoctor.facts.profile import Breakdown, Sign

MOST_STEPS = 0.5
"""What this part of the steps does is a habit of the loop."""
_PARTS = 4
_SOME_STEPS = 8


class Candidate(NamedTuple):
    """One cause that may be: how the program would be without it, and what was seen."""

    cause: str
    edit: Edit
    assumes: str
    seen: tuple[Sign, ...]
    fits: bool = True
    bound: bool = False
    kernels: tuple[int, ...] = ()
    at_best: Edit | None = None
    """The program without what else may go with the cause, which no trace can tell: the upper end of its saving."""


class Window(NamedTuple):
    """What patterns are looked for in: an excerpt, the breakdown of its GPU, and what this machine can reach."""

    excerpt: Excerpt
    parts: Breakdown
    peaks: Peaks

    def sign(self, name: str, value: float, source: str = "trace") -> Sign:
        """Return a sign with its figure rounded."""
        return Sign(name=name, value=float(f"{value:.4g}"), source=source)

    def exposed_copies(self) -> float:
        """Return which part of the time copies take that nothing hides."""
        return self.parts.share("copies") + self.parts.share("idle", "copying")

    def per_step(self, calls: Mask) -> float:
        """Return how many of these calls a step makes."""
        return float(calls.sum()) / self.excerpt.steps

    def regular(self, calls: Mask) -> bool:
        """Say whether most steps make such a call, or some steps in each quarter of the window.

        What a program does once an outer step, where only the inner ones were found, and what it does every tenth step,
        is a habit too; whether it matters, the replay tells.
        """
        count = len(self.excerpt.bounds) - 1
        steps = np.unique(self.excerpt.step[calls])
        quarters = np.bincount(steps * _PARTS // max(1, count), minlength=_PARTS)
        return len(steps) >= MOST_STEPS * count or bool((quarters[:_PARTS] > 0).all() and len(steps) >= _SOME_STEPS)
