"""`cudadoctor fleet` from files, in a real process."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from cudadoctor.cli.app import run
from tests.cli.conftest import Doctor
from tests.fleet import simulated

LIKE = simulated.base()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven nodes: one slow, one with another driver, one that is an older file of another; and files that are none."""
    folder = tmp_path_factory.mktemp("fleet")
    for number in range(7):
        changes = {2: {"rate": 0.7}, 4: {"driver_release": "580.65.06"}}.get(number, {})
        simulated.write(folder, f"host-{number}", simulated.node(number, LIKE, **changes), second=9)
    (folder / "old").mkdir()
    simulated.write(folder / "old", "host-0-before", simulated.node(0, LIKE))
    (folder / "truncated.json").write_bytes((folder / "host-1.json").read_bytes()[:5000])
    (folder / "slurm-17.out").write_text("srun: job 17 queued\n")
    (folder / "other.json").write_text('{"name": "package.json"}')
    return folder


def test_the_report_names_the_worst_first_and_what_was_left_out(doctor: Doctor, fleet: Path) -> None:
    done = doctor("fleet", "report", fleet)
    assert done.code == 0
    assert done.err == ""
    lines = done.out.splitlines()
    assert lines[1].startswith("host-2  warning")
    assert "slow: h2d_pinned" in lines[1]
    assert "7 nodes: 2 with warnings, 5 well. 4 of 11 files left out: 1 broken, 2 foreign, 1 older." in " ".join(lines)
    for text in (
        "truncated.json (broken): is not JSON",
        "other.json (foreign)",
        "host-0-before.json (older): is an",
    ):
        assert text in " ".join(done.out.split())
    assert max(map(len, lines)) <= 160


def test_json_is_one_document_of_the_contract_without_names(doctor: Doctor, fleet: Path) -> None:
    done = doctor("fleet", "report", fleet, "--format", "json")
    assert done.document["command"] == "fleet report"
    assert done.document["status"] == "warning"
    assert {"fleet-node-slow", "fleet-drift", "fleet-file-broken"} <= set(done.ids)
    assert "host-" not in done.out
    nodes = done.document["facts"]["fleet"]["nodes"]
    assert [node["name"] for node in nodes][:2] == ["node-0003", "node-0005"]
    finding = next(each for each in done.document["findings"] if each["id"] == "fleet-node-slow")
    assert finding["evidence"][0]["name"] == "node-0003"


def test_names_stay_where_they_are_asked_for(doctor: Doctor, fleet: Path, tmp_path: Path) -> None:
    done = doctor("fleet", "report", fleet, "--format", "json", "--no-redact")
    assert done.document["facts"]["fleet"]["nodes"][0]["name"] == "host-2"
    hidden = doctor("fleet", "report", fleet, "--output", tmp_path / "report.txt")
    assert hidden.out == ""
    assert "node-0003" in (tmp_path / "report.txt").read_text()
    assert "host-2" not in (tmp_path / "report.txt").read_text()


@pytest.mark.parametrize("format", ["markdown", "html"])
def test_other_formats_say_the_same(doctor: Doctor, fleet: Path, format: str) -> None:
    done = doctor("fleet", "report", fleet, "--format", format)
    assert done.code == 0
    for text in ("7 nodes: 2 with warnings, 5 well.", "node-0003", "fleet-node-slow"):
        assert text in done.out


def test_fail_on_decides_the_exit_code(doctor: Doctor, fleet: Path) -> None:
    assert doctor("fleet", "report", fleet, "--fail-on", "warning").code == 1
    assert doctor("fleet", "report", fleet, "--fail-on", "never").code == 0


def test_a_report_written_into_the_folder_is_no_node_of_the_next(doctor: Doctor, fleet: Path, tmp_path: Path) -> None:
    copy = tmp_path / "fleet"
    copy.mkdir()
    for path in fleet.glob("host-*.json"):
        (copy / path.name).write_bytes(path.read_bytes())
    assert doctor("fleet", "report", copy, "--format", "json", "--output", copy / "report.json").code == 0
    again = doctor("fleet", "report", copy, "--format", "json")
    assert len(again.document["facts"]["fleet"]["nodes"]) == 7
    assert [item["kind"] for item in again.document["facts"]["fleet"]["skipped"]] == ["foreign"]


def test_a_fleet_of_one_is_told_what_it_lacks(doctor: Doctor, fleet: Path) -> None:
    done = doctor("fleet", "report", fleet / "host-1.json")
    assert done.code == 0
    assert "One node has no peers" in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("empty", "there is no file in"),
        ("foreign", "no file is a node"),
        ("nowhere", "cannot read"),
    ],
)
def test_where_nothing_is_a_node_it_is_one_line_and_2(doctor: Doctor, tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "a.json").write_text("{}")
    done = doctor("fleet", "report", tmp_path / name, "--format", "json")
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert done.document["command"] == "fleet report"
    assert done.document["error"]["exit_code"] == 2


@pytest.mark.skipif(os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_folder_that_may_not_be_listed_is_said(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    assert doctor("fleet", "report", tmp_path / "closed").code == 2


def test_recorded_machines_make_a_fleet(doctor: Doctor) -> None:
    done = doctor("fleet", "report", simulated.MACHINES, "--format", "json", "--no-redact")
    assert done.code == 1
    names = [node["name"] for node in done.document["facts"]["fleet"]["nodes"]]
    assert "ubuntu24-gtx750ti-nouveau" in names
    assert "no-driver-installed" in done.ids


def test_why_prints_the_page_of_a_finding_of_a_fleet(doctor: Doctor) -> None:
    done = doctor("why", "fleet-drift")
    assert done.code == 0
    assert done.out.startswith("Nodes of the same hardware differ")
    assert "fleet-node-hung" in doctor("why", "--list").out


def test_without_ray_one_line_says_which_extra_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "ray" else find(name, *rest))
    assert run(["fleet", "run"]) == 2
    said = capsys.readouterr().err
    assert "'.[fleet]'" in said
    assert said.count("\n") == 1


def test_reading_a_fleet_imports_neither_ray_nor_numba() -> None:
    import subprocess

    program = (
        "import sys; from cudadoctor.cli.app import run; run(sys.argv[1:]); "
        "print([name for name in ('ray', 'numba', 'pynvml') if name in sys.modules], file=sys.stderr)"
    )
    folder = str(simulated.MACHINES / "ubuntu24-h100-healthy")
    done = subprocess.run(
        [sys.executable, "-c", program, "fleet", "report", folder], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "[]"
