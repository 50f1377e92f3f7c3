"""What a rule says: findings with evidence and a fix; and the diagnosis that collects them."""

from __future__ import annotations

from enum import Enum
from typing import Literal

import msgspec

from cudadoctor.facts.machine import Machine

SCHEMA_VERSION = 1

Confidence = Literal["proven", "supported", "possible"]
Status = Literal["ok", "warning", "error", "unknown"]


class Severity(str, Enum):
    """How bad a finding is: `error` stops the GPU from being used as asked, `warning` costs, `note` informs."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """Order of severities, the worst is 0."""
        return ("error", "warning", "note").index(self.value)


class Evidence(msgspec.Struct, frozen=True):
    """One thing that was seen: its name, its value, and the call, file or variable that it came from."""

    name: str
    value: str | int | float | bool | None
    source: str


class Fix(msgspec.Struct, frozen=True):
    """What to do. The commands are shown, never run, and work when pasted."""

    text: str
    commands: tuple[str, ...] = ()


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One cause of trouble on this machine.

    `summary` carries this machine's numbers; `cause` explains the mechanism; `consequences` are the ids of findings
    that follow from this one and are therefore left out of the report.
    """

    id: str
    severity: Severity
    title: str
    summary: str
    cause: str
    confidence: Confidence
    evidence: tuple[Evidence, ...]
    fix: Fix
    docs: str
    consequences: tuple[str, ...] = ()


class SkippedRule(msgspec.Struct, frozen=True):
    """A rule that could not be judged, and why. Skipped is not passed."""

    rule: str
    reason: str


class Refusal(msgspec.Struct, frozen=True):
    """Why the command did not do what was asked; `exit_code` is 2 (bad input) or 3 (could not be done)."""

    message: str
    exit_code: int


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a command: what every report is made from."""

    command: str
    version: str
    status: Status
    findings: tuple[Finding, ...] = ()
    skipped: tuple[SkippedRule, ...] = ()
    facts: Machine = Machine()
    error: Refusal | None = None
    schema_version: int = SCHEMA_VERSION
