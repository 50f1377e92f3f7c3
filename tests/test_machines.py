"""Recorded machines: saved facts, and the report word for word.

To add one: `cudadoctor check --save tests/machines/<name>/facts.json` there, write `provenance.md`, run
`pytest --accept`, and read the report as that machine's user would.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cudadoctor.facts.document import decode_facts
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.race import Race
from tests.dbn.bands import apply_to, outliers
from tests.warm import Server

MACHINES = Path(__file__).parent / "machines"


def recorded() -> list[Path]:
    return sorted(path.parent for path in MACHINES.glob("*/facts.json"))


def report(command: str, machine: Path, warm: Server | None) -> str:
    words = [command, "--facts", str(machine / "facts.json")]
    environment = {"PATH": "", "COLUMNS": "100", "PYTHONPATH": ":".join(sys.path), "PYTHONUTF8": "1"}
    if warm is not None:
        run = warm.run(words, environment)
    else:
        whole = [sys.executable, "-m", "cudadoctor", *words]
        run = subprocess.run(whole, capture_output=True, encoding="utf-8", env=environment, check=False)
    assert run.stderr == ""
    return f"{run.stdout}\nexit code {run.returncode}\n"


@pytest.mark.parametrize("machine", recorded(), ids=lambda path: path.name)
def test_the_report_of_a_recorded_machine_stands_word_for_word(
    machine: Path, request: pytest.FixtureRequest, warm: Server | None
) -> None:
    for path in sorted(machine.glob("report*.txt")) or [machine / "report.txt"]:
        command = path.stem.removeprefix("report").removeprefix("-") or "check"
        text = report(command, machine, warm)
        if request.config.getoption("--accept"):
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text


def test_every_recorded_machine_says_where_it_comes_from() -> None:
    assert recorded()
    for machine in recorded():
        text = (machine / "provenance.md").read_text(encoding="utf-8")
        assert text.startswith(("Recorded", "Edited from")), machine.name


def test_the_lanes_of_a_recorded_race_learned_the_curve_of_the_reference() -> None:
    races = [race for machine in recorded() if isinstance(race := facts_of(machine).race, Race)]
    assert races
    for race in races:
        assert apply_to(race)
        for lane in race.lanes:
            assert outliers(lane.epochs, lane.test_accuracy, race.data) == (), lane.name


def facts_of(machine: Path) -> Machine:
    return decode_facts((machine / "facts.json").read_bytes())
