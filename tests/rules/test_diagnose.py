"""Roots and consequences, the order of findings, rules that raise, and the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from cudadoctor.facts.host import Host
from cudadoctor.findings import Finding, Fix, Severity
from cudadoctor.rules.base import CannotJudgeError, Rule, finding, rule
from cudadoctor.rules.catalogue import RULES
from cudadoctor.rules.diagnose import diagnose
from tests.rules import build as b

IDS = [each.id for each in RULES]
HEADINGS = ["What it checks", "Why it matters", "How to fix it", "Limits", "Sources"]


def make(rule_id: str, *, severity: Severity = Severity.ERROR, explains: tuple[str, ...] = ()) -> Rule:
    @rule(id=rule_id, title=rule_id, severity=severity, explains=explains)
    def judge(host: Host) -> Iterator[Finding]:
        yield finding(judge, summary="s", cause="c", evidence=(), fix=Fix("f"))

    return judge.rule


def test_a_chain_of_consequences_ends_at_its_root() -> None:
    rules = (make("a", explains=("b",)), make("b", explains=("c",)), make("c"))
    findings, _ = diagnose(b.HEALTHY, rules)
    assert [(each.id, each.consequences) for each in findings] == [("a", ("b", "c"))]


def test_a_star_explains_everything_but_measurements() -> None:
    rules = (make("a", explains=("*",)), make("b"), make("race-lane-failed"))
    findings, _ = diagnose(b.HEALTHY, rules)
    assert [(each.id, each.consequences) for each in findings] == [("a", ("b",)), ("race-lane-failed", ())]


def test_a_rule_that_is_silent_explains_nothing() -> None:
    quiet = make("a", explains=("b",))
    silent = b.msgspec.structs.replace(quiet, judge=lambda host: iter(()))
    assert [each.id for each in diagnose(b.HEALTHY, (silent, make("b")))[0]] == ["b"]


def test_errors_come_before_warnings_and_keep_the_catalogue_s_order() -> None:
    rules = (make("a", severity=Severity.NOTE), make("b", severity=Severity.WARNING), make("c"), make("d"))
    assert [each.id for each in diagnose(b.HEALTHY, rules)[0]] == ["c", "d", "b", "a"]


def test_a_rule_that_raises_is_skipped_and_the_others_are_heard() -> None:
    def broken(host: Host) -> Iterator[Finding]:
        raise ZeroDivisionError("a \x1b fault")

    failing = b.msgspec.structs.replace(make("a"), judge=broken)
    findings, skipped = diagnose(b.HEALTHY, (failing, make("b")))
    assert [each.id for each in findings] == ["b"]
    assert skipped[0].rule == "a"
    assert "ZeroDivisionError: a \\x1b fault" in skipped[0].reason


def test_a_rule_that_cannot_judge_is_skipped_with_its_own_reason() -> None:
    def unable(host: Host) -> Iterator[Finding]:
        raise CannotJudgeError("the moon is not full")

    _, skipped = diagnose(b.HEALTHY, (b.msgspec.structs.replace(make("a"), judge=unable),))
    assert skipped[0].reason == "the moon is not full"


def test_a_missing_section_skips_the_rule_and_says_why() -> None:
    _, skipped = diagnose(b.machine(host=b.Missing("nobody looked")), (make("a"),))
    assert skipped[0].reason == "the section host is missing: nobody looked"


@pytest.mark.parametrize("each", RULES, ids=IDS)
def test_every_rule_has_a_page_with_all_headings(each: Rule) -> None:
    assert each.page.startswith(f"# {each.title}\n")
    parts = re.split(r"^## (.*)$", each.page, flags=re.MULTILINE)
    assert parts[1::2] == HEADINGS
    assert all(part.strip() for part in parts[2::2])


def test_ids_are_unique_and_kebab_case() -> None:
    assert len(set(IDS)) == len(IDS)
    assert [each for each in IDS if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", each)] == []


def test_rules_explain_only_what_comes_after_them() -> None:
    for place, each in enumerate(RULES):
        for explained in each.explains:
            assert explained == "*" or explained in IDS[place + 1 :], (each.id, explained)


def test_every_rule_lies_in_a_file_of_its_own_name() -> None:
    for each in RULES:
        assert each.judge.__module__.rpartition(".")[2] == each.id.replace("-", "_")


def test_the_fallback_stands_beside_no_better_finding() -> None:
    better = {
        each.id for each in RULES if "driver-call-failed" not in each.explains and "*" not in each.explains
    } & set(IDS[: IDS.index("driver-call-failed")])
    # These are about compiling and Python alone: a failed call beside them is another matter.
    assert better == {"cuda-simulator-enabled", "python-packages-incompatible", "toolkit-path-wrong"}
