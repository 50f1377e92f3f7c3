"""The areas of `check`, the road from the PCI bus to a kernel, and the frameworks, as parts of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cudadoctor.facts.frameworks import Frameworks
from cudadoctor.facts.ladder import Ladder
from cudadoctor.findings import Area
from cudadoctor.report.frameworks import TITLE as FRAMEWORKS_TITLE
from cudadoctor.report.frameworks import rows as framework_rows
from cudadoctor.report.html.parts import Cell, Figure, Part, Row, Table, numbers
from cudadoctor.report.road import rows

_STATE = {
    "passed": "ok", "warning": "warning", "error": "error", "failed": "error", "timed out": "error", "crashed": "error",
    "skipped": "later", "not reached": "later",
}  # fmt: skip
_WORD = {"passed": "ok", "timed out": "hung"}


def area_parts(areas: Sequence[Area]) -> list[Part]:
    """Return the areas of `check`, each with how it ended; nothing for other commands."""
    if not areas:
        return []
    table = _table("Areas", "area", [(area.name, area.state, area.detail) for area in areas], {})
    return [Part(title="Area by area", figures=(Figure(title="", tables=(table,)),))]


def road_parts(ladder: Ladder) -> list[Part]:
    """Return the steps, each with how it ended."""
    table = _table("Steps", "step", [(row.name, row.state, row.detail) for row in rows(ladder)])
    return [Part(title="The road from the PCI bus to a kernel", figures=(Figure(title="", tables=(table,)),))]


def framework_parts(frameworks: Frameworks) -> list[Part]:
    """Return what each framework said."""
    told: list[tuple[str, str, str]] = []
    for name, state, text in framework_rows(frameworks):
        # What follows the first row of a framework belongs to it, and stands in its cell.
        if name or state or not told:
            told.append((name, state, text))
        else:
            told[-1] = (*told[-1][:2], f"{told[-1][2]}\n{text}")
    table = _table("Frameworks", "framework", told)
    return [Part(title=FRAMEWORKS_TITLE, figures=(Figure(title="", tables=(table,)),))]


def _table(caption: str, what: str, steps: Sequence[tuple[str, str, str]], words: Mapping[str, str] = _WORD) -> Table:
    made = [
        Row((Cell(name), Cell(words.get(state, state), state=_STATE.get(state, "")), Cell(detail)))
        for name, state, detail in steps
    ]
    return numbers(caption, (what, "", "what was seen"), made, texts=3, folds=False)
