"""Findings about a profiled program: numbers, how sure they are, and how bad that is.

A slow program is no broken machine. So the cause that costs a quarter of its time is a warning, and all else a note.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from cudadoctor.attribution.profile.causes import Cause, Judgement, cause_of, judge
from cudadoctor.facts.base import Missing
from cudadoctor.facts.profile import LineRow, Profile
from cudadoctor.facts.race import Race
from cudadoctor.findings import Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import CannotJudgeError, RuleFunction, finding
from cudadoctor.text import printable

NOT_PROFILED = Missing("no program was profiled")
_ON_HOST = ("host-bound-not-gpu", "dataloader-bound", "storage-bound", "compile-every-step")


def program_finding(
    about: RuleFunction, profile: Profile | Missing, *, seen: str, cause: str, fix: Fix
) -> Iterator[Finding]:
    """Yield the finding of a cause that clears the thresholds in a profiled program; nothing for one that does not.

    Args:
        about: The rule; its id is the cause's.
        profile: The profile.
        seen: What the program does, as a phrase that completes "The program ...".
        cause: The mechanism.
        fix: What to change.
    """
    if isinstance(profile, Missing):
        return
    found = cause_of(profile, about.rule.id)
    if found is None:
        yield from _suspicion(about, profile, seen=seen, cause=cause, fix=fix)
        return
    judgement, told = found
    place = _place(judgement, told)
    made = finding(
        about,
        severity=severity_of(told),
        summary=f"The program {seen}{place}. {cost(told)}",
        cause=cause,
        confidence=told.confidence,
        evidence=evidence_of(judgement, told),
        fix=fix,
    )
    # What proves a cause in the race proves nothing of this program.
    yield msgspec.structs.replace(made, confirm=None)


def _suspicion(about: RuleFunction, profile: Profile, *, seen: str, cause: str, fix: Fix) -> Iterator[Finding]:
    """Yield the finding of a cause that stands out in a program whose runs differ too much to predict anything."""
    suspect = judge(profile).suspect
    if suspect is None or suspect.cause != about.rule.id:
        return
    evidence = [Evidence(sign.name, float(f"{sign.value:.4g}"), sign.source) for sign in suspect.seen]
    made = finding(
        about,
        severity=Severity.WARNING,
        summary=f"The program {seen}. What that costs is not predicted, since its runs differ too much.",
        cause=cause,
        confidence="possible",
        evidence=(*evidence, *_replayed(profile)),
        fix=fix,
    )
    yield msgspec.structs.replace(made, confirm=None)


def needs_one(race: Race | Missing, profile: Profile | Missing) -> None:
    """Raise where there is neither a race nor a profile to judge."""
    if isinstance(race, Missing) and isinstance(profile, Missing):
        raise CannotJudgeError(f"the section race is missing: {race.reason}")


def severity_of(cause: Cause) -> Severity:
    """Return `warning` for the lead cause, `note` for all others."""
    return Severity.WARNING if cause.lead else Severity.NOTE


def cost(cause: Cause) -> str:
    """Return what a cause costs a step, or the run, and how that is known."""
    if_gone = cause.what_if
    how = "predicted by replay" + ("; at most" if if_gone.bound else "")
    if if_gone.scope == "run":
        seconds = f"{if_gone.saved_ms / 1e3:.2f} of the {if_gone.now_ms / 1e3:.2f} s"
        return f"That costs {seconds} of the run ({100 * cause.share:.0f} %)."
    saved, low, high, now, unit = _scaled(if_gone.saved_ms, max(0.0, if_gone.low_ms), if_gone.high_ms, if_gone.now_ms)
    run = f"; {if_gone.run_saved_s:.2f} s of the run" if if_gone.run_saved_s >= 0.01 else ""
    of = f"the {now} {unit} that a step takes"
    return f"That costs {saved} ({low} to {high}) of {of} ({100 * cause.share:.0f} %, {how}){run}."


def evidence_of(judgement: Judgement, cause: Cause) -> tuple[Evidence, ...]:
    """Return what was seen, and the figures that the judgement rests on."""
    if_gone = cause.what_if
    told = [Evidence(sign.name, float(f"{sign.value:.4g}"), sign.source) for sign in if_gone.seen]
    whole = "the run" if if_gone.scope == "run" else "a step"
    told.append(Evidence(f"{whole}, ms", float(f"{if_gone.now_ms:.4g}"), "trace, without the tracer's cost"))
    told.append(Evidence(f"{whole} without this cause, ms", float(f"{if_gone.predicted_ms:.4g}"), "replay, predicted"))
    told += [Evidence("kernel", printable(name), "trace") for name in if_gone.where[:3]]
    if cause.probe is not None:
        told.append(Evidence("time gained over delay added to these calls", round(cause.probe.slope, 2), "probe"))
    return (*told, *_replayed(judgement.profile))


def _replayed(profile: Profile) -> Iterator[Evidence]:
    replay = profile.analysis.replay if profile.analysis is not None else None
    if replay is not None and replay.error is not None:
        yield Evidence("replay over untraced run", f"{100 * (round(replay.error, 3) + 0.0):+.1f} %", "replay")


def _scaled(*values: float) -> tuple[str, ...]:
    """Return times in milliseconds in the unit of the last of them, and that unit."""
    now = values[-1]
    factor, unit = (1e3, "µs") if now < 1 else (1.0, "ms") if now < 1e4 else (1e-3, "s")
    digits = 0 if now * factor >= 100 else 1 if now * factor >= 10 else 2
    return (*(f"{each * factor:.{digits}f}" for each in values), unit)


def _place(judgement: Judgement, cause: Cause) -> str:
    """Return the line at which the host was found most while the GPU was idle, for causes that lie in Python."""
    analysis = judgement.profile.analysis
    if cause.id not in _ON_HOST or analysis is None or not analysis.lines:
        return ""
    line: LineRow = max(analysis.lines, key=lambda each: each.idle_share)
    if line.idle_share < 0.3:
        return ""
    name = line.file.replace("\\", "/").rpartition("/")[2]
    return f", for the most part in {printable(name)}:{line.line} ({printable(line.function)})"
