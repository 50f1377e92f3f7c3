"""Which causes of a profiled program clear the thresholds, and how sure that is: from the facts alone.

A cause must save at least 5 % of the program's time, at the low end of its interval too, and more than twice its own
error; the lead cause 25 %. What is explained by a cause before it is left out: it must save 5 % once those are gone,
too. On a GPU that its power limit holds down for most of the time, what fills its gaps must save a quarter: its clocks
would sink, and less be gained than is predicted. Double precision on a card that is good at it is only remarked on:
whether the program needs it is for its author to say.

Where the runs of a program differ by more than 5 %, nothing is predicted. A cause that would cost a quarter even if the
replay were wrong by all of that difference still stands out, and is named as possible, without a figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from cudadoctor.attribution.circumstances import at_power_limit
from cudadoctor.facts.profile import Analysis, Breakdown, Probe, Profile, Steps, Suspect, WhatIf

LEAST_SHARE = 0.05
LEAD_SHARE = 0.25
MANY_ERRORS = 2.0
RESIDUAL_LIMIT = 0.25
DILATION_LIMIT = 2.0
BUSY_SHARE = 0.85
ON_THE_PATH = 0.5
"""Calls are on the critical path where the slope of their probe is above this, at its low end."""
STAGING_RATE = "rate at which the runtime fills its pinned buffer, GB/s"
"""The sign of a pageable transfer that a runtime stages by itself."""
HIDDEN = 0.2
"""Something else hides them where it is below this, at its high end."""

Confidence = Literal["proven", "supported", "possible"]

PROBED = {
    "launch-bound-small-work": "launches",
    "small-transfers": "copies",
    "readback-every-step": "copies",
    "sync-every-step": "waits",
    "allocation-in-loop": "allocations",
}
"""What a probe of a class of calls speaks for: with the calls made longer, these causes cost more."""

_WARM_UPS = ("warmup-in-timing", "ptx-jit-first-run")
# What must have the signs that it needs; for the others the what-if alone makes it possible.
_NEEDS_SIGNS = (
    "warmup-in-timing",
    "ptx-jit-first-run",
    "launch-bound-small-work",
    "transfer-bound",
    "pageable-transfer",
    "compile-every-step",
)


_OF_KERNELS = ("low-occupancy-grid", "fp64-on-consumer-gpu", "uncoalesced-access")


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One cause that clears the thresholds; `share` is the part of the step or run that it costs.

    `probe` is that of the calls which the cause is made of, if there was one.
    """

    id: str
    what_if: WhatIf
    share: float
    error_ms: float
    confidence: Confidence
    lead: bool = False
    probe: Probe | None = None


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a program spends its time on.

    `causes` are in the order in which they should be tackled. `unknown` says why nothing is judged, "" if something is;
    `suspect` is what stands out all the same.
    `busy` says that kernels run nearly all the time and no cause is left: nothing is wrong.
    """

    profile: Profile
    steady: Breakdown | None
    causes: tuple[Cause, ...] = ()
    unknown: str = ""
    suspect: Suspect | None = None
    busy: bool = False

    @property
    def lead(self) -> Cause | None:
        """The cause that costs at least a quarter, and more than the others."""
        return next((cause for cause in self.causes if cause.lead), None)


@lru_cache(maxsize=4)
def judge(profile: Profile) -> Judgement:
    """Judge a profile.

    Returns:
        Causes; or why nothing is judged; or that nothing is wrong; or none of them, for a program that has no single
        cause.
    """
    analysis = profile.analysis
    if analysis is None:
        return Judgement(profile=profile, steady=None, unknown=_why_no_analysis(profile))
    steady = analysis.steady[0] if analysis.steady else None
    unknown = _why_unknown(analysis, steady)
    if unknown:
        return Judgement(profile=profile, steady=steady, unknown=unknown, suspect=analysis.suspect)
    found = [
        cause
        for each in analysis.what_ifs
        if not _is_beside_the_warm_up(analysis.what_ifs, analysis.steps, each)
        and (cause := _judged(profile, each)) is not None
    ]
    accused = [cause for cause in found if not _is_remark(cause)]
    lead = next((cause for cause in accused if cause.share >= LEAD_SHARE), None)
    found = [msgspec.structs.replace(each, lead=True) if each is lead else each for each in found]
    busy = not accused and steady is not None and steady.share("kernels") >= BUSY_SHARE
    return Judgement(profile=profile, steady=steady, causes=tuple(found), busy=busy)


def cause_of(profile: Profile, id: str) -> tuple[Judgement, Cause] | None:
    """Return a cause of a profiled program, None where it is none."""
    judgement = judge(profile)
    cause = next((each for each in judgement.causes if each.id == id), None)
    return None if cause is None else (judgement, cause)


def _why_no_analysis(profile: Profile) -> str:
    reason = profile.tracer.reason
    return f"the program was not traced: {reason}" if reason else "the program was not traced"


def _why_unknown(analysis: Analysis, steady: Breakdown | None) -> str:
    if steady is None:
        return "no work of a GPU was recorded"
    if analysis.dilation is not None and analysis.dilation > DILATION_LIMIT:
        return f"tracing made the program take {analysis.dilation:.1f} times as long; beyond 2 nothing is judged"
    if steady.wall_ms > 0 and abs(steady.residual_ms) / steady.wall_ms > RESIDUAL_LIMIT:
        return (
            f"{100 * abs(steady.residual_ms) / steady.wall_ms:.0f} % of the time is not explained by what was recorded"
        )
    if analysis.replay is None:
        return "nothing was replayed"
    return analysis.replay.why_no_what_if


def _judged(profile: Profile, what_if: WhatIf) -> Cause | None:
    if what_if.now_ms <= 0:
        return None
    share, error = what_if.saved_ms / what_if.now_ms, max(0.0, what_if.saved_ms - what_if.low_ms)
    sure = what_if.cause in _WARM_UPS or what_if.low_ms >= LEAST_SHARE * what_if.now_ms
    clears = share >= LEAST_SHARE and what_if.saved_ms > MANY_ERRORS * error and sure
    if not clears or what_if.further_ms < LEAST_SHARE * what_if.now_ms:
        return None
    if share < LEAD_SHARE and _fills_gaps(what_if) and at_power_limit(profile):
        return None
    if not what_if.fits and what_if.cause in _NEEDS_SIGNS:
        return None
    probe = _probe_of(profile, what_if.cause)
    confidence: Confidence = "supported" if what_if.fits else "possible"
    if probe is not None and probe.high < HIDDEN:
        return None  # made longer, these calls cost nothing: something else hides them
    if probe is not None and probe.low > ON_THE_PATH and what_if.fits:
        confidence = "proven"
    return Cause(id=what_if.cause, what_if=what_if, share=share, error_ms=error, confidence=confidence, probe=probe)


def suspect(what_ifs: Sequence[WhatIf], steps: Steps, error: float) -> Suspect | None:
    """Return the cause that stands out though the replay is off by this fraction, None if there is none."""
    for each in what_ifs:
        share = each.saved_ms / each.now_ms if each.now_ms > 0 else 0.0
        enough = LEAST_SHARE if each.cause in _WARM_UPS else LEAD_SHARE + abs(error)
        if each.fits and share >= enough and not _is_beside_the_warm_up(what_ifs, steps, each):
            return Suspect(cause=each.cause, seen=each.seen, where=each.where)
    return None


def _is_beside_the_warm_up(what_ifs: Sequence[WhatIf], steps: Steps, what_if: WhatIf) -> bool:
    """Say whether a cause lies in steps that take next to nothing beside what is done once before them."""
    once_s = sum(each.run_saved_s for each in what_ifs if each.cause in _WARM_UPS)
    if what_if.scope != "step" or not once_s:
        return False
    steps_s = steps.count * (steps.median_ms or 0.0) / 1e3
    return what_if.run_saved_s < LEAST_SHARE * (once_s + steps_s)


def _fills_gaps(what_if: WhatIf) -> bool:
    """Say whether what is saved is time in which the device stands idle between kernels that stay as they are."""
    return what_if.scope == "step" and what_if.cause not in _OF_KERNELS


def _is_remark(cause: Cause) -> bool:
    return cause.id == "fp64-on-consumer-gpu" and not cause.what_if.fits


def _probe_of(profile: Profile, cause: str) -> Probe | None:
    return next((probe for probe in profile.probes if probe.calls == PROBED.get(cause)), None)
