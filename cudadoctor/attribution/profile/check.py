"""Hold the replay against the untraced runs: its steady steps, if their calls were noted there, else all of the run.

A run that was not traced but in which the moments were noted when launches and copies begin makes the same calls in the
same order. So what the steady steps take is known there, and start-up, which differs from run to run by more than most
causes cost, does not blur it. The span that is compared begins with the first such call of the steady steps and ends
with the first one after all that they put on a device is done; where there is none, with the last one of all or, if
much is still to do then, with the program.

Untraced runs differ from each other, on a busy machine by tenths. The replay must come within 5 % of one of them, or
lie between two that are not far apart.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cudadoctor.attribution.profile.causes import DILATION_LIMIT
from cudadoctor.attribution.profile.excerpt import Excerpt
from cudadoctor.attribution.profile.model import Floats, Model
from cudadoctor.attribution.profile.replay import WholeRun, whole_run
from cudadoctor.attribution.profile.steps import Found
from cudadoctor.attribution.profile.trace import MARKED, Control
from cudadoctor.facts.profile import Replayed

MISMATCH_LIMIT = 0.05

_STRANGER = 0.5
"""A replay that is further off than this tells nothing of the untraced runs."""

_MOST_APART = 0.2
"""Between two untraced runs that are further apart than this nothing is reproduced."""

_MOST_DIFFERENT = 0.002
"""Runs may differ by this part in how often they call; then calls are counted from the nearer end."""

_LEFT = 0.05
"""Where devices are done this soon after the last of the calls, of the steps' time, the steps end with it: what comes
after it is the end of the program, and the tracer's."""


class Checked(NamedTuple):
    """What came of it. The whole run takes `wall` nanoseconds without the tracer; `dilation` is as in the facts.

    `differs` says that nothing may be predicted for one reason alone: the replay is no like of the untraced runs,
    though no stranger either.
    """

    replayed: Replayed
    wall: float
    dilation: float | None
    differs: bool = False


class _Span(NamedTuple):
    """One stretch of the program: traced, played again, and in each untraced run, nanoseconds."""

    traced: float
    played: float
    untraced: tuple[float, ...]


def check(model: Model, control: Control, found: Found, excerpt: Excerpt | None) -> Checked:
    """Play the run again and compare it with the untraced ones."""
    played = whole_run(model)
    wall = _to_the_end(model, played)
    steps = _steps(model, control, found, played)
    walls = tuple(float(each) for each in control.walls if each > 0)
    span = steps or _Span(float(model.trace.end), wall, walls)
    if not span.untraced:
        return Checked(Replayed(replayed_s=wall / 1e9, why_no_what_if="no untraced run came to its end"), wall, None)
    nearest = min(span.untraced, key=lambda each: abs(each - span.played))
    between = _between(span)
    error, dilation = span.played / nearest - 1, span.traced / nearest
    why, differs = "", False
    if dilation > DILATION_LIMIT:
        why = f"tracing made the run take {dilation:.1f} times as long; beyond {DILATION_LIMIT:.0f} nothing is judged"
    elif excerpt is None:
        why = "no steady work of a GPU was recorded"
    elif abs(error) > MISMATCH_LIMIT and not between:
        differs = abs(error) <= _STRANGER and abs(excerpt.error) <= MISMATCH_LIMIT
        why = (
            f"played again without the tracer, {'the steady steps take' if steps else 'the run takes'} "
            f"{span.played / 1e9:.3g} s and not {nearest / 1e9:.3g}: {100 * abs(error):.0f} % "
            f"{'more' if error > 0 else 'less'}, and {100 * MISMATCH_LIMIT:.0f} % is the limit"
        )
    elif abs(excerpt.error) > MISMATCH_LIMIT:
        why = (
            f"played again, the recorded steps take {100 * abs(excerpt.error):.0f} % "
            f"{'more' if excerpt.error > 0 else 'less'} than they took, and {100 * MISMATCH_LIMIT:.0f} % is the limit"
        )
    replayed = Replayed(
        replayed_s=span.played / 1e9,
        control_s=nearest / 1e9,
        controls_s=tuple(each / 1e9 for each in span.untraced),
        error=error,
        compared="steps" if steps is not None else "run",
        why_no_what_if=why,
    )
    return Checked(replayed, wall, dilation, differs)


def _between(span: _Span) -> bool:
    """Say whether the replay lies between two untraced runs that are not far apart."""
    below = [each for each in span.untraced if each <= span.played]
    above = [each for each in span.untraced if each >= span.played]
    return bool(below and above) and min(above) <= (1 + _MOST_APART) * max(below)


def _to_the_end(model: Model, played: WholeRun) -> float:
    """Return the whole run's wall time; what comes after the last record is taken to be dilated as what was before."""
    until, end = model.trace.complete_until, model.calls.end
    if until is None or not 0 < until < model.trace.end or not len(end):
        return played.wall
    recorded = float(max(end.max(), 1))
    rest = max(0.0, float(model.trace.end) - recorded)
    return played.wall - rest + rest * (played.wall - rest) / recorded


def _steps(model: Model, control: Control, found: Found, played: WholeRun) -> _Span | None:
    calls, marks = model.calls, model.trace.marks
    marked = np.flatnonzero(np.isin(calls.kind, MARKED))
    if not len(marks) or not len(marked) or found.steady < 1:
        return None
    first = int(np.searchsorted(marked, found.calls[found.warm_up]))
    last = int(np.searchsorted(calls.start[marked], found.window[1]))
    if first >= len(marked) or last <= first:
        return None
    begin = marked[first]
    if last == len(marked) > first + 1 and found.window[1] - calls.start[marked[-1]] <= _LEFT * np.ptp(found.window):
        last -= 1
    end = marked[last] if last < len(marked) else None
    traced = float((calls.start[end] if end is not None else model.trace.end) - calls.start[begin])
    again = float((played.begins[end] if end is not None else played.wall) - played.begins[begin])
    from_mark = int(np.searchsorted(marks, calls.start[begin]))
    to_mark = int(np.searchsorted(marks, calls.start[end])) if end is not None else len(marks)
    untraced = []
    for theirs, wall in zip(control.marks, control.walls[-len(control.marks) :] if control.marks else (), strict=False):
        if abs(len(theirs) - len(marks)) <= _MOST_DIFFERENT * len(marks):
            start = _same(theirs, from_mark, len(marks))
            stop = _same(theirs, to_mark, len(marks)) if to_mark < len(marks) else float(wall)
            if start is not None and stop is not None and stop > start:
                untraced.append(stop - start)
    return _Span(traced, again, tuple(untraced)) if untraced and again > 0 else None


def _same(theirs: Floats, number: int, of: int) -> float | None:
    """Return when another run made the same call, counted from the nearer end."""
    place = number if number < of / 2 else len(theirs) - (of - number)
    return float(theirs[place]) if 0 <= place < len(theirs) else None
