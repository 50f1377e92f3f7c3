"""The report as Markdown, fit for an issue: short, details folded."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cudadoctor.facts.base import Fact, Known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import SAID_BY_TEXT, Diagnosis, Finding
from cudadoctor.report.frameworks import TITLE as FRAMEWORKS_TITLE
from cudadoctor.report.frameworks import rows as framework_rows
from cudadoctor.report.plan import plan_for_markdown
from cudadoctor.report.road import rows
from cudadoctor.text import printable

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~@!])")


def render_markdown(diagnosis: Diagnosis, sentence: str, lines: Sequence[str] = ()) -> str:
    """Return the report as GitHub-flavoured Markdown."""
    parts = [f"### cudadoctor {diagnosis.command}: {diagnosis.status}", "", _escape(sentence), ""]
    if diagnosis.plan is not None:
        parts += _block(plan_for_markdown(diagnosis.plan))
    for finding in diagnosis.findings if diagnosis.plan is None else ():
        parts += _finding(finding)
    if lines:
        parts += _block("\n".join(lines))
    parts += _machine(diagnosis)
    if isinstance(diagnosis.facts.ladder, Ladder):
        road = "\n".join(f"{row.name:15} {row.state:12} {row.detail}".rstrip() for row in rows(diagnosis.facts.ladder))
        parts += [
            "<details><summary>The road from the PCI bus to a kernel</summary>",
            "",
            *_block(road),
            "</details>",
            "",
        ]
    told = framework_rows(diagnosis.facts.frameworks)
    if told:
        listed = "\n".join(f"{name:24} {state:10} {text}".rstrip() for name, state, text in told)
        parts += [f"<details><summary>{FRAMEWORKS_TITLE}</summary>", "", *_block(listed), "</details>", ""]
    if diagnosis.skipped:
        skipped = "\n".join(f"{item.rule}: {item.reason}" for item in diagnosis.skipped)
        parts += ["<details><summary>Not judged</summary>", "", *_block(skipped), "</details>", ""]
    parts.append(f"<sub>cudadoctor {diagnosis.version}, report schema {diagnosis.schema_version}</sub>")
    return "\n".join(parts) + "\n"


def _finding(finding: Finding) -> list[str]:
    parts = [
        f"**{finding.severity.value}: {_escape(finding.title)}** (`{finding.id}`)",
        "",
        _escape(finding.summary),
        "",
    ]
    parts += [f"Cause ({finding.confidence}): {_escape(finding.cause)}", ""]
    for item in finding.evidence:
        value = "-" if item.value is None else str(item.value)
        if item.name == SAID_BY_TEXT:
            parts.append(f"- {_escape(item.source)}: {_code(value)}")
            continue
        parts.append(f"- {_escape(item.name)}: {_code(value)} (from {_code(item.source)})")
    if finding.confirm is not None:
        parts += ["", f"To tell: if this is the cause, you see {_escape(finding.confirm.shows)}:", ""]
        parts += _block(finding.confirm.command, "sh")[:-1]
    parts += ["", f"Fix: {_escape(finding.fix.text)}", ""]
    if finding.fix.commands:
        parts += _block("\n".join(finding.fix.commands), "sh")
    return parts


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
