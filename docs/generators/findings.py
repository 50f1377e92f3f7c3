"""A page for each finding, and their list."""

from __future__ import annotations

from cudadoctor.rules.base import Rule
from cudadoctor.rules.catalogue import RULES
from cudadoctor.rules.pasted.answer import how_to_tell


def pages() -> dict[str, str]:
    """Return the pages by their path under docs/."""
    made = {f"findings/{rule.id}.md": _page(rule) for rule in RULES}
    made["findings/README.md"] = _index()
    return made


def _page(rule: Rule) -> str:
    needs = ", ".join(f"`{name}`" for name in rule.needs + rule.admits)
    how = f"judged from the facts {needs}" if needs else "named by `cudadoctor why` from a pasted text"
    return f"{rule.page.strip()}\n{how_to_tell(rule)}\n---\n`{rule.id}`, {rule.severity.value}; {how}.\n"


def _index() -> str:
    rows = "\n".join(f"| [`{rule.id}`]({rule.id}.md) | {rule.severity.value} | {rule.title} |" for rule in RULES)
    intro = "# Findings\n\nIn the order in which one explains the next; last those that only a text shows.\n"
    return f"{intro}\n| id | severity | what is wrong |\n|---|---|---|\n{rows}\n"
