"""A diagnosis, and the facts of a machine, as short HTML for a notebook: strings in, text out, no other package.

Everything that comes from a machine is escaped. Colours are the notebook's own but for the mark of a severity, so that
it reads in light and dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.facts.base import Missing
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Race
from cudadoctor.findings import Diagnosis, Finding, by_reason
from cudadoctor.text import printable

_MARK = {
    "error": "#d1392f",
    "warning": "#b87503",
    "note": "#2b78c5",
    "ok": "#2d8a4e",
    "unknown": "#7a828c",
}
_COLUMNS = 100


def diagnosis_html(diagnosis: Diagnosis, sentence: str) -> str:
    """Return the answer, the findings with their fixes, and what was measured; evidence and figures are folded.

    Args:
        diagnosis: What was found, without what a stranger need not see.
        sentence: The answer.
    """
    parts = [f"<p>{_mark(diagnosis.status)} {_text(sentence)}</p>"]
    parts += [_finding(finding) for finding in diagnosis.findings]
    parts += [_folded(title, f"<pre>{_block(lines)}</pre>") for title, lines in _measured(diagnosis.facts)]
    if diagnosis.skipped:
        reasons = by_reason(diagnosis.skipped)
        rows = [(_text(reason), f"<code>{_text(', '.join(rules))}</code>") for reason, rules in reasons.items()]
        parts.append(_folded(f"{len(diagnosis.skipped)} rules were not judged", _table(rows)))
    return f"<div>{''.join(parts)}</div>"


def facts_html(facts: Machine) -> str:
    """Return the sections of a machine: those that are there, and why the others are not."""
    sections = {name: getattr(facts, name) for name in facts.__struct_fields__}
    present = [name for name, section in sections.items() if not isinstance(section, Missing)]
    missing = [(name, section.reason) for name, section in sections.items() if isinstance(section, Missing)]
    parts = [f"<p>Facts of one machine: {', '.join(f'<code>{name}</code>' for name in present) or 'none'}.</p>"]
    if missing:
        rows = [(f"<code>{name}</code>", _text(reason)) for name, reason in missing]
        parts.append(_folded(f"{len(rows)} sections are missing", _table(rows)))
    return f"<div>{''.join(parts)}</div>"


def _finding(finding: Finding) -> str:
    seen = [(_text(item.name), _text(item.text), _text(item.source)) for item in finding.evidence]
    commands = f"<pre>{_block(finding.fix.commands)}</pre>" if finding.fix.commands else ""
    return (
        f"<p>{_mark(finding.severity.value)} <b>{_text(finding.title)}</b> <code>{_text(finding.id)}</code><br>"
        f"{_text(finding.summary)}<br>Fix: {_text(finding.fix.text)}</p>{commands}"
        + _folded(f"cause ({_text(finding.confidence)}) and evidence", f"<p>{_text(finding.cause)}</p>{_table(seen)}")
    )


def _measured(facts: Machine) -> Iterable[tuple[str, Sequence[str]]]:
    if isinstance(facts.bandwidth, Bandwidth):
        from cudadoctor.report.bandwidth import bandwidth_lines

        yield "bandwidth, as measured", bandwidth_lines(facts.bandwidth, _COLUMNS)
    if isinstance(facts.race, Race):
        from cudadoctor.report.race import race_lines

        yield "the race, as measured", race_lines(facts.race)
    if isinstance(facts.profile, Profile):
        from cudadoctor.report.profile import profile_lines

        yield "the profiled program, as measured", profile_lines(facts.profile, _COLUMNS)


def _mark(state: str) -> str:
    colour = _MARK.get(state, _MARK["unknown"])
    return f'<b style="color:{colour}">{_text(state)}</b>'


def _folded(title: str, inner: str) -> str:
    return f"<details><summary>{title}</summary>{inner}</details>"


def _table(rows: Iterable[Sequence[str]]) -> str:
    cells = ("".join(f'<td style="text-align:left">{cell}</td>' for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


def _text(text: str) -> str:
    return escape(printable(text))


def _block(lines: Iterable[str]) -> str:
    return escape("\n".join(printable(line) for line in lines))
