"""What a page says: a section as a paragraph, and how to fix it with commands that fit the text and the machine."""

from __future__ import annotations

import re

from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Fix
from cudadoctor.rules.base import Rule

_BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)

_LIST = re.compile(r"(?:^- .*\n(?:^  .*\n)*)+", re.MULTILINE)

# A block and the line that says what it is for.
_ROAD = re.compile(r"^((?:On|With) [^\n]*:)\n+^```\w*\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)

# "With JAX (jaxlib):": a text may name it by these words too.
_BY_WHAT_NAMES = re.compile(r"(?<=[\w]) \([^()\n]*\):(?=\n+```)")


def section(rule: Rule, heading: str) -> str:
    """Return a section of a rule's page as one paragraph, without code blocks and backticks."""
    return _paragraph(_body(rule, heading))


def fix_of(rule: Rule, machine: Machine | None = None, texts: tuple[str, ...] = (), system: str = "") -> Fix:
    """Return what a rule's page says about fixing it; the lines of its code blocks are the commands.

    Of blocks that are led in by what they are for ("On Ubuntu:", "With JAX:") one stays: the one with what the
    text names, that of the system, or else the first. Where the rule knows commands for the machine, they take the
    place of those for a system.

    Args:
        rule: Whose page it is.
        machine: Whose commands are wanted; None for those of the page.
        texts: What was pasted, in small letters: the lines that count, then all of it.
        system: `Windows`, or "" for Linux.
    """
    body = _body(rule, "How to fix it")
    roads = list(_ROAD.finditer(body))
    taken = next((road for text in texts if (road := _named(roads, text))), None)
    taken = taken or next((road for road in roads if road[1] == f"On {system}:"), None) or next(iter(roads), None)
    for road in reversed(roads):
        if road is not taken:
            body = body[: road.start()] + body[road.end() :]
    body = _BY_WHAT_NAMES.sub(":", body)
    if rule.commands_here is not None and machine is not None and (taken is None or taken[1].startswith("On ")):
        here = rule.commands_here(machine)
        if here:
            return Fix(_paragraph(_ROAD.sub("", body)), here)
    lines = [line.strip() for match in _BLOCK.finditer(body) for line in match[1].splitlines()]
    return Fix(_paragraph(body), tuple(line for line in lines if line))


def _named(roads: list[re.Match[str]], text: str) -> re.Match[str] | None:
    """Return the block whose "With ...:" the text names by a word that no other block has."""
    words = {road: set(re.findall(r"\w+", road[1].lower())) for road in roads if road[1].startswith("With ")}
    for road, own in words.items():
        others = {word for other in words if other is not road for word in words[other]} | {"with"}
        if any(re.search(rf"\b{word}\b", text) for word in own - others):
            return road
    return None


def _body(rule: Rule, heading: str) -> str:
    match = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", rule.page, re.MULTILINE | re.DOTALL)
    return match[1] if match else ""


def _paragraph(text: str) -> str:
    return " ".join(_LIST.sub(_sentence, _BLOCK.sub("", text)).replace("`", "").split())


def _sentence(items: re.Match[str]) -> str:
    """Return a list as one sentence: `a; b; c.`."""
    return f"{'; '.join(item.strip() for item in re.split(r'^- ', items[0], flags=re.MULTILINE)[1:])}.\n"
