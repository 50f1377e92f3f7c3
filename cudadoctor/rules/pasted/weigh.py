"""Weigh the signs of a text for each cause, and put the likeliest first."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from cudadoctor.facts.machine import Machine
from cudadoctor.findings import SAID_BY_TEXT, Confidence, Evidence, Finding
from cudadoctor.rules.base import Rule
from cudadoctor.rules.pasted.fixes import fix_of, section
from cudadoctor.rules.pasted.signs import Signs, read_signs
from cudadoctor.rules.pasted.text import Pasted

ENOUGH = 4
"""From this weight on a cause is named. Most single signs that only fit weigh 3 or less."""

_SHARE_OF_FIRST = 0.25
_MOST = 6
_LINES = 6
_LONGEST_EVIDENCE = 240

# Weights at which the text itself says so, and at which it usually means so.
_PROVEN, _SUPPORTED = 9, 6

_WINDOWS = re.compile(r"\.dll\b|\b[a-z]:\\|winerror|windows powershell")

# A cause that leads the next by less is not told apart from it by the text.
_MARGIN = 3


class Weighed(msgspec.Struct, frozen=True):
    """A cause, its weight, and the indices of the lines that speak for it, the weightiest first."""

    rule: Rule
    weight: int
    lines: tuple[int, ...]


def weigh(pasted: Pasted, causes: Iterable[Rule]) -> tuple[Weighed, ...]:
    """Return the causes that a text speaks for, likeliest first; among equals, the one of more specific signs."""
    signs = read_signs(pasted)
    if not signs:
        return ()
    found = [each for rule in causes if (each := _one(rule, signs)).weight >= ENOUGH]
    found.sort(key=lambda each: -each.weight)
    if not found:
        return ()
    least = found[0].weight * _SHARE_OF_FIRST
    return tuple(each for each in found[:_MOST] if each.weight >= least)


def _one(rule: Rule, signs: Signs) -> Weighed:
    met = [(weight, condition) for condition, weight in rule.shows if _holds(condition, signs)]
    lines: dict[int, None] = {}
    for weight, condition in sorted(met, key=lambda pair: -pair[0]):
        if weight > 0:
            for sign in condition.split():
                lines |= dict.fromkeys(signs.get(sign, ()))
    return Weighed(rule, sum(weight for weight, _ in met), tuple(lines))


def _holds(condition: str, signs: Signs) -> bool:
    return all((word[1:] not in signs) if word[0] == "!" else (word in signs) for word in condition.split())


def alike(ranked: tuple[Weighed, ...]) -> int:
    """Return how many causes, from the first on, the text does not tell apart."""
    return sum(ranked[0].weight - each.weight < _MARGIN for each in ranked)


def hypotheses(text: str, causes: Iterable[Rule]) -> tuple[Finding, ...]:
    """Return the causes of a pasted text as findings, likeliest first; none where the text shows no problem."""
    pasted = Pasted(text)
    return findings_of(pasted, weigh(pasted, causes))


def findings_of(
    pasted: Pasted, ranked: tuple[Weighed, ...], machine: Machine | None = None, system: str = ""
) -> tuple[Finding, ...]:
    """Return weighed causes as findings.

    Args:
        pasted: The text.
        ranked: What `weigh` made of it.
        machine: Whose commands the fixes are to have; None for those of the pages.
        system: `Windows` for commands that run there.
    """
    system = system or ("Windows" if _WINDOWS.search(pasted.flat) else "")
    findings = []
    for place, each in enumerate(ranked):
        next_weight = ranked[place + 1].weight if place + 1 < len(ranked) else 0
        confidence = _confidence(each.weight, ranked[0].weight, each.weight - next_weight if place == 0 else 0)
        evidence = tuple(
            Evidence(SAID_BY_TEXT, _short(pasted.lines[line]), f"line {pasted.numbers[line]}")
            for line in sorted(each.lines[:_LINES])
            if pasted.lines[line]
        )
        said = " ".join(str(item.value) for item in evidence).lower()
        findings.append(
            Finding(
                id=each.rule.id,
                severity=each.rule.severity,
                title=each.rule.title,
                summary=_summary(evidence, confidence),
                cause=section(each.rule, "Why it matters"),
                confidence=confidence,
                evidence=evidence,
                fix=fix_of(each.rule, machine, (said, pasted.flat), system),
                docs=f"docs/findings/{each.rule.id}.md",
                confirm=each.rule.how_to_tell(system) or each.rule.confirm,
            )
        )
    return tuple(findings)


def _confidence(weight: int, first: int, margin: int) -> Confidence:
    """Say how sure a text can make: its own words with nothing beside them prove, a usual meaning supports."""
    if weight >= _PROVEN and margin >= _MARGIN:
        return "proven"
    if weight >= _SUPPORTED and weight >= 0.6 * first:
        return "supported"
    return "possible"


def _summary(evidence: tuple[Evidence, ...], confidence: Confidence) -> str:
    said = {"proven": "The text says so", "supported": "The text points to it", "possible": "The text allows it"}
    numbers = [item.source.removeprefix("line ") for item in evidence]
    if len(numbers) > 1:
        return f"{said[confidence]}: lines {', '.join(numbers[:-1])} and {numbers[-1]}."
    return f"{said[confidence]}: line {numbers[0]}." if numbers else f"{said[confidence]}."


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST_EVIDENCE else line[: _LONGEST_EVIDENCE - 3] + "..."
