"""Which causes clear the thresholds: what each costs by the replay, what its rung saved, and how sure that is.

A pattern is no cause: a wait in each minibatch costs nothing where the device is the slower one. So each pattern is
judged by what the minibatch would take without it, and by what it did take where a rung has none of it. It is a cause
if that is at least 5 % of the wall time and more than twice its own error; the lead cause needs 25 %.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import msgspec

from cudadoctor.attribution import ladder
from cudadoctor.attribution.decomposition import decompose, why_no_what_if
from cudadoctor.attribution.patterns import AT_BEST, PATTERNS, Evidence, Lane, Pattern
from cudadoctor.facts.base import Missing
from cudadoctor.facts.explanation import Decomposition, Explanation, Rung
from cudadoctor.facts.race import Race

LEAST_SHARE = 0.05
LEAD_SHARE = 0.25
MANY_ERRORS = 2.0
RESIDUAL_LIMIT = 0.25
BUSY_SHARE = 0.85
"""A device that works for this part of the time is the bottleneck itself."""

Confidence = Literal["proven", "supported", "possible"]


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One cause that clears the thresholds.

    `saving_us` is what the minibatch would lose without it; `step` what its rung was measured to save, if there is one.
    """

    id: str
    saving_us: float
    error_us: float
    share: float
    confidence: Confidence
    lead: bool = False
    step: ladder.Effect | None = None
    evidence: tuple[Evidence, ...] = ()


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a race's lane spends its time on.

    `causes` are ordered by what they cost. `unknown` says why nothing is judged, "" if something is. `busy` says that
    the device works nearly all the time and no cause is left: nothing is wrong.
    """

    rung: Rung
    decomposition: Decomposition | None
    cpu_us: float | None
    causes: tuple[Cause, ...] = ()
    unknown: str = ""
    busy: bool = False

    @property
    def lost(self) -> bool:
        """Whether the CPU is faster than this lane."""
        return self.cpu_us is not None and (self.rung.median_us or 0.0) > self.cpu_us

    @property
    def lead(self) -> Cause | None:
        """The cause that costs at least a quarter, and more than the others."""
        return next((cause for cause in self.causes if cause.lead), None)


@lru_cache(maxsize=4)
def judge(race: Race) -> Judgement | None:
    """Judge the lane that most people would write, or another rung if that one's calls do not add up.

    Returns:
        None for a race that was not explained, or in which no rung on a GPU was measured.
    """
    if race.explanation is None:
        return None
    tried = [_judge_rung(race, race.explanation, rung) for rung in ladder.judged_rungs(race.explanation)]
    return next((each for each in tried if not each.unknown), tried[0] if tried else None)


def _judge_rung(race: Race, explanation: Explanation, rung: Rung) -> Judgement:
    cpu = ladder.cpu_us(race)
    told = next((d for d in explanation.decompositions if d.rung == rung.id), None)
    made = decompose(rung.id, rung.lane, rung.calls, rung.median_us or 0.0, told.dilation if told else 1.0)
    if isinstance(made, Missing):
        return Judgement(rung=rung, decomposition=None, cpu_us=cpu, unknown=made.reason)
    unknown = _why_unknown(made)
    if unknown:
        return Judgement(rung=rung, decomposition=made, cpu_us=cpu, unknown=unknown)
    lane = Lane(rung, made, explanation.rungs, explanation.multiprocessors)
    found = [each for id, pattern in PATTERNS.items() if (each := _judged(explanation, lane, id, pattern)) is not None]
    found.sort(key=lambda cause: -cause.saving_us)
    if found and found[0].share >= LEAD_SHARE:
        found[0] = msgspec.structs.replace(found[0], lead=True)
    busy = not found and lane.share("kernels") >= BUSY_SHARE
    return Judgement(rung=rung, decomposition=made, cpu_us=cpu, causes=tuple(found), busy=busy)


def cause_of(race: Race, id: str) -> tuple[Judgement, Cause] | None:
    """Return a cause of a race's judged lane, None where it is none."""
    judgement = judge(race)
    cause = next((each for each in judgement.causes if each.id == id), None) if judgement is not None else None
    return None if judgement is None or cause is None else (judgement, cause)


def _why_unknown(made: Decomposition) -> str:
    off = why_no_what_if(made)
    if abs(made.residual_us) / made.wall_us > RESIDUAL_LIMIT:
        return f"{100 * abs(made.residual_us) / made.wall_us:.0f} % of the time is not explained by what was recorded"
    return off


def _judged(explanation: Explanation, lane: Lane, id: str, pattern: Pattern) -> Cause | None:
    found = pattern(lane)
    if found is None:
        return None
    calls, evidence = found
    saving, error = lane.saving(calls)
    share = saving / lane.parts.wall_us
    if share < LEAST_SHARE or saving <= MANY_ERRORS * error:
        return None
    step = ladder.effect(lane.rungs, id)
    if step is not None and not step.seen:
        return None  # it was taken away, and nothing was gained
    confidence: Confidence = "possible" if id in AT_BEST else "supported"
    if step is not None and step.saving_us > 0 and ladder.agrees(explanation.predictions, lane.rungs, id):
        confidence = "proven"
    elif step is not None and step.saving_us <= 0:
        confidence = "possible"
    return Cause(
        id=id, saving_us=saving, error_us=error, share=share, confidence=confidence, step=step, evidence=evidence
    )
