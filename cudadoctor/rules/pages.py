"""The page of a finding: its rule's docstring, and how to tell the cause for sure."""

from __future__ import annotations

from collections.abc import Iterable

from cudadoctor.findings import Finding


def pages_of(findings: Iterable[Finding]) -> dict[str, str]:
    """Return the pages of the findings in Markdown, by their ids."""
    from cudadoctor.rules.catalogue import RULES
    from cudadoctor.rules.pasted.answer import how_to_tell

    wanted = {finding.id for finding in findings}
    return {rule.id: f"{rule.page.strip()}\n{how_to_tell(rule)}" for rule in RULES if rule.id in wanted}
