"""A fleet as a whole: worst first, each cause once, names that can be taken out."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cudadoctor.doctor import diagnose, diagnose_fleet
from cudadoctor.facts.document import Saved
from cudadoctor.facts.fleet import Run, SilentNode, SkippedFile
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Fix
from cudadoctor.fleet.digest import Digest, digest
from cudadoctor.fleet.pseudonyms import without_names
from cudadoctor.report.document import render_json
from cudadoctor.report.fleet import fleet_lines, fleet_sentence
from tests.fleet import build as b
from tests.fleet import simulated
from tests.rules.test_properties import SECTIONS


def test_the_worst_nodes_come_first() -> None:
    found = b.fleet(
        b.digest("well"),
        b.digest("unknown", status="unknown"),
        b.digest("warned", status="warning", found=[("power-cap", "warning")]),
        b.digest("broken", status="error", found=[("driver-call-hung", "error")]),
        b.digest("worse", status="error", found=[("driver-call-hung", "error"), ("power-cap", "warning")]),
    )
    assert [node.name for node in found.nodes] == ["worse", "broken", "warned", "unknown", "well"]


def test_what_only_shows_beside_others_makes_a_healthy_node_a_warning() -> None:
    even = [b.digest(f"n{place}", figures=(b.rate(55.0),), traits={"ECC": "on"}) for place in range(5)]
    slow = b.digest("slow", figures=(b.rate(20.0),), traits={"ECC": "on"})
    odd = b.digest("odd", figures=(b.rate(55.0),), traits={"ECC": "off"})
    noted = b.digest("noted", figures=(b.rate(55.0),), traits={"ECC": "on", "kernel": "6.9"})
    verdicts = {node.name: node.verdict for node in b.fleet(*even, slow, odd, noted).nodes}
    assert {name for name, verdict in verdicts.items() if verdict == "warning"} == {"slow", "odd"}


def test_a_cause_of_many_nodes_is_one_finding_that_names_them() -> None:
    broken = [b.digest(f"n{place:02}", status="error", found=[("driver-call-hung", "error")]) for place in range(30)]
    diagnosis = diagnose_fleet(b.merged(*broken, b.digest("well")), "fleet report")
    (finding,) = (each for each in diagnosis.findings if each.id == "driver-call-hung")
    assert "30 of 31 nodes" in finding.summary
    assert "n00" in finding.evidence[0].name
    assert diagnosis.status == "error"


def with_fix(digest: Digest, text: str) -> Digest:
    details = tuple(msgspec.structs.replace(each, fix=Fix(text)) for each in digest.details)
    return msgspec.structs.replace(digest, details=details)


def test_words_and_fix_of_a_cause_are_those_of_one_node_that_is_in_the_fleet() -> None:
    bad = [("gpu-too-old-for-driver", "error")]
    older = with_fix(b.digest("a-older", gpu_uuids=("GPU-same",), when=1.0, status="error", found=bad), "Of the older.")
    newer = b.digest("a-newer", gpu_uuids=("GPU-same",), when=2.0)
    others = [with_fix(b.digest(name, status="error", found=bad), f"Of {name}.") for name in ("b", "c")]
    found = diagnose_fleet(b.merged(older, newer, *others), "fleet report").findings
    (finding,) = (each for each in found if each.id == "gpu-too-old-for-driver")
    assert "On b: " in finding.summary
    assert finding.fix.text == "On each of these nodes (as for b): Of b."
    (alone,) = diagnose_fleet(b.merged(others[1], b.digest("well")), "fleet report").findings
    assert alone.summary == "On c, 1 of 2 nodes: It is broken."


def test_the_most_frequent_of_equal_causes_comes_first() -> None:
    nodes = [b.digest(f"a{place}", status="error", found=[("libcuda-missing", "error")]) for place in range(2)]
    nodes += [b.digest(f"b{place}", status="error", found=[("driver-call-hung", "error")]) for place in range(3)]
    nodes += [b.digest(f"c{place}", status="warning", found=[("power-cap", "warning")]) for place in range(9)]
    found = [each.id for each in diagnose_fleet(b.merged(*nodes), "fleet report").findings]
    assert found == ["driver-call-hung", "libcuda-missing", "power-cap"]


def test_a_finding_of_an_older_file_is_not_reported() -> None:
    old = b.digest("old", when=1.0, status="error", found=[("driver-call-hung", "error")])
    new = b.digest("new", when=2.0, gpu_uuids=("GPU-old",))
    diagnosis = diagnose_fleet(b.merged(old, new), "fleet report")
    assert diagnosis.findings == ()
    assert diagnosis.status == "ok"


def test_a_fleet_of_one_has_no_peers_and_says_so() -> None:
    found = b.fleet(b.digest("only", figures=(b.rate(1.0),), traits={"ECC": "on"}))
    assert found.traits == ()
    assert "no peers" in fleet_sentence(found)


def test_a_fleet_in_which_nothing_is_proven_is_not_ok() -> None:
    assert diagnose_fleet(b.merged(b.digest("a", status="unknown")), "fleet report").status == "unknown"


def test_names_are_taken_out_everywhere_and_rows_stay_tellable() -> None:
    merged = b.merged(
        b.digest("secret-a", gpu_uuids=("GPU-0",), status="error", found=[("driver-call-hung", "error")]),
        b.digest("secret-b", gpu_uuids=("GPU-1", "GPU-2")),
        b.digest("secret-c", gpu_uuids=("GPU-2", "GPU-3")),
        SkippedFile("/data/secret-x.json", "broken", "is empty"),
        SkippedFile("/data/secret-a.json", "older", "is an older report of the same GPUs as", "secret-a.json"),
        silent=(SilentNode(name="secret-d", state="died", reason="secret-d went away", seconds=1.0),),
        run=Run(engine="Ray", command="c", asked=4, answered=3, deadline_s=9, seconds=1, cut_short="lost secret-d"),
    )
    detail = msgspec.structs.replace(merged.details["driver-call-hung"][1], summary="On secret-a it hangs")
    merged = msgspec.structs.replace(merged, details={"driver-call-hung": ("secret-a", detail)})
    shared = without_names(merged)
    diagnosis = diagnose_fleet(shared, "fleet report")
    text = render_json(diagnosis).decode() + "\n".join(fleet_lines(shared.fleet, 200, everything=True))
    assert "secret" not in text
    assert [node.name for node in shared.fleet.nodes] == ["node-0001", "node-0002", "node-0003"]
    assert shared.fleet.silent[0].name == "node-0004"
    assert shared.fleet.skipped[1].other == "node-0001"
    assert {name for each in shared.fleet.shared_gpus for name in each.nodes} == {"node-0002", "node-0003"}
    assert without_names(merged) == shared


def test_a_name_that_json_escapes_is_taken_out_too() -> None:
    told = b.finding("power-cap", "warning", 'On the "big" one and on gpu-é it is slow')
    for name in ('the "big" one', "gpu-é"):
        merged = without_names(b.merged(b.digest(name, gpu_uuids=("GPU-0",), findings=(told,))))
        assert name not in merged.fleet.nodes[0].findings[0].summary


def test_the_document_has_the_shape_of_the_contract() -> None:
    diagnosis = diagnose_fleet(b.merged(b.digest("a"), b.digest("b")), "fleet report")
    document = json.loads(render_json(diagnosis))
    assert list(document) == ["schema_version", "command", "version", "status", "findings", "skipped", "facts"]
    assert document["command"] == "fleet report"
    assert [node["name"] for node in document["facts"]["fleet"]["nodes"]] == ["a", "b"]


def test_drift_and_outliers_of_a_real_machine_made_many(tmp_path: Path) -> None:
    """A recorded H100, ten times; one is slow, one has another driver, one has lost ECC."""
    from cudadoctor.fleet.merge import merge
    from cudadoctor.fleet.reading import read_all

    like = simulated.base()
    changes: dict[int, dict[str, object]] = {
        3: {"rate": 0.8},
        5: {"driver_release": "570.86.15"},
        7: {"ecc_enabled": False},
    }
    paths = [
        str(simulated.write(tmp_path, f"n{number}", simulated.node(number, like, **changes.get(number, {}))))
        for number in range(10)
    ]
    merged = merge(read_all(paths, diagnose))
    by_name = {node.name: node for node in merged.fleet.nodes}
    assert {name for name, node in by_name.items() if node.outliers} == {"n3"}
    assert {name: [each.trait for each in node.drifts] for name, node in by_name.items() if node.drifts} == {
        "n5": ["driver release"],
        "n7": ["ECC"],
    }
    found = {finding.id for finding in diagnose_fleet(merged, "fleet report").findings}
    assert {"fleet-node-slow", "fleet-drift"} <= found


SLOW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@SLOW
@given(st.data())
def test_no_facts_crash_the_merge_of_a_fleet(data: st.DataObject) -> None:
    machines = [
        Machine(**{name: data.draw(strategy, label=name) for name, strategy in SECTIONS.items() if name != "fleet"})
        for _ in range(3)
    ]
    saved = [Saved(machine=each, command="", version="", recorded_at="", schema_version=1) for each in machines]
    digests = [
        digest(each, f"n{place}.json", changed=0.0, mark=bytes([place]), judge=diagnose)
        for place, each in enumerate(saved)
    ]
    merged = without_names(b.merged(*digests))
    diagnosis = diagnose_fleet(merged, "fleet report")
    assert not [skip for skip in diagnosis.skipped if "this rule failed" in skip.reason]
    assert json.loads(render_json(diagnosis))["status"] == diagnosis.status
    assert all("\x1b" not in line for line in fleet_lines(merged.fleet, 80))
