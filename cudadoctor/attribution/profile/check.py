"""Hold the replay against the untraced runs: over the steady steps if their calls were marked there, else over all.

An untraced run says only when it began and ended, and start-up (imports, contexts, compilation, and what the tracer
adds there) differs between two runs by more than most causes cost. So other control runs note when launches and copies
begin, and nothing else. The span that is compared begins with the first such call of the steady steps and ends with the
first one after all that these steps put on a device is done, or where there is none, with the program.
"""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

import numpy as np

from cudadoctor.attribution.profile.model import Floats, Model
from cudadoctor.attribution.profile.replay import play, script
from cudadoctor.attribution.profile.steps import Found
from cudadoctor.attribution.profile.trace import CallKind, Control

MARKED = (CallKind.LAUNCH, CallKind.COPY, CallKind.MEMSET)

_MOST_DIFFERENT = 0.002
"""Runs may differ by this part in how often they call; then marks are counted from the nearer end."""


class Span(NamedTuple):
    """What was compared, nanoseconds: traced, played again without the tracer, and in each control run.

    `steps` says that it is the steady steps, and not the whole run.
    """

    steps: bool
    traced: float
    replayed: float
    controls: tuple[float, ...]

    @property
    def control(self) -> float | None:
        """The median of the control runs."""
        return median(self.controls) if self.controls else None

    @property
    def dilation(self) -> float | None:
        """How many times longer the traced span took."""
        control = self.control
        return self.traced / control if control else None

    @property
    def error(self) -> float | None:
        """How far the replay is from the control runs, a fraction."""
        control = self.control
        return self.replayed / control - 1 if control else None

    @property
    def within(self) -> bool:
        """Whether the replay lies between control runs, however far these are apart."""
        return len(self.controls) > 1 and min(self.controls) <= self.replayed <= max(self.controls)


def compare(model: Model, found: Found, control: Control, whole: float) -> Span:
    """Return the comparison over the steady steps if it can be made, else over the whole run.

    Args:
        model: The trace.
        found: Its steps.
        control: The untraced runs.
        whole: The replayed length of the whole run, nanoseconds.
    """
    return _steps(model, found, control) or Span(
        False, float(model.trace.end), whole, tuple(float(wall) for wall in control.walls if wall > 0)
    )


def _steps(model: Model, found: Found, control: Control) -> Span | None:
    calls, marks = model.calls, model.trace.marks
    marked = np.flatnonzero(np.isin(calls.kind, MARKED))
    if not len(marks) or not len(marked) or not control.marks:
        return None
    first = int(np.searchsorted(marked, found.calls[found.warm_up]))
    last = int(np.searchsorted(calls.start[marked], found.window[1]))
    if first >= len(marked) or last <= first:
        return None
    begin = calls.start[marked[first]]
    end = float(calls.start[marked[last]]) if last < len(marked) else float(model.trace.end)
    begins, over = _played_begins(model)
    replayed = (begins[marked[last]] if last < len(marked) else over) - begins[marked[first]]
    from_mark = int(np.searchsorted(marks, begin))
    to_mark = int(np.searchsorted(marks, end)) if last < len(marked) else len(marks)
    spans = []
    for theirs, wall in zip(control.marks, control.walls[-len(control.marks) :], strict=True):
        if abs(len(theirs) - len(marks)) > _MOST_DIFFERENT * len(marks):
            continue
        start = _same_mark(theirs, from_mark, len(marks))
        stop = _same_mark(theirs, to_mark, len(marks)) if to_mark < len(marks) else float(wall)
        if start is not None and stop is not None and stop > start:
            spans.append(stop - start)
    if not spans or replayed <= 0:
        return None
    return Span(True, float(end - begin), float(replayed), tuple(spans))


def _same_mark(theirs: Floats, number: int, of: int) -> float | None:
    """Return the moment of the same call in another run, counted from the nearer end."""
    place = number if number < of / 2 else len(theirs) - (of - number)
    return float(theirs[place]) if 0 <= place < len(theirs) else None


def _played_begins(model: Model) -> tuple[Floats, float]:
    """Return when each call begins and when the program ends in a replay without the tracer, nanoseconds."""
    made = script(model, 0, len(model.calls.start))
    ends = play(made).call_end
    before = model.before
    begins: Floats = np.where(before >= 0, ends[before], 0.0) + made.gap
    rest = max(0.0, float(model.trace.end) - float(max(model.calls.end.max(), 0)))
    return begins, float(ends.max()) + rest
