"""The answer to why a program is slow, in at most two sentences."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.attribution.circumstances import at_power_limit
from cudadoctor.attribution.profile.causes import Cause, Judgement, judge
from cudadoctor.facts.profile import Breakdown, Profile
from cudadoctor.findings import Finding, Severity
from cudadoctor.report.profile.words import IDLE_NAMES, PASS_WHILE, ms, seconds, span
from cudadoctor.text import printable


def profile_sentence(profile: Profile, findings: Sequence[Finding]) -> str:
    """Return what costs most and what its end would bring; that nothing is wrong; or what is not known, and why."""
    judgement = judge(profile)
    ended = _ended(profile)
    if findings and findings[0].severity is Severity.ERROR:
        return f"{findings[0].title}.{f' The program {ended}.' if ended else ''}"
    if profile.analysis is not None and not profile.analysis.used_gpu:
        if ended:
            return f"The program {ended}, before any work of a GPU was recorded."
        return f"{_how_long(profile)} No work of a GPU was recorded: it computes on the CPU, or in an untraced process."
    if judgement.suspect is not None:
        passing = PASS_WHILE.get(judgement.suspect.cause, f"it is held up ({judgement.suspect.cause})")
        return (
            f"{_how_long(profile)} For the most part, it seems, {passing}; what that costs is not predicted: "
            f"{judgement.unknown}."
        )
    if judgement.unknown:
        return f"{_how_long(profile)} Why it does not take less is not known: {judgement.unknown}."
    lead = judgement.lead
    if lead is not None:
        return f"{_cost(judgement, lead)} {_gain(lead)}"
    if ended:
        return f"The program {ended}. {_without_lead(judgement)}"
    return _without_lead(judgement)


def _ended(profile: Profile) -> str:
    """Return how the last run of the program ended, "" if it ended well."""
    for run in (profile.traced, *profile.control):
        if run is None:
            continue
        if run.signal:
            return f"was ended by {printable(run.signal)} after {seconds(run.wall_s)}"
        if not run.complete:
            return f"was cut off after {seconds(run.wall_s)}"
        if run.exit_code:
            return f"ended with exit code {run.exit_code} after {seconds(run.wall_s)}"
    return ""


def _how_long(profile: Profile) -> str:
    ended = _ended(profile)
    if ended:
        return f"The program {ended}."
    walls = sorted(run.wall_s for run in profile.control)
    if not walls:
        return "The program was not run untraced."
    return f"The program takes {seconds(walls[len(walls) // 2])}."


def _cost(judgement: Judgement, cause: Cause) -> str:
    what_if = cause.what_if
    passing = PASS_WHILE.get(cause.id)
    whole = "the program's run takes" if what_if.scope == "run" else "a step takes"
    until = _ended(judgement.profile)
    begin = f"The program {until}; of" if until else "Of"
    at_most = "at most " if what_if.bound else ""
    while_ = f"pass while {passing}" if passing else f"are lost to {cause.id}"
    cost = f"{at_most}{ms(what_if.saved_ms)} ({100 * cause.share:.0f} %)"
    return f"{begin} the {ms(what_if.now_ms)} that {whole}, {cost} {while_}."


def _gain(cause: Cause) -> str:
    what_if = cause.what_if
    low, high = (max(0.0, what_if.now_ms - saved) for saved in (what_if.high_ms, what_if.low_ms))
    least = "at least " if what_if.bound else ""
    run = ""
    if what_if.scope == "step" and what_if.run_saved_s > 0:
        run = f", and the whole run {seconds(what_if.run_saved_s)} less"
    return f"Without that it would take {least}{ms(what_if.predicted_ms)} (predicted; {span(low, high)}){run}."


def _without_lead(judgement: Judgement) -> str:
    steady = judgement.steady
    if steady is None:
        return "No work of a GPU was recorded."
    share = steady.share("kernels")
    analysis = judgement.profile.analysis
    stepped = analysis is not None and analysis.steps.found_by != "none"
    of = "a step" if stepped else "the time from the first to the last GPU work"
    if judgement.busy:
        return f"Nothing is wrong: kernels take {100 * share:.0f} % of {of}, and no cause is sure to cost 5 % of it."
    most = _most_idle(steady)
    idle = f"; for {_percent(most[1])} the GPU waits while the {most[0]}" if most is not None else ""
    smaller = [cause for cause in judgement.causes if cause.share >= 0.05]
    told = " and ".join(f"{cause.id} {ms(cause.what_if.saved_ms)} ({100 * cause.share:.0f} %)" for cause in smaller[:2])
    costs = f" What costs something: {told}." if told else ""
    if at_power_limit(judgement.profile):
        costs += " The GPU is at its power limit: with fewer gaps its clocks would be lower."
    return f"No single cause costs a quarter: kernels take {_percent(share)} of {of}{idle}.{costs}"


def _percent(share: float) -> str:
    return "less than 1 %" if share < 0.005 else f"{100 * share:.0f} %"


def _most_idle(steady: Breakdown) -> tuple[str, float] | None:
    """Return what the host is at while the GPU waits longest, and its share."""
    names = {part.name for part in steady.parts if part.kind == "idle"}
    shares = {name: steady.share("idle", name) for name in names}
    name = max(sorted(shares), key=shares.__getitem__, default=None)
    if name is None or shares[name] < 0.05:
        return None
    return IDLE_NAMES.get(name, f"host is at {printable(name)}"), shares[name]
