"""Limits that held a GPU's clocks down while something was measured, by NVML's counters."""

from __future__ import annotations

from cudadoctor.attribution.circumstances import held_down
from cudadoctor.facts.base import Missing
from cudadoctor.facts.explanation import Explanation
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Race
from cudadoctor.findings import Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import RuleFunction, finding
from cudadoctor.text import printable


def held_down_meanwhile(
    about: RuleFunction,
    race: Race | Missing,
    profile: Profile | Missing,
    *,
    by: str,
    told: str,
    severity: Severity,
    cause: str,
    fix: Fix,
) -> tuple[Finding, ...]:
    """Return the finding of a limit that held the clocks down for 5 % of a race or more, else of a profiled run.

    Args:
        about: The rule.
        race: The race.
        profile: The profile.
        by: A word of the limit's name: `power`, `thermal`.
        told: The limit as the sentence begins: `Heat`.
        severity: How bad that is.
        cause: Where it comes from.
        fix: What to do.
    """
    explained = race.explanation if isinstance(race, Race) else None
    program = profile if isinstance(profile, Profile) else None
    measured: tuple[tuple[Explanation | Profile | None, str, str], ...] = (
        (explained, "race", "the race"),
        (program, "profile", "the program's run"),
    )
    for seen, source, whole in measured:
        held = held_down(seen, by) if seen is not None else None
        if seen is None or held is None:
            continue
        policy, share = held
        made = finding(
            about,
            severity=severity,
            summary=f"{told} held the clocks of the GPU down for {100 * share:.0f} % of {whole}.",
            cause=cause,
            confidence="proven",
            evidence=(
                Evidence(
                    f"time held down by {printable(policy)}, share of {whole}",
                    round(share, 3),
                    "nvmlDeviceGetViolationStatus",
                ),
                Evidence(f"length of {whole}, s", round(seen.window_s or 0.0, 2), source),
            ),
            fix=fix,
        )
        return (made,)
    return ()
