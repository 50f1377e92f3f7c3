"""The road from the PCI bus to a kernel, and the frameworks, as a part of the page."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.facts.frameworks import Frameworks
from cudadoctor.facts.ladder import Ladder
from cudadoctor.report.frameworks import TITLE as FRAMEWORKS_TITLE
from cudadoctor.report.frameworks import rows as framework_rows
from cudadoctor.report.html.parts import Cell, Figure, Part, Row, Table, numbers
from cudadoctor.report.road import rows

_STATE = {"passed": "ok", "failed": "error", "timed out": "error", "crashed": "error", "not reached": "later"}
_WORD = {"passed": "ok", "timed out": "hung"}


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


def _table(caption: str, what: str, steps: Sequence[tuple[str, str, str]]) -> Table:
    made = [
        Row((Cell(name), Cell(_WORD.get(state, state), state=_STATE.get(state, "")), Cell(detail)))
        for name, state, detail in steps
    ]
    return numbers(caption, (what, "", "what was seen"), made, texts=3, folds=False)
