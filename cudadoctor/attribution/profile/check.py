"""Hold the replay against the untraced runs: its steady steps, if their calls were noted there, else all of the run.

A run that was not traced but whose launches and copies were counted (their beginnings noted, at some tenths of a
microsecond each) makes the same calls in the same order. So the host's time from the first steady step to the last is
known there, and start-up, which differs from run to run by more than 5 %, does not blur it.
"""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

import numpy as np

from cudadoctor.attribution.profile.excerpt import Excerpt
from cudadoctor.attribution.profile.model import Floats, Model
from cudadoctor.attribution.profile.replay import WholeRun, whole_run
from cudadoctor.attribution.profile.steps import Found
from cudadoctor.attribution.profile.trace import Control
from cudadoctor.facts.profile import Replayed

MISMATCH_LIMIT = 0.05
DILATION_LIMIT = 2.0


class Checked(NamedTuple):
    """What came of it. `wall` is what the whole run takes without the tracer, nanoseconds."""

    replayed: Replayed
    wall: float


def check(model: Model, control: Control, found: Found, excerpt: Excerpt | None, dilation: float | None) -> Checked:
    """Play the run again and compare it with the untraced ones."""
    played = whole_run(model)
    wall = _to_the_end(model, played)
    walls = [float(each) for each in control.walls if each > 0]
    steps = _steps(model, control, found, played)
    if not walls and steps is None:
        return Checked(Replayed(replayed_s=wall / 1e9, why_no_what_if="no untraced run came to its end"), wall)
    ours, theirs = steps if steps is not None else (wall, walls)
    middle = median(theirs)
    error = ours / middle - 1
    why = ""
    if dilation is not None and dilation > DILATION_LIMIT:
        why = f"tracing made the run take {dilation:.1f} times as long; beyond {DILATION_LIMIT:.0f} nothing is judged"
    elif excerpt is None:
        why = "no steady work of a GPU was recorded"
    elif abs(error) > MISMATCH_LIMIT and not (len(theirs) > 1 and min(theirs) <= ours <= max(theirs)):
        why = (
            f"played again without the tracer, {'the steady steps take' if steps else 'the run takes'} "
            f"{ours / 1e9:.3g} s and not {middle / 1e9:.3g}: {abs(error):.0%} {'more' if error > 0 else 'less'}, and "
            f"{MISMATCH_LIMIT:.0%} is the limit"
        )
    elif abs(excerpt.error) > MISMATCH_LIMIT:
        why = (
            f"played again, the recorded steps take {abs(excerpt.error):.0%} "
            f"{'more' if excerpt.error > 0 else 'less'} than they took, and {MISMATCH_LIMIT:.0%} is the limit"
        )
    return Checked(
        Replayed(
            replayed_s=ours / 1e9,
            control_s=middle / 1e9,
            error=error,
            compared="steps" if steps is not None else "run",
            why_no_what_if=why,
        ),
        wall,
    )


def _to_the_end(model: Model, played: WholeRun) -> float:
    """Return the whole run's wall time; what comes after the last record is taken to be dilated as what was before."""
    until, end = model.trace.complete_until, model.calls.end
    if until is None or not 0 < until < model.trace.end or not len(end):
        return played.wall
    recorded = float(max(end.max(), 1))
    rest = max(0.0, float(model.trace.end) - recorded)
    return played.wall - rest + rest * (played.wall - rest) / recorded


def _steps(model: Model, control: Control, found: Found, played: WholeRun) -> tuple[float, list[float]] | None:
    """Return how long the steady steps take the host, played and in each untraced run; None where that is not known."""
    marks = model.trace.marks
    bounds = found.calls[[found.warm_up, -1]]
    runs = [noted for noted in control.marks if len(noted) == len(marks)]
    if not runs or not len(marks) or int(bounds[1]) >= len(played.begins) or found.steady < 1:
        return None
    places = np.searchsorted(marks, model.calls.start[bounds])
    if places[1] >= len(marks) or places[0] >= places[1]:
        return None
    ours = _between(played.begins, bounds[0], bounds[1])
    theirs = [_between(noted.astype(np.float64), places[0], places[1]) for noted in runs]
    theirs = [each for each in theirs if each > 0]
    return (ours, theirs) if theirs and ours > 0 else None


def _between(at: Floats, first: int, last: int) -> float:
    return float(at[last] - at[first])
