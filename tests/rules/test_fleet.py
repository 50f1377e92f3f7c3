"""Rules of a fleet: what fires, and the nearest case that does not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cudadoctor.facts.fleet import Fleet, Run, SilentNode, SkippedFile
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Finding, Severity
from cudadoctor.rules.base import Rule
from cudadoctor.rules.catalogue import RULES
from cudadoctor.rules.diagnose import diagnose
from cudadoctor.rules.documented import DOCUMENTED
from cudadoctor.rules.fleet.catalogue import FLEET_RULES
from tests.fleet import build as b
from tests.rules.test_diagnose import HEADINGS


def findings(fleet: Fleet) -> list[Finding]:
    found, skipped = diagnose(Machine(fleet=fleet), FLEET_RULES)
    assert skipped == ()
    return list(found)


def only(fleet: Fleet) -> Finding:
    (finding,) = findings(fleet)
    return finding


def run(**values: Any) -> Run:
    told: dict[str, Any] = {"asked": 3, "answered": 2, "deadline_s": 60.0, "seconds": 12.0}
    return Run(engine="Ray", command="cudadoctor check", **{**told, **values})


def silent(name: str, state: Any) -> SilentNode:
    return SilentNode(name=name, state=state, reason=f"why {name}", seconds=3.0)


@pytest.mark.parametrize("each", FLEET_RULES, ids=lambda each: each.id)
def test_every_rule_has_a_page_with_all_headings_in_a_file_of_its_name(each: Rule) -> None:
    assert each.page.startswith(f"# {each.title}\n")
    parts = re.split(r"^## (.*)$", each.page, flags=re.MULTILINE)
    assert parts[1::2] == HEADINGS
    assert all(part.strip() for part in parts[2::2])
    assert each.judge.__module__.rpartition(".")[2] == each.id.replace("-", "_")
    assert each.needs == ("fleet",)


def test_no_rule_of_a_fleet_is_one_of_a_machine() -> None:
    assert not {rule.id for rule in FLEET_RULES} & {rule.id for rule in RULES}
    assert len(DOCUMENTED) == len({rule.id for rule in DOCUMENTED})


def test_a_healthy_fleet_gets_no_complaint() -> None:
    even = [b.digest(f"n{place}", figures=(b.rate(55.0),), traits={"ECC": "on"}) for place in range(6)]
    assert findings(b.fleet(*even, run=run(asked=6, answered=6))) == []


@pytest.mark.parametrize(
    ("state", "id", "severity"),
    [
        ("died", "fleet-node-died", Severity.ERROR),
        ("not alive", "fleet-node-died", Severity.NOTE),
        ("hung", "fleet-node-hung", Severity.ERROR),
        ("failed", "fleet-node-not-examined", Severity.ERROR),
    ],
)
def test_a_node_that_gave_no_facts_is_a_finding_that_names_it(state: str, id: str, severity: Severity) -> None:
    found = only(b.fleet(b.digest("well"), silent=(silent("quiet", state),), run=run()))
    assert (found.id, found.severity) == (id, severity)
    assert "quiet" in found.summary
    assert (found.evidence[0].name, found.evidence[0].value) == ("quiet", "why quiet")
    assert ("quiet. It was not asked." in found.summary) == (state == "not alive")


def test_a_cluster_that_was_lost_is_told_and_its_silent_nodes_are_not_accused() -> None:
    found = only(b.fleet(b.digest("well"), run=run(cut_short="the head went away")))
    assert found.id == "fleet-run-cut-short"
    assert "2 of 3" in found.summary


def slow_fleet(**more: Any) -> Fleet:
    even = [b.digest(f"n{place}", figures=(b.rate(55.0),)) for place in range(5)]
    return b.fleet(*even, b.digest("slow", figures=(b.rate(30.0),), **more.pop("of_slow", {})), **more)


def test_a_slow_node_is_told_with_its_figure_and_that_of_its_peers() -> None:
    found = only(slow_fleet())
    assert (found.id, found.confidence) == ("fleet-node-slow", "possible")
    assert "h2d_pinned 30 GB/s" in found.summary
    assert "55" in found.summary


def test_what_was_measured_twice_is_more_than_possible() -> None:
    assert only(slow_fleet(again={"slow.json": (2, "")})).confidence == "supported"


def test_a_slow_node_that_says_itself_why_is_not_named_again() -> None:
    explained = {"findings": (b.finding("pcie-link-degraded", "error"),), "status": "error"}
    assert findings(slow_fleet(of_slow=explained)) == []


def test_two_answers_are_told() -> None:
    found = only(b.fleet(b.digest("a"), again={"a.json": (2, "first power-cap, then nothing")}, run=run()))
    assert found.id == "fleet-node-unsteady"
    assert findings(b.fleet(b.digest("a"), again={"a.json": (2, "")}, run=run())) == []


def test_nodes_that_differ_in_two_things_are_one_finding_as_bad_as_the_worse() -> None:
    usual = {"driver release": "580", "kernel": "6.8"}
    even = [b.digest(f"n{place}", traits=usual) for place in range(4)]
    odd = b.digest("odd", traits={"driver release": "570", "kernel": "6.5"})
    found = only(b.fleet(*even, odd))
    assert (found.id, found.severity) == ("fleet-drift", Severity.WARNING)
    assert "driver release: 570, elsewhere 580; kernel: 6.5, elsewhere 6.8" in found.summary


def test_another_kernel_alone_is_a_note() -> None:
    even = [b.digest(f"n{place}", traits={"kernel": "6.8"}) for place in range(4)]
    assert only(b.fleet(*even, b.digest("odd", traits={"kernel": "6.5"}))).severity is Severity.NOTE


def test_a_tie_is_said_and_not_judged() -> None:
    found = only(b.fleet(b.digest("a", traits={"ECC": "on"}), b.digest("b", traits={"ECC": "off"})))
    assert (found.id, found.severity) == ("fleet-no-majority", Severity.NOTE)
    assert "ECC is off on 1, on on 1" in found.summary


@pytest.mark.parametrize("kind", ["broken", "newer"])
def test_a_file_that_should_be_a_node_is_a_warning(kind: Any) -> None:
    found = only(b.fleet(b.digest("a"), SkippedFile("x.json", kind, "is empty")))
    assert (found.id, found.severity) == ("fleet-file-broken", Severity.WARNING)
    assert "x.json" in found.summary


@pytest.mark.parametrize("kind", ["foreign", "duplicate", "older"])
def test_files_that_are_something_else_are_no_finding(kind: Any) -> None:
    assert findings(b.fleet(b.digest("a"), SkippedFile("x.json", kind, "is another"))) == []


def test_a_gpu_in_two_nodes_is_a_note() -> None:
    found = only(b.fleet(b.digest("a", gpu_uuids=("GPU-1", "GPU-2")), b.digest("b", gpu_uuids=("GPU-2", "GPU-3"))))
    assert found.id == "fleet-gpu-twice"
    assert "GPU-2 in a and b" in found.summary
