"""What the program would take without each cause: edit its calls, play them again, and say how sure that is.

The figures are of a steady step. The interval holds the spread of the savings over the steps (bootstrap of their mean),
what fixes differ by, and the error of the replay: how far it is from the trace itself, and from the untraced runs.
Where only whole runs could be compared, start-up and all, what is off may lie in the start-up; then it counts up to
half of the tracer's share of the steps, within which the tracer's cost is known. Where the steps themselves could be,
the figures are those of the untraced run: of its step, the part that the replay says. Where more may go than a trace
can show (kernels that are fused and not only launched at once, a host that no longer falls asleep), the upper end says
how much.

Causes are put in order one by one: first what saves most (or, where several save much the same, the one that comes
first among the patterns, which explains the others), and then what saves most once that is gone. So no time is
accused twice.
"""

from __future__ import annotations

import math

import numpy as np

from cudadoctor.attribution.profile import kernels, patterns
from cudadoctor.attribution.profile.decomposition import name_of
from cudadoctor.attribution.profile.excerpt import Excerpt
from cudadoctor.attribution.profile.model import Floats
from cudadoctor.attribution.profile.replay import Script, fronts, play
from cudadoctor.attribution.profile.window import Candidate, Window
from cudadoctor.facts.profile import Replayed, WhatIf

_ROUNDS = 400
_ALIKE = 0.85
"""Savings of which the smaller is this part of the larger are much the same."""
_TRACER_KNOWN = 0.5
_FIXES_DIFFER = 0.1
"""By this part of the saving a fixed program may do better or worse than its cause taken out: see the measurements."""


def predict(window: Window, replayed: Replayed, *, steps: int) -> tuple[WhatIf, ...]:
    """Predict what a step would take without each cause that a pattern names.

    Args:
        window: What is played.
        replayed: How the replay compares with the untraced runs.
        steps: How many steps the run has.

    Returns:
        Those that save 1 % and more, in the order in which they should be tackled.
    """
    excerpt = window.excerpt
    if excerpt.now <= 0:
        return ()
    off, scale = abs(replayed.error or 0.0), 1.0
    if replayed.compared == "steps":
        scale = 1.0 / (1.0 + (replayed.error or 0.0))
    else:
        off = min(off, _TRACER_KNOWN * _tracer_share(excerpt))
    error = math.hypot(excerpt.error, off)
    left = [*patterns.candidates(window), *kernels.candidates(window)]
    alone = {each.cause: _lengths(excerpt, each.edit(excerpt.base)) for each in left}
    script, now = excerpt.base, excerpt.lengths
    made: list[WhatIf] = []
    while left:
        after = {each.cause: _lengths(excerpt, each.edit(script)) for each in left}
        saved = {cause: float(now.sum() - lengths.sum()) / excerpt.steps for cause, lengths in after.items()}
        most = max(saved.values())
        chosen = next(each for each in left if saved[each.cause] >= _ALIKE * most) if most > 0 else left[0]
        if saved[chosen.cause] < 0.01 * excerpt.now:
            break
        made.append(_what_if(window, chosen, alone[chosen.cause], saved[chosen.cause], error, scale, steps))
        script, now = chosen.edit(script), after[chosen.cause]
        left.remove(chosen)
    made += [_what_if(window, each, alone[each.cause], 0.0, error, scale, steps) for each in left]
    return tuple(each for each in made if each.saved_ms > 0.01 * each.now_ms)


def _what_if(
    window: Window, candidate: Candidate, lengths: Floats, further: float, error: float, scale: float, steps: int
) -> WhatIf:
    excerpt = window.excerpt
    now = excerpt.now
    saved = float(excerpt.lengths.sum() - lengths.sum()) / excerpt.steps
    ratio = 1.0 - saved / now
    of_replay = error * now * max(abs(1.0 - ratio), min(ratio, 0.5))
    half = math.hypot(_half_width(excerpt, lengths), of_replay, _FIXES_DIFFER * saved)
    most = saved + half
    if candidate.at_best is not None and saved > 0:
        at_best = _lengths(excerpt, candidate.at_best(excerpt.base))
        most = max(most, float(excerpt.lengths.sum() - at_best.sum()) / excerpt.steps)
    return WhatIf(
        cause=candidate.cause,
        scope="step",
        assumes=candidate.assumes,
        now_ms=now * scale / 1e6,
        predicted_ms=(now - saved) * scale / 1e6,
        saved_ms=saved * scale / 1e6,
        low_ms=(saved - half) * scale / 1e6,
        high_ms=min(most, now) * scale / 1e6,
        further_ms=further * scale / 1e6,
        run_saved_s=saved * scale * steps / 1e9,
        bound=candidate.bound,
        fits=candidate.fits,
        seen=candidate.seen,
        where=tuple(name_of(excerpt.model, name) for name in candidate.kernels),
    )


def _lengths(excerpt: Excerpt, script: Script) -> Floats:
    made: Floats = np.diff(fronts(script, play(script), excerpt.bounds))
    return made


def _half_width(excerpt: Excerpt, lengths: Floats) -> float:
    """Return half of the 95 % interval of the mean saving of a step, by bootstrap."""
    savings = excerpt.lengths - lengths
    n = len(savings)
    if n < 3:
        return 0.1 * abs(float(savings.sum()))
    # Steps of a device that lags behind the host end in bunches; blocks of steps keep them together.
    size = max(1, n // 50)
    blocks = savings[: n // size * size].reshape(-1, size).sum(axis=1)
    chance = np.random.default_rng(0)
    means = blocks[chance.integers(0, len(blocks), (_ROUNDS, len(blocks)))].mean(axis=1) * (n / size) / excerpt.steps
    low, high = np.percentile(means, [2.5, 97.5])
    return float(high - low) / 2


def _tracer_share(excerpt: Excerpt) -> float:
    """Return which part of the host's time was the tracer's, in the excerpt."""
    calls = excerpt.model.calls
    mine = excerpt.calls
    whole = float((calls.gap + calls.cost + calls.tail)[mine].sum())
    own = float((calls.own_gap + calls.own_cost + calls.own_tail)[mine].sum())
    return 1.0 - own / whole if whole > 0 else 0.0
