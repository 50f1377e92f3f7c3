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
from cudadoctor.rules.pasted.trouble import gpu_trouble, is_calm, is_the_programs
from cudadoctor.rules.pasted.words import NO_CAUSE, Leanings, leanings

ENOUGH = 4
"""From this weight of its signs on a cause is named. Most single signs that only fit weigh 3 or less."""

_LEANING = 3.5
"""Weight of a leaning by one nat; on threads of batches that neither signs nor words were made from, 2 to 4.5 did about
equally well, and 1.5 and 8 put fewer first."""

_ENOUGH_LEANING = 0.35
_ENOUGH_IN_TROUBLE = 0.06
"""From these probabilities on a cause is named for its words alone, if no problem at all is less likely than that: the
second where a text about a GPU, a driver or CUDA also tells of trouble or complains."""

_ENOUGH_WHEN_CALM = 0.6
_SURER_THAN_NONE = 5
"""From this probability on words, or signs that only fit, name a cause of a text in which nothing is said to fail, if
it is also so many times that of no problem."""

_HARDLY_NONE = 0.3
"""Below this probability of no problem, causes are named of a text about a GPU, a driver or CUDA that tells of trouble,
even if nothing is said for one of them in particular."""

_SURELY_NONE = 0.6
_UNLIKELY = 0.01
"""From the first probability that a text shows no problem on, only a message that says so itself names a cause, or one
that the words make more than unlikely."""

_BEYOND_DOUBT = 14
_CANDIDATES = 3
"""Where the signs of the first weigh less than `_BEYOND_DOUBT`, so many candidates are named."""

_FOUND_VERSION = re.compile(r"\bfound version (\d{4,5})\b")
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
    """A cause, the weight of its signs, that with the leaning of the words, and the lines that speak for it.

    Lines are indices into the text, the weightiest first.
    """

    rule: Rule
    weight: int
    total: float
    lines: tuple[int, ...]


def weigh(pasted: Pasted, causes: Iterable[Rule]) -> tuple[Weighed, ...]:
    """Return the causes that a text speaks for, likeliest first; among equals, the one of more specific signs."""
    signs = read_signs(pasted)
    words = leanings(pasted, signs)
    calm = is_calm(pasted)
    weighed = (_one(rule, signs, words) for rule in causes)
    every = sorted((each for each in weighed if not _talked_out(each, words, calm)), key=lambda each: -each.total)
    every = [each for each in every if each.weight >= 0 and each.lines]
    found = [each for each in every if each.weight >= ENOUGH or _signs_and_words(each, words)]
    if not found and not _worth_naming(pasted, every, words):
        return ()
    if not found or max(each.weight for each in found) < _BEYOND_DOUBT:
        found += [each for each in every[:_CANDIDATES] if each not in found]
        found.sort(key=lambda each: -each.total)
    least = max(each.weight for each in found) * _SHARE_OF_FIRST
    return tuple(each for place, each in enumerate(found[:_MOST]) if place < _CANDIDATES or each.weight >= least)


def _worth_naming(pasted: Pasted, every: list[Weighed], words: Leanings | None) -> bool:
    """Say whether a text that holds no sign of weight is to get candidates for its words."""
    if words is None or is_the_programs(pasted):
        return False
    in_trouble = gpu_trouble(pasted)
    if in_trouble and words.probability.get(NO_CAUSE, 0.0) < _HARDLY_NONE:
        return True
    least = _ENOUGH_IN_TROUBLE if in_trouble else _ENOUGH_LEANING
    return any(_leans(words, each.rule.id, least) for each in every)


