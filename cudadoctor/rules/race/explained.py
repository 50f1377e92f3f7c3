"""Findings about the calls of a race's lane: numbers, how sure they are, and how bad that is.

A race shows what a way of writing a program costs; no machine is broken by it. So the lead cause of a GPU that lost is
a warning, and all else a note: `--fail-on warning` then asks whether the GPU lost for a reason that can be removed.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.attribution.causes import Cause, Judgement, cause_of
from cudadoctor.facts.race import Race
from cudadoctor.findings import Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import RuleFunction, finding


def cause_finding(about: RuleFunction, race: Race, *, seen: str, cause: str, fix: Fix) -> Iterator[Finding]:
    """Yield the finding of a cause that clears the thresholds in the judged lane; nothing for one that does not.

    Args:
        about: The rule; its id is the cause's.
        race: The race.
        seen: What the lane does, as a phrase that completes "gpu-copied ...".
        cause: The mechanism.
        fix: What to change.
    """
    found = cause_of(race, about.rule.id)
    if found is None:
        return
    judgement, cause_found = found
    yield finding(
        about,
        severity=severity_of(judgement, cause_found),
        summary=f"{judgement.rung.lane} {seen}. {cost(judgement, cause_found)}",
        cause=cause,
        confidence=cause_found.confidence,
        evidence=evidence_of(judgement, cause_found),
        fix=fix,
    )


def severity_of(judgement: Judgement, cause: Cause) -> Severity:
    """Return `warning` for the lead cause of a GPU that lost, `note` for all others."""
    return Severity.WARNING if judgement.lost and cause.lead else Severity.NOTE


def cost(judgement: Judgement, cause: Cause) -> str:
    """Return what a cause costs, predicted, and what its rung measured where there is one."""
    wall = judgement.rung.median_us or 0.0
    told = (
        f"That costs {cause.saving_us:.0f} ± {cause.error_us:.0f} µs of the {wall:.0f} µs that a minibatch takes "
        f"({100 * cause.share:.0f} %, predicted by replay)"
    )
    step = cause.step
    if step is None:
        return told + "."
    return (
        f"{told}; taking it away ({step.from_rung.id} to {step.to_rung.id}) was measured to save "
        f"{step.saving_us:.0f} ± {step.error_us:.0f} µs."
    )


def evidence_of(judgement: Judgement, cause: Cause) -> tuple[Evidence, ...]:
    """Return what was seen, and the figures that the judgement rests on."""
    told = [Evidence(name, round(value, 3), source) for name, value, source in cause.evidence]
    told.append(Evidence("a minibatch, µs", round(judgement.rung.median_us or 0.0, 1), judgement.rung.id))
    told.append(Evidence("saved without this cause, µs", round(cause.saving_us, 1), "replay, predicted"))
    if cause.step is not None:
        source = f"{cause.step.from_rung.id} to {cause.step.to_rung.id}, measured"
        told.append(Evidence("saved without this cause, µs", round(cause.step.saving_us, 1), source))
    if judgement.cpu_us is not None:
        told.append(Evidence("a minibatch on the CPU, µs", round(judgement.cpu_us, 1), "measured"))
    return tuple(told)
