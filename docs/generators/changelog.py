"""The changelog, from its fragments: one file a change, one sentence a line."""

from __future__ import annotations

from pathlib import Path

from cudadoctor import __version__


def page(fragments: Path) -> str:
    """Return the page: what was added first, then how what was there has changed."""
    lines = [
        line.strip()
        for path in sorted(fragments.glob("*.md"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    groups: dict[str, list[str]] = {"Added": [], "Changed": [], "Fixed": [], "Removed": []}
    for line in lines:
        first = line.split()[0]
        groups[first if first in groups else "Changed"].append(line)
    parts = [f"# Changelog\n\n## {__version__}, not released yet\n"]
    for name, changes in groups.items():
        if changes:
            parts.append(f"### {name}\n\n" + "\n".join(f"- {change}" for change in changes) + "\n")
    return "\n".join(parts)
