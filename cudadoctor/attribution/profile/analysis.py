"""From the records of one traced run to the facts of its profile."""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

import msgspec
import numpy as np

from cudadoctor.attribution.profile import by_callback, once, steps, tables, what_ifs
from cudadoctor.attribution.profile.causes import suspect
from cudadoctor.attribution.profile.check import MISMATCH_LIMIT, Checked, check
from cudadoctor.attribution.profile.decomposition import Busy, decompose
from cudadoctor.attribution.profile.excerpt import Excerpt, cut
from cudadoctor.attribution.profile.grouping import grouped
from cudadoctor.attribution.profile.host import Host
from cudadoctor.attribution.profile.host_speed import host_speeds, scaled
from cudadoctor.attribution.profile.model import Model, build, tidy
from cudadoctor.attribution.profile.steps import Found
from cudadoctor.attribution.profile.trace import Control, Peaks, Trace
from cudadoctor.attribution.profile.window import Window
from cudadoctor.attribution.statistics import ordered_interval
from cudadoctor.facts.profile import Analysis, Replayed, Steps, WhatIf

_MOST_SAMPLED = 200
_COVERAGE = 0.95
_FEW_STEPS_CHECKED = 0.25
_MOST_CALLS_PLAYED = 1_500_000


def analyse(trace: Trace, control: Control, peaks: Peaks) -> Analysis:
    """Take a traced run apart and predict what it would take without each cause.

    Args:
        trace: What was recorded.
        control: The untraced runs.
        peaks: What this machine was measured to reach.

    Returns:
        The facts; where records are missing, what the others say, and notes of what is missing.
    """
    trace = tidy(trace)
    if trace.complete_until is not None:
        trace = _upto(trace, trace.complete_until)
    trace = by_callback.with_waits(trace)
    model = build(trace)
    host = Host(model)
    found = steps.find(model)
    excerpt, checked = _played(model, host, control, found)
    devices = _devices(model)
    walls = [wall for wall in control.walls if wall > 0]
    begin, end = found.window
    busies = [Busy(model, device) for device in devices]
    steady = tuple(decompose(model, host, busy, "steady", begin, end) for busy in busies)
    nothing = [] if busies else [Busy(model, 0)]
    whole = tuple(decompose(model, host, busy, "whole", 0.0, float(trace.end)) for busy in busies or nothing)
    replayed = checked.replayed
    predicted: list[WhatIf] = []
    may_predict = not replayed.why_no_what_if
    if excerpt is not None and replayed.error is not None and (may_predict or checked.differs):
        window = Window(excerpt, steady[0], peaks)
        predicted += once.warm_up(model, host, found, busies[0], wall=checked.wall, error=replayed.error)
        predicted += what_ifs.predict(window, replayed, steps=found.steady + found.warm_up)
        predicted += once.ramp(model, wall=checked.wall, error=replayed.error)
    told = _told(found, excerpt, model)
    return Analysis(
        steps=told,
        dilation=checked.dilation,
        steady=steady,
        whole=whole,
        kernels=tables.kernel_rows(model),
        copies=tables.copy_rows(model, busies, peaks),
        calls=tables.call_rows(model),
        replay=replayed,
        what_ifs=tuple(predicted) if may_predict else (),
        suspect=None if may_predict else suspect(predicted, told, replayed.error or 0.0),
        lines=tables.line_rows(model, busies, begin, end),
        threads=len(np.unique(trace.calls["thread"])),
        streams=int(model.ops.stream.max(initial=-1)) + 1,
        devices=devices,
        notes=tuple(_notes(trace, found, replayed, walls, end - begin)),
    )


class _Played(NamedTuple):
    """Steady steps, and how they compare with the untraced runs when they are played again."""

    excerpt: Excerpt | None
    checked: Checked

    @property
    def mismatch(self) -> float:
        error = self.checked.replayed.error
        return float("inf") if error is None else abs(error)


