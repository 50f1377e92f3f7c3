"""The import diagram of architecture.md, from the layers that import-linter checks (pyproject.toml)."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from xml.sax.saxutils import escape

from generators.marks import fill

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
_WIDTH, _ROW, _GAP, _PAD = 480, 40, 18, 12
_STYLE = (
    "rect{fill:#f3f5f8;stroke:#8792a2;stroke-width:1.2}.panel{fill:#fff;stroke:none}"
    ".free{fill:#e6f2ea;stroke:#4f8a63}"
    "text{font:600 14px system-ui,sans-serif;fill:#1c2430;text-anchor:middle}"
    "path{stroke:#8792a2;fill:none}"
)


def filled(page: str) -> str:
    """Return architecture.md with the diagram and what it says in words."""
    names = " -> ".join(" | ".join(row) for row in layers())
    rooms = "\n".join(f"- `{name}`: {_about(name)}" for row in layers() for name in row if _about(name))
    text = (
        f"![Each room imports only from the rooms below it: {names}](imports.svg)\n\n"
        "Green rooms touch no device, and neither does anything that they import: they run on any laptop.\n\n"
        f"{rooms}"
    )
    return fill(page, "imports", text)


def layers() -> list[list[str]]:
    """Return the rows of rooms, the highest first; rooms that are not built yet are left out."""
    rows = [re.findall(r"cudadoctor\.(\w+)", row) for row in _contracts()[0]["layers"]]
    there = [[name for name in row if _exists(name)] for row in rows]
    return [row for row in there if row]


def diagram() -> str:
    """Return the diagram as SVG."""
    free = {name.removeprefix("cudadoctor.") for name in _contracts()[1]["source_modules"]}
    rows = layers()
    height = 2 * _PAD + len(rows) * (_ROW + _GAP) - _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img">',
        f"<title>{escape('Each room imports only from the rooms below it')}</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="6" refY="4" orient="auto">'
        '<path d="M1 1 L6 4 L1 7"/></marker></defs>',
        f'<rect class="panel" width="{_WIDTH}" height="{height}" rx="8"/>',
    ]
    for place, row in enumerate(rows):
        top = _PAD + place * (_ROW + _GAP)
        width = (_WIDTH - 2 * _PAD - (len(row) - 1) * _GAP) / len(row)
        for column, name in enumerate(row):
            left = _PAD + column * (width + _GAP)
            kind = ' class="free"' if name in free else ""
            parts.append(f'<rect{kind} x="{left:.0f}" y="{top}" width="{width:.0f}" height="{_ROW}" rx="6"/>')
            parts.append(f'<text x="{left + width / 2:.0f}" y="{top + 25}">{name}</text>')
        if place:
            middle = _WIDTH / 2
            parts.append(f'<path d="M{middle:.0f} {top - _GAP + 2} V{top - 2}" marker-end="url(#tip)"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _contracts() -> list[dict[str, list[str]]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, list[str]]] = settings["tool"]["importlinter"]["contracts"]
    return found


def _exists(name: str) -> bool:
    return importlib.util.find_spec(f"cudadoctor.{name}") is not None


def _about(name: str) -> str:
    """Return the first sentence of a room's docstring."""
    text = importlib.import_module(f"cudadoctor.{name}").__doc__ or ""
    return " ".join(text.partition("\n\n")[0].split()) if name != "__main__" else ""
