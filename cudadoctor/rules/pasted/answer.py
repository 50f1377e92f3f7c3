"""The answer of `why`: causes of a text, and what this machine's own findings add to them."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Diagnosis, Finding, Severity, Status
from cudadoctor.rules.base import Rule
from cudadoctor.rules.catalogue import RULES
from cudadoctor.rules.documented import DOCUMENTED
from cudadoctor.rules.pasted.memory import OwnMemory, own_memory
from cudadoctor.rules.pasted.text import Pasted
from cudadoctor.rules.pasted.weigh import alike, findings_of, weigh
from cudadoctor.rules.reading import owns_its_driver, system_of

_HELD_BY_OTHERS = "memory-held-by-other-process"


def cause_called(id: str) -> Rule | None:
    """Return the cause of that id, None if there is none."""
    return next((rule for rule in DOCUMENTED if rule.id == id), None)


def how_to_tell(rule: Rule) -> str:
    """Return the part of a page about `confirm`, "" where there is none."""
    if rule.confirm is None:
        return ""
    shows = f"If this is the cause, you see {rule.confirm.shows}:"
    return f"\n## How to tell it for sure\n{shows}\n\n```sh\n{rule.confirm.command}\n```\n"


def answer(text: str, here: Diagnosis | None, *, version: str) -> tuple[Diagnosis, str]:
    """Return the ranked causes of a text as a diagnosis, and one sentence for its head.

    Args:
        text: What was pasted.
        here: What `check` finds on this machine; None to judge the text alone.
        version: The version of cudadoctor, for the document.
    """
    pasted = Pasted(text)
    ranked = weigh(pasted, RULES)
    told = findings_of(pasted, ranked, _machine(here), _system(here))
    own = own_memory(text)
    if own is not None:
        # A program that is too large for its card is no fault of the environment.
        told = tuple(each for each in told if each.id != _HELD_BY_OTHERS)
        told = () if all(each.confidence == "possible" for each in told) else told
    found = combined(told, here.findings) if here is not None else told
    diagnosis = Diagnosis(command="why", version=version, status=_status(found), findings=found)
    if here is not None:
        diagnosis = msgspec.structs.replace(diagnosis, facts=here.facts, skipped=here.skipped)
    return diagnosis, _sentence(found, here, alike(ranked) if ranked else 0, own)


def _machine(here: Diagnosis | None) -> Machine | None:
    """Return this machine, for commands that fit it, where a driver would be installed in it."""
    return here.facts if here is not None and owns_its_driver(here.facts.host, here.facts.device_nodes) else None


def _system(here: Diagnosis | None) -> str:
    return "Windows" if here is not None and system_of(here.facts.host) == "Windows" else ""


def combined(told: tuple[Finding, ...], here: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Put first what the machine shows too, with its evidence and its fix; nothing that the text says is dropped.

    What is only a note on the machine weighs as the text says: there it went wrong.
    """
    by_id = {finding.id: finding for finding in reversed(here)}
    shown, only_told = [], []
    for each in told:
        mine = by_id.get(each.id)
        if mine is None:
            only_told.append(each)
            continue
        shown.append(
            msgspec.structs.replace(
                mine,
                summary=f"This machine shows it too. {mine.summary}",
                severity=min(mine.severity, each.severity, key=lambda severity: severity.rank),
                confidence="supported" if _only_odd(mine) else "proven",
                evidence=each.evidence + mine.evidence,
                confirm=each.confirm,
            )
        )
    return (*shown, *only_told)


def _only_odd(mine: Finding) -> bool:
    """Say whether the machine shows no more than that it may be so."""
    return mine.severity is Severity.NOTE and mine.confidence != "proven"


def _status(found: tuple[Finding, ...]) -> Status:
    # A text without a known problem proves nothing about any machine.
    if not found:
        return "unknown"
    worst = min(finding.severity.rank for finding in found)
    return "error" if worst == Severity.ERROR.rank else "warning" if worst == Severity.WARNING.rank else "ok"


def _sentence(found: tuple[Finding, ...], here: Diagnosis | None, alike: int, own: OwnMemory | None) -> str:
    if own is not None and not found:
        first = own.sentence
    elif found and alike > 1 and found[0].confidence != "proven":
        first = _undecided(found, alike)
    elif not found:
        first = "The text shows no problem that is known here."
    else:
        sure = {"proven": "The cause is", "supported": "The likeliest cause is", "possible": "A possible cause is"}
        others = len(found) - 1
        rest = _rest(others, "other")
        first = f"{sure[found[0].confidence]}: {found[0].title}.{rest}"
    ids = {finding.id for finding in found}
    beside = [each.id for each in (here.findings if here is not None else ()) if each.id not in ids]
    if beside:
        of_here = ", ".join(beside[:4])
        first += f" This machine has trouble of its own ({of_here}), which comes first if the text is from here: see "
        first += "`cudadoctor check`."
    return first


def _undecided(found: tuple[Finding, ...], alike: int) -> str:
    named = "; ".join(finding.title for finding in found[: min(alike, 3)])
    among = "" if alike <= 3 else ", among them"
    first = f"{alike} causes fit the text alike{among}: {named}. The command under each tells them apart."
    return first + _rest(len(found) - alike, "more")


def _rest(count: int, word: str) -> str:
    return f" {count} {word} cause{'s' if count > 1 else ''} would fit less well." if count else ""
