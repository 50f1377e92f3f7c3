"""A step of the plan that findings stand in the way of: their fixes are what to do."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.findings import Finding, PlanStep


def from_findings(title: str, findings: Sequence[Finding], check: str, shows: str) -> PlanStep:
    """Return the step that is to be done, with what the findings say and what they would have typed."""
    return PlanStep(
        title=title,
        state="to do",
        why=" ".join(f"{finding.summary} {finding.fix.text}" for finding in findings),
        commands=tuple(dict.fromkeys(command for finding in findings for command in finding.fix.commands)),
        check=check,
        check_shows=shows,
        findings=tuple(finding.id for finding in findings),
    )
