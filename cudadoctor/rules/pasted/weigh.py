"""Weigh the signs of a text for each cause, and put the likeliest first."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from cudadoctor.facts.base import Missing
from cudadoctor.facts.host import Host
from cudadoctor.findings import Confidence, Evidence, Finding, Fix
from cudadoctor.rules.base import Rule
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

# A cause that leads the next by less is not told apart from it by the text.
_MARGIN = 3

_NO_HOST = Missing("the text alone is judged")


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


def findings_of(pasted: Pasted, ranked: tuple[Weighed, ...], host: Host | Missing = _NO_HOST) -> tuple[Finding, ...]:
    """Return weighed causes as findings, with the commands that fit the host."""
    findings = []
    for place, each in enumerate(ranked):
        next_weight = ranked[place + 1].weight if place + 1 < len(ranked) else 0
        confidence = _confidence(each.weight, ranked[0].weight, each.weight - next_weight if place == 0 else 0)
        evidence = tuple(
            Evidence("the text says", _short(pasted.lines[line]), f"line {pasted.numbers[line]}")
            for line in sorted(each.lines[:_LINES])
            if pasted.lines[line]
        )
        findings.append(
            Finding(
                id=each.rule.id,
                severity=each.rule.severity,
                title=each.rule.title,
                summary=_summary(evidence, confidence),
                cause=section(each.rule, "Why it matters"),
                confidence=confidence,
                evidence=evidence,
                fix=fix_of(each.rule, host),
                docs=f"docs/findings/{each.rule.id}.md",
                confirm=each.rule.confirm,
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
    lines = ", ".join(item.source for item in evidence)
    return f"{said[confidence]}: {lines}." if lines else f"{said[confidence]}."


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST_EVIDENCE else line[: _LONGEST_EVIDENCE - 3] + "..."


def section(rule: Rule, heading: str) -> str:
    """Return a section of a rule's page as one paragraph, without code blocks and backticks."""
    return _paragraph(_body(rule, heading))


def fix_of(rule: Rule, host: Host | Missing = _NO_HOST) -> Fix:
    """Return what a rule's page says about fixing it; the lines of its code blocks are the commands.

    Where the rule knows commands for the host, they take the place of the page's, and so does the line that leads to
    the page's own ("On Ubuntu:").
    """
    body = _body(rule, "How to fix it")
    here = rule.commands_here(host) if rule.commands_here is not None and isinstance(host, Host) else ()
    if here:
        return Fix(_paragraph(_LEAD_IN.sub("", body)), here)
    blocks = (match[1] for match in _BLOCK.finditer(body))
    return Fix(_paragraph(body), tuple(line.strip() for block in blocks for line in block.splitlines() if line.strip()))


_BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LEAD_IN = re.compile(r"^On [^\n]*:\n+(?=```)", re.MULTILINE)


def _body(rule: Rule, heading: str) -> str:
    match = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", rule.page, re.MULTILINE | re.DOTALL)
    return match[1] if match else ""


def _paragraph(text: str) -> str:
    return " ".join(_BLOCK.sub("", text).replace("`", "").split())
