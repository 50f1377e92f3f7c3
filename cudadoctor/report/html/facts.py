"""All facts as rows of text, section by section: what the folded end of the page shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import msgspec

from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.timeline import Excerpt
from cudadoctor.text import printable

MOST_BYTES = 1_300_000
"""Of all rows with their markup, so that a page stays below 2 MB; a node with 16 GPUs may have more."""

_MARKUP_BYTES = 90


class FactRow(msgspec.Struct, frozen=True):
    """One fact: its path within the section, its value as text, and its source."""

    name: str
    value: str
    source: str
    missing: bool = False


class FactSection(msgspec.Struct, frozen=True, kw_only=True):
    """One section: its rows, or the reason why there are none. `left_out` counts rows for which there was no room."""

    name: str
    rows: tuple[FactRow, ...] = ()
    missing: str = ""
    left_out: int = 0


def fact_sections(machine: Machine) -> list[FactSection]:
    """Return the sections of a machine that was looked at; none if nothing was."""
    sections = [(field, getattr(machine, field)) for field in machine.__struct_fields__]
    if all(isinstance(section, Missing) for _, section in sections):
        return []
    room = MOST_BYTES
    made = []
    for name, section in sections:
        if isinstance(section, Missing):
            made.append(FactSection(name=name.replace("_", " "), missing=section.reason))
            continue
        kept: list[FactRow] = []
        left_out = 0
        for row in rows_of(section):
            room -= _size(row)
            if room > 0:
                kept.append(row)
            else:
                left_out += 1
        made.append(FactSection(name=name.replace("_", " "), rows=tuple(kept), left_out=left_out))
    return made


def _size(row: FactRow) -> int:
    texts = (printable(text) for text in (row.name, row.value, row.source))
    return _MARKUP_BYTES + sum(len(escape(text).encode()) for text in texts)


def rows_of(section: msgspec.Struct) -> list[FactRow]:
    """Return all values of a section; within lists, the place stands in brackets after the name."""
    return [row for field in section.__struct_fields__ for row in _rows(field, getattr(section, field))]


def _rows(name: str, value: Any) -> Iterator[FactRow]:
    if isinstance(value, Missing):
        yield FactRow(name, f"unknown: {value.reason}", "", missing=True)
    elif isinstance(value, Known):
        for row in _rows(name, value.value):
            yield FactRow(row.name, row.value, row.source or value.source, row.missing)
    elif isinstance(value, Excerpt):
        yield FactRow(name, f"{len(value.spans)} spans in {len(value.lanes)} lanes, drawn above", "")
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from _rows(f"{name}.{field}", getattr(value, field))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _rows(f"{name}.{key}", item)
    elif isinstance(value, (list, tuple)) and not _plain(value):
        for place, item in enumerate(value):
            yield from _rows(f"{name}[{place}]", item)
    else:
        yield FactRow(name, _text(value), "")


def _plain(items: Sequence[Any]) -> bool:
    return all(isinstance(item, (str, int, float, bool)) or item is None for item in items)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value)) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
