"""The report as Markdown, fit for an issue on GitHub: short, details folded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cudadoctor.facts.base import Fact, Known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import SAID_BY_TEXT, Diagnosis, Finding, by_reason
from cudadoctor.report.frameworks import TITLE as FRAMEWORKS_TITLE
from cudadoctor.report.frameworks import rows as framework_rows
from cudadoctor.report.plan import plan_for_markdown
from cudadoctor.report.road import rows
from cudadoctor.text import printable

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~@!])")


MOST_CHARACTERS = 60_000
"""GitHub takes 65,536 characters in an issue, and whoever pastes a report wants to say something too."""

_OPEN_LINES = 12
"""A measurement of more lines is folded."""

_MOST_NAMES = 20


def render_markdown(diagnosis: Diagnosis, sentence: str, lines: Sequence[str] = ()) -> str:
    """Return the report as GitHub-flavoured Markdown: the answer and the fixes open, all else folded.

    Parts that would make it longer than an issue may be are left out, and named at the end.
    """
    parts = [f"### cudadoctor {diagnosis.command}: {diagnosis.status}", "", _escape(sentence), ""]
    length, left_out = _length(parts), []
    for name, part in _parts(diagnosis, lines):
        if length + _length(part) > MOST_CHARACTERS:
            left_out.append(name)
            continue
        parts += part
        length += _length(part)
    if left_out:
        names = ", ".join(left_out[:_MOST_NAMES]) + (", ..." if len(left_out) > _MOST_NAMES else "")
        parts += [f"Left out, because it is longer than an issue may be: {names}. `--format json` has all of it.", ""]
    parts.append(f"<sub>cudadoctor {diagnosis.version}, report schema {diagnosis.schema_version}</sub>")
    return "\n".join(parts) + "\n"


def _parts(diagnosis: Diagnosis, lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the parts in their order, each with its name."""
    if diagnosis.plan is not None:
        yield "the plan", _block(plan_for_markdown(diagnosis.plan))
    for finding in diagnosis.findings if diagnosis.plan is None else ():
        yield finding.id, _finding(finding)
    if lines:
        block = _block("\n".join(lines))
        title = "what was measured or read"
        yield title, _folded(title.capitalize(), block) if len(lines) > _OPEN_LINES else block
    yield "the machine", _machine(diagnosis)
    if diagnosis.areas:
        listed = "\n".join(f"{area.name:10} {area.state:8} {area.detail}" for area in diagnosis.areas)
        yield "the areas", _folded("Area by area", _block(listed))
    if isinstance(diagnosis.facts.ladder, Ladder):
        steps = rows(diagnosis.facts.ladder)
        road = "\n".join(f"{row.name:15} {row.state:12} {row.detail}".rstrip() for row in steps)
        yield "the road", _folded("The road from the PCI bus to a kernel", _block(road))
    told = framework_rows(diagnosis.facts.frameworks)
    if told:
        listed = "\n".join(f"{name:24} {state:10} {text}".rstrip() for name, state, text in told)
        yield "the frameworks", _folded(FRAMEWORKS_TITLE, _block(listed))
    if diagnosis.skipped:
        skipped = "\n".join(f"{', '.join(names)}: {reason}" for reason, names in by_reason(diagnosis.skipped).items())
        yield "what was not judged", _folded("Not judged", _block(skipped))


def _folded(title: str, inner: Sequence[str]) -> list[str]:
    return [f"<details><summary>{title}</summary>", "", *inner, "</details>", ""]


def _length(parts: Sequence[str]) -> int:
    return sum(len(part) + 1 for part in parts)


def _finding(finding: Finding) -> list[str]:
    parts = [
        f"**{finding.severity.value}: {_escape(finding.title)}** (`{finding.id}`)",
        "",
        _escape(finding.summary),
        "",
        f"Fix: {_escape(finding.fix.text)}",
        "",
    ]
    if finding.fix.commands:
        parts += _block("\n".join(finding.fix.commands), "sh")
    inner = [_escape(finding.cause), ""]
    for item in finding.evidence:
        value = item.text
        if item.name == SAID_BY_TEXT:
            inner.append(f"- {_escape(item.source)}: {_code(value)}")
            continue
        inner.append(f"- {_escape(item.name)}: {_code(value)} (from {_code(item.source)})")
    inner += [""] if finding.evidence else []
    if finding.confirm is not None:
        inner += [f"To tell: if this is the cause, you see {_escape(finding.confirm.shows)}:", ""]
        inner += _block(finding.confirm.command, "sh")
    return parts + _folded(f"Cause ({finding.confidence}) and evidence", inner)


def _machine(diagnosis: Diagnosis) -> list[str]:
    rows = machine_rows(diagnosis.facts)
    if not rows:
        return []
    return ["| | |", "|---|---|", *(f"| {name} | {_escape(value)} |" for name, value in rows), ""]


def machine_rows(facts: Machine) -> list[tuple[str, str]]:
    """Return what a reader wants to know of the machine first: name and value, row by row."""
    rows: list[tuple[str, str]] = []
    if isinstance(facts.host, Host):
        rows += [("system", _value(facts.host.distribution)), ("kernel", _value(facts.host.kernel_release))]
        rows += [("Python", _value(facts.host.python_version))]
    if isinstance(facts.nvml, Nvml):
        rows.append(("driver release", _value(facts.nvml.driver_release)))
        rows += [(f"GPU {device.index}", _value(device.name)) for device in facts.nvml.devices]
    if isinstance(facts.driver, Driver):
        rows.append(("driver CUDA version", _value(facts.driver.cuda_version)))
    return rows


def _value(fact: Fact[str]) -> str:
    return fact.value if isinstance(fact, Known) else f"unknown: {fact.reason}"


def _escape(text: str) -> str:
    """Make text safe between Markdown's own signs: no markup, no mentions, no HTML."""
    return _SPECIAL.sub(r"\\\1", printable(text))


def _code(text: str) -> str:
    text = printable(text)
    fence = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def _block(text: str, language: str = "text") -> list[str]:
    text = printable(text, keep_newlines=True)
    fence = "`" * max(3, max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    return [f"{fence}{language}", text, fence, ""]
