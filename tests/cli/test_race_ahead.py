"""The child of a race that is started before the machine is examined, where a device node is made believe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cudadoctor.cli.app import run
from cudadoctor.dbn.events import Options
from cudadoctor.dbn.race import Ahead

MACHINES = Path(__file__).parents[1] / "machines"


@pytest.fixture(autouse=True)
def a_device_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cudadoctor.cli.race.may_have_gpu", lambda: True)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[Ahead]:
    started: list[Ahead] = []

    def ahead(options: Options) -> Ahead:
        started.append(Ahead(options))
        return started[-1]

    monkeypatch.setattr("cudadoctor.cli.race._ahead", ahead)
    return started


def test_it_races_on_the_cpu_where_no_gpu_is_found(children: list[Ahead], tmp_path: Path) -> None:
    out = tmp_path / "race.json"
    run(["dbn-race", "--epochs", "1", "--quiet", "--fail-on", "never", "--format", "json", "--output", str(out)])
    (lane,) = json.loads(out.read_bytes())["facts"]["race"]["lanes"]
    assert (lane["name"], lane["state"]) == ("cpu-fast", "finished")
    assert [child.worker.ending.state for child in children] == ["finished"]


def test_it_is_gone_where_the_race_is_refused(children: list[Ahead], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dbn-race", "--epochs", "1", "--require-gpu"]) == 3
    assert "there is no GPU here" in capsys.readouterr().out
    assert run(["dbn-race", "--epochs", "1", "--device", "first"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert len(children) == 2
    assert all(child.worker._process.poll() is not None for child in children)


def test_a_saved_race_starts_none(children: list[Ahead]) -> None:
    run(["dbn-race", "--quiet", "--facts", str(MACHINES / "ubuntu24-h100-race" / "facts.json")])
    assert children == []
