"""The `@rule` decorator: a rule is a document that runs.

A rule is a function of facts. Its parameters name the sections that it needs; a section that is missing makes the
rule skipped, unless the parameter's annotation admits `Missing`. The module's docstring is the rule's page.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Confidence, Confirm, Evidence, Finding, Fix, Severity, SkippedRule

# Programs that are called the same on Linux and on Windows.
_EVERYWHERE = ("python ", "nvidia-smi", "nvcc ", "where.exe ")

Judge = Callable[..., Iterator[Finding]]
CommandsHere = Callable[[Machine], tuple[str, ...]]


class CannotJudgeError(Exception):
    """Raised by a rule that lacks more than a section; the message becomes the reason why it was skipped."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A cause of trouble and how facts show it.

    `needs` are the sections that must be there, `admits` those that may be missing. `explains` are the ids of
    findings that only follow from this one; `"*"` stands for all others. `shows` is how a pasted text shows the cause:
    pairs of a condition on its signs (`"cuda:804 !container"`: all of them, none of those with `!`) and a weight, which
    is negative where the condition speaks against the cause. About 8 and more: the message says so itself; about 5: it
    usually means this; up to 3: it fits, but not alone. `confirm` proves the cause or rules it out, and so does
    `confirm_on_windows` where that does not run there. `commands_here` makes the commands of the page's fix for this
    machine, where distributions differ; none where it knows none.
    """

    id: str
    title: str
    severity: Severity
    judge: Judge
    needs: tuple[str, ...]
    admits: tuple[str, ...]
    explains: tuple[str, ...]
    page: str
    shows: tuple[tuple[str, int], ...] = ()
    confirm: Confirm | None = None
    confirm_on_windows: Confirm | None = None
    commands_here: CommandsHere | None = None

    def how_to_tell(self, system: str) -> Confirm | None:
        """Return `confirm` for a system (`Windows`); None where there is no command that runs there."""
        if system != "Windows" or self.confirm is None:
            return self.confirm
        return self.confirm_on_windows or (self.confirm if _runs_everywhere(self.confirm.command) else None)

    def examine(self, machine: Machine) -> tuple[tuple[Finding, ...], SkippedRule | None]:
        """Judge one machine.

        Returns:
            The findings, and a `SkippedRule` if a needed section is missing or the rule cannot judge.
        """
        sections: dict[str, Any] = {}
        for name in self.needs + self.admits:
            section = getattr(machine, name)
            if name in self.needs and isinstance(section, Missing):
                return (), SkippedRule(self.id, f"the section {name} is missing: {section.reason}")
            sections[name] = section
        try:
            found = tuple(self.judge(**sections))
            if not found:
                return (), None
            tell = self.how_to_tell("" if isinstance(machine.host, Missing) else known(machine.host.system) or "")
            return tuple(
                f if f.confirm != self.confirm else msgspec.structs.replace(f, confirm=tell) for f in found
            ), None
        except CannotJudgeError as unable:
            return (), SkippedRule(self.id, str(unable))


def _runs_everywhere(command: str) -> bool:
    bare = re.sub(r'"[^"]*"', "", command)
    return not set("|$<>") & set(bare) and all(part.strip().startswith(_EVERYWHERE) for part in bare.split(";"))


class RuleFunction:
    """What `@rule` makes of a function: the `Rule`, and a maker of its findings."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __call__(self, *sections: Any, **named: Any) -> Iterator[Finding]:
        """Judge given sections directly; used by tests."""
        return self.rule.judge(*sections, **named)


def rule(
    *,
    id: str,
    title: str,
    severity: Severity,
    explains: tuple[str, ...] = (),
    shows: Mapping[str, int] | None = None,
    confirm: Confirm | None = None,
    confirm_on_windows: Confirm | None = None,
    commands_here: CommandsHere | None = None,
) -> Callable[[Judge], RuleFunction]:
    """Make a rule of a function whose parameters are named as fields of `Machine`."""

    def decorate(function: Judge) -> RuleFunction:
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        admits = tuple(name for name in names if "Missing" in str(function.__annotations__[name]))
        return RuleFunction(
            Rule(
                id=id,
                title=title,
                severity=severity,
                judge=function,
                needs=tuple(name for name in names if name not in admits),
                admits=admits,
                explains=explains,
                page=sys.modules[function.__module__].__doc__ or "",
                shows=tuple((shows or {}).items()),
                confirm=confirm,
                confirm_on_windows=confirm_on_windows,
                commands_here=commands_here,
            )
        )

    return decorate


def finding(
    about: RuleFunction,
    *,
    summary: str,
    cause: str,
    evidence: tuple[Evidence, ...],
    fix: Fix,
    confidence: Confidence = "supported",
    severity: Severity | None = None,
) -> Finding:
    """Make a finding of a rule, with the rule's id, title and severity, and how to tell where it is not proven."""
    return Finding(
        id=about.rule.id,
        severity=severity or about.rule.severity,
        title=about.rule.title,
        summary=summary,
        cause=cause,
        confidence=confidence,
        evidence=evidence,
        fix=fix,
        docs=f"docs/findings/{about.rule.id}.md",
        confirm=None if confidence == "proven" else about.rule.confirm,
    )