def _played(model: Model, host: Host, control: Control, found: Found) -> _Played:
    """Play what was recorded; where it is no like of the untraced runs, with the host as fast as it was in one."""

    def attempt(model: Model, host: Host, speed: float = 1.0) -> _Played:
        excerpt = cut(model, host, found) if len(model.trace.ops) else None
        checked = check(model, control, found, excerpt)
        replayed = msgspec.structs.replace(checked.replayed, host_time=speed)
        return _Played(excerpt, checked._replace(replayed=replayed))

    as_it_was = attempt(model, host)
    if not MISMATCH_LIMIT < as_it_was.mismatch < float("inf"):
        return as_it_was
    attempts = [as_it_was]
    # A second or two for each; of a long trace only the first are tried.
    tries = max(1, _MOST_CALLS_PLAYED // max(1, len(model.calls.start)))
    for speed in host_speeds(model, control, found)[:tries]:
        faster = scaled(model, found, speed)
        attempts.append(attempt(faster, Host(faster), speed))
    return min(attempts, key=lambda each: each.mismatch)


def _devices(model: Model) -> tuple[int, ...]:
    """Return the GPUs that were used, the busiest first."""
    ops = model.trace.ops
    firsts, which, _ = grouped(ops["device"])
    worked = np.bincount(which, (ops["end"] - ops["start"]).astype(np.float64), len(firsts))
    return tuple(int(ops["device"][firsts[place]]) for place in np.argsort(-worked, kind="stable"))


def _upto(trace: Trace, until: int) -> Trace:
    """Leave out what was recorded after records began to be lost."""
    return trace._replace(
        ops=trace.ops[trace.ops["start"] <= until],
        calls=trace.calls[trace.calls["start"] <= until],
        syncs=trace.syncs[trace.syncs["start"] <= until],
    )


def _told(found: Found, excerpt: Excerpt | None, model: Model) -> Steps:
    begin, end = found.window
    lengths = found.durations / 1e6
    if excerpt is not None and found.steady > 0 and lengths.sum() > 0:
        # What the tracer cost is spread over the steps as the replay has it.
        lengths = lengths * (excerpt.now / max(1e-9, float(found.durations.mean())))
    sampled = lengths[:: max(1, len(lengths) // _MOST_SAMPLED)]
    spread = ordered_interval(sampled.tolist(), _COVERAGE) if len(sampled) else None
    if spread is not None and spread.coverage < _COVERAGE:  # fewer than six steps say nothing with that much certainty
        spread = None
    first, last = int(found.calls[found.warm_up]), int(found.calls[-1])
    operations = int(model.calls.op_count[first:last].sum())
    return Steps(
        found_by=found.by,  # type: ignore[arg-type]
        name=found.name,
        count=max(1, found.steady),
        median_ms=float(np.median(lengths)) if len(lengths) else None,
        low_ms=spread.low if spread else None,
        high_ms=spread.high if spread else None,
        warm_up=found.warm_up,
        warm_up_ms=once.warm_up_cost(found) / 1e6,
        operations=round(operations / max(1, found.steady)),
        window_start_s=begin / 1e9,
        window_end_s=end / 1e9,
    )


def _notes(trace: Trace, found: Found, replayed: Replayed, walls: list[int], window: float) -> list[str]:
    told = []
    if trace.dropped:
        told.append(f"{trace.dropped} records were lost")
    if trace.complete_until is not None:
        told.append(
            f"records are complete up to {trace.complete_until / 1e9:.2f} s of {trace.end / 1e9:.2f}; "
            "what came later is not judged"
        )
    if found.by == "none" and len(trace.ops):
        told.append("no steps were found that repeat; all between the first and the last operation was judged as one")
    if walls and replayed.compared == "run" and found.by != "none" and window < _FEW_STEPS_CHECKED * median(walls):
        told.append(
            f"the steady steps are {100 * window / median(walls):.0f} % of the run, so the untraced runs, which "
            "say only how long all of it took, check them poorly"
        )
    if not len(trace.cpu):
        told.append("the CPU time of threads was not read, so Python at work and waiting are not told apart")
    return told
