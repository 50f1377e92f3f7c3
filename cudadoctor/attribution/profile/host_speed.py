"""How fast the host was in the untraced runs, as against the traced one: one number, by which its own time is scaled.

A processor's clock, its neighbours and what tracing does to its caches make one run's host slower than another's, often
by a tenth and on virtual machines by a half. The moments at which launches and copies began are known of traced and
untraced runs. Where little was waited for between two of them, the time between is the host's own; so those intervals
say how fast it was. Half of them, by chance, are asked, and then all of the steps are held against the untraced runs
(`check`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.edits import SMALL_BYTES
from cudadoctor.attribution.profile.model import Floats, Model
from cudadoctor.attribution.profile.steps import Found
from cudadoctor.attribution.profile.trace import MARKED, Control, Memory

_LEAST_INTERVALS = 20
_LEAST_SHARE = 0.1
"""Host time alone must be this part of the steps."""
_ONE_LANE = 0.95
_WAITED = (0.05, 0.5)
"""Intervals of which at most this part was waited for are asked: a host that is faster waits longer."""
_SAME, _MOST_SPEEDS = 0.01, 6
_TRIMMED = 0.02
"""Of the intervals, the longest are left out: a pause of the system, or of the interpreter's memory."""
_SLOWEST, _FASTEST = 0.5, 1.6


def host_speeds(model: Model, control: Control, found: Found) -> tuple[float, ...]:
    """Return what the host's time in an untraced run may be over its time in the traced run, where that can be told."""
    calls = model.calls
    marked = np.flatnonzero(np.isin(calls.kind, MARKED))
    runs = [each for each in control.marks if len(each) == len(model.trace.marks) == len(marked)]
    if not runs or not len(marked) or found.steady < 1 or (calls.lane[marked] == 0).mean() < _ONE_LANE:
        return ()
    first = int(np.searchsorted(marked, found.calls[found.warm_up]))
    last = int(np.searchsorted(calls.start[marked], found.window[1]))
    inside = marked[first : last + 1]
    if len(inside) <= _LEAST_INTERVALS:
        return ()
    waited, own = (np.diff(sums[inside]) for sums in _summed(model))
    lengths = np.diff(calls.start[inside]).astype(np.float64)
    untraced = [np.diff(run[first : first + len(inside)]).astype(np.float64) for run in runs]
    speeds: list[float] = []
    for most in _WAITED:
        usable = (waited <= most * lengths) & (own > 0)
        if own[usable].sum() < _LEAST_SHARE * lengths.sum():
            continue
        for each in untraced:
            speed = _ratio(each, waited, own, usable)
            if speed is not None and _SLOWEST <= speed <= _FASTEST and not _among(speeds, speed):
                speeds.append(speed)
    return tuple(speeds[:_MOST_SPEEDS])


def _among(speeds: list[float], speed: float) -> bool:
    return any(abs(each / speed - 1) < _SAME for each in speeds)


def scaled(model: Model, found: Found, speed: float) -> Model:
    """Return the model with the host's own time in the steps scaled, and that of the copies which the host makes."""
    if speed == 1.0 or found.steady < 1:
        return model
    calls, ops = model.calls, model.ops
    steady = np.arange(len(calls.start)) >= int(found.calls[found.warm_up])
    by = np.where(steady, speed, 1.0)
    of_call = np.where(ops.call >= 0, by[ops.call] if len(by) else 1.0, 1.0)
    by_host = _by_the_host(model)
    return model._replace(
        calls=calls._replace(own_gap=calls.own_gap * by, own_cost=calls.own_cost * by, own_tail=calls.own_tail * by),
        ops=ops._replace(
            own_lag=ops.own_lag * of_call, own_duration=ops.own_duration * np.where(by_host, of_call, 1.0)
        ),
    )


def _summed(model: Model) -> tuple[Floats, Floats]:
    """Return up to each call of the first lane how long was waited, and the host's own time, nanoseconds.

    A wait for a copy that the host itself makes is no wait while that copy runs.
    """
    calls, ops = model.calls, model.ops
    wait = np.maximum((calls.end - calls.start) - calls.cost - calls.tail, 0.0)
    copying = np.zeros(len(wait))
    blocked = np.flatnonzero((calls.op_count > 0) & (calls.wait >= 0))
    op = calls.first_op[blocked]
    copying[blocked] = np.where(_by_the_host(model)[op], np.minimum(wait[blocked], ops.duration[op]), 0.0)
    main = calls.lane == 0
    inside = np.where(main, calls.own_cost + calls.own_tail + copying, 0.0)
    before = np.where(main, calls.own_gap, 0.0)
    # A call's gap lies before it: what comes after its begin belongs to the interval that follows.
    own = np.cumsum(before) + np.cumsum(inside) - inside
    waited = np.where(main, wait - copying, 0.0)
    return np.cumsum(waited) - waited, own


def _by_the_host(model: Model) -> NDArray[np.bool_]:
    """Say which operations are copies that the host makes for the most part: pageable and not small."""
    records = model.trace.ops[model.ops.record]
    pageable = (records["source"] == Memory.PAGEABLE) | (records["target"] == Memory.PAGEABLE)
    large: NDArray[np.bool_] = pageable & (records["bytes"] > SMALL_BYTES)
    return large


def _ratio(untraced: Floats, waited: Floats, own: Floats, usable: NDArray[np.bool_]) -> float | None:
    """Return the host's untraced time over its traced one, of half of the intervals."""
    usable = usable & (untraced <= np.quantile(untraced[usable], 1 - _TRIMMED))
    usable &= own <= np.quantile(own[usable], 1 - _TRIMMED)
    asked = np.flatnonzero(usable & (np.random.default_rng(0).random(len(usable)) < 0.5))
    if len(asked) < _LEAST_INTERVALS // 2:
        return None
    return float((untraced[asked] - waited[asked]).sum() / own[asked].sum())