def _one(rule: Rule, signs: Signs, words: Leanings | None) -> Weighed:
    met = [(weight, condition) for condition, weight in rule.shows if _holds(condition, signs)]
    lines: dict[int, None] = {}
    for weight, condition in sorted(met, key=lambda pair: -pair[0]):
        if weight > 0:
            for sign in condition.split():
                lines |= dict.fromkeys(signs.get(sign, ()))
    weight = sum(weight for weight, _ in met)
    leaning = words.of(rule.id) if words is not None else 0.0
    if words is not None:
        lines |= dict.fromkeys(words.lines.get(rule.id, ()))
    return Weighed(rule, weight, weight + _LEANING * leaning, tuple(lines))


def _signs_and_words(each: Weighed, words: Leanings | None) -> bool:
    """Say whether words are so sure that a sign which is too weak alone is enough."""
    return words is not None and each.weight > 0 and _leans(words, each.rule.id, _ENOUGH_LEANING)


def _talked_out(each: Weighed, words: Leanings | None, calm: bool) -> bool:
    """Say whether the words show a text without trouble, and the signs of the cause are not its own words.

    A calm text, which nowhere says that something went wrong, needs signs that usually mean the cause, or sure words.
    """
    if words is None or each.weight >= _PROVEN:
        return False
    none, cause = words.probability.get(NO_CAUSE, 0.0), words.probability.get(each.rule.id, 0.0)
    if calm and each.weight < _SUPPORTED and cause < max(_ENOUGH_WHEN_CALM, _SURER_THAN_NONE * none):
        return True
    return none >= _SURELY_NONE and cause < _UNLIKELY


def _leans(words: Leanings, cause: str, least: float) -> bool:
    probability = words.probability.get(cause, 0.0)
    return probability >= least and probability > words.probability.get(NO_CAUSE, 0.0)


def _holds(condition: str, signs: Signs) -> bool:
    return all((word[1:] not in signs) if word[0] == "!" else (word in signs) for word in condition.split())


def alike(ranked: tuple[Weighed, ...]) -> int:
    """Return how many causes the signs of a text do not tell apart from the first; its words only put them in order."""
    return sum(ranked[0].weight - each.weight < _MARGIN for each in ranked)


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
        beside = max((other.weight for other in ranked if other is not each), default=0)
        confidence = _confidence(each.weight, ranked[0].weight, each.weight - beside if place == 0 else 0)
        evidence = tuple(
            Evidence(SAID_BY_TEXT, _short(pasted.lines[line]), f"line {pasted.numbers[line]}")
            for line in sorted(each.lines[:_LINES])
            if pasted.lines[line]
        )
        said = " ".join(str(item.value) for item in evidence).lower()
        evidence += _read_aloud(said)
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


def _read_aloud(said: str) -> tuple[Evidence, ...]:
    """Return what a number of the text means that is easily taken for something else."""
    found = _FOUND_VERSION.search(said)
    if found is None:
        return ()
    number = int(found[1])
    meaning = f"CUDA {number // 1000}.{number % 1000 // 10}, the newest that the driver knows; no release of the driver"
    return (Evidence(f"{number} means", meaning, "cudaDriverGetVersion: 1000 x major + 10 x minor"),)


def _confidence(weight: int, first: int, margin: int) -> Confidence:
    """Say how sure a text can make: its own words with nothing beside them prove, a usual meaning supports."""
    if weight >= _PROVEN and margin >= _MARGIN:
        return "proven"
    if weight >= _SUPPORTED and weight >= 0.6 * first:
        return "supported"
    return "possible"


def _summary(evidence: tuple[Evidence, ...], confidence: Confidence) -> str:
    said = {"proven": "The text says so", "supported": "The text points to it", "possible": "The text allows it"}
    numbers = [item.source.removeprefix("line ") for item in evidence if item.name == SAID_BY_TEXT]
    if len(numbers) > 1:
        return f"{said[confidence]}: lines {', '.join(numbers[:-1])} and {numbers[-1]}."
    return f"{said[confidence]}: line {numbers[0]}." if numbers else f"{said[confidence]}."


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST_EVIDENCE else line[: _LONGEST_EVIDENCE - 3] + "..."
