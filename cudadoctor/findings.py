"""What a rule says: findings with evidence and a fix; and the diagnosis that collects them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Literal

import msgspec

from cudadoctor.facts.machine import Machine
from cudadoctor.text import listed

SCHEMA_VERSION = 1

SAID_BY_TEXT = "the text says"
"""The name of evidence that is a line of a pasted text; its source is the number of the line."""

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

    @property
    def text(self) -> str:
        """The value as a reader sees it."""
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        if isinstance(self.value, float) and self.value.is_integer():
            return str(int(self.value))
        return "-" if self.value is None else str(self.value)


def together(seen: Iterable[tuple[str, str, str]], most: int = 12) -> tuple[Evidence, ...]:
    """Return what was seen of many as evidence, where those that show the same share one piece.

    Args:
        seen: (name, value, source) of each; the source of the first stands for those that share.
        most: Pieces, and names in one, before the rest is counted.
    """
    names: dict[str, list[str]] = {}
    sources: dict[str, str] = {}
    for name, value, source in seen:
        names.setdefault(value, []).append(name)
        sources.setdefault(value, source)
    return tuple(
        Evidence(listed(names[value], most), value, sources[value] + (" and so on" if len(names[value]) > 1 else ""))
        for value in list(names)[:most]
    )


class Fix(msgspec.Struct, frozen=True):
    """What to do. The commands are shown, never run, and work when pasted."""

    text: str
    commands: tuple[str, ...] = ()


class Confirm(msgspec.Struct, frozen=True):
    """How to tell a cause for sure: a command that only reads, and what it shows if this is the cause."""

    command: str
    shows: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One cause of trouble on this machine.

    `summary` carries this machine's numbers; `cause` explains the mechanism; `consequences` are the ids of findings
    that follow from this one and are therefore left out of the report. `confirm` is there where the cause is not
    proven, and always in `why`.
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
    confirm: Confirm | None = None


class SkippedRule(msgspec.Struct, frozen=True):
    """A rule that could not be judged, and why. Skipped is not passed."""

    rule: str
    reason: str


def by_reason(skipped: Iterable[SkippedRule]) -> dict[str, list[str]]:
    """Return the ids of rules that were not judged, by the reason why."""
    reasons: dict[str, list[str]] = {}
    for each in skipped:
        reasons.setdefault(each.reason, []).append(each.rule)
    return reasons


class Refusal(msgspec.Struct, frozen=True):
    """Why the command did not do what was asked; `exit_code` is 2 (bad input) or 3 (could not be done)."""

    message: str
    exit_code: int


PlanState = Literal["done", "to do", "later", "not known"]


class PlanStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the plan.

    `start_up_lines` belong into the shell's start-up file. `check` is what proves that the step is done, and
    `check_shows` what it then prints.
    """

    title: str
    state: PlanState
    why: str
    commands: tuple[str, ...] = ()
    start_up_lines: tuple[str, ...] = ()
    check: str = ""
    check_shows: str = ""
    findings: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All steps, and the file that the start-up lines belong into."""

    steps: tuple[PlanStep, ...]
    start_up_file: str

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return all(step.state == "done" for step in self.steps)

    @property
    def hopeless(self) -> bool:
        """Whether the first step cannot be done by commands: there is no card that CUDA serves."""
        return self.steps[0].state == "to do"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One figure in two measurements, each with its lowest and highest sample (of a fit, its 95 % interval).

    `marked` says that each of the two lies outside the interval of the other, and that they differ by more than runs of
    a healthy machine do. `change_percent` is None where the saved figure is 0.
    """

    group: str
    key: str
    unit: Literal["GB/s", "s"]
    now: float
    now_interval: tuple[float, float]
    then: float
    then_interval: tuple[float, float]
    change_percent: float | None
    marked: bool
    note: str = ""


class BandwidthComparison(msgspec.Struct, frozen=True, kw_only=True):
    """A bandwidth measurement beside one from `file`; `notes` are what else differs, such as the model of the GPU."""

    file: str
    device_name: str
    same_model: bool
    changes: tuple[Change, ...]
    only_now: tuple[str, ...] = ()
    only_then: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


AreaState = Literal["passed", "warning", "error", "skipped", "crashed"]


class Area(msgspec.Struct, frozen=True):
    """How one area of `check` ended, and a phrase that says why, or what was seen."""

    name: str
    state: AreaState
    detail: str


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a command: what every report is made from. `plan` is there for `setup` alone.

    `compare` is there for `bandwidth --compare` alone, and `areas` for `check`.
    """

    command: str
    version: str
    status: Status
    findings: tuple[Finding, ...] = ()
    skipped: tuple[SkippedRule, ...] = ()
    facts: Machine = Machine()
    error: Refusal | None = None
    plan: Plan | None = None
    compare: BandwidthComparison | None = None
    areas: tuple[Area, ...] = ()
    schema_version: int = SCHEMA_VERSION
