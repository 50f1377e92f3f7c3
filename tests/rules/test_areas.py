"""One line an area: what was left out or not reached is skipped, and never passed."""

from __future__ import annotations

import msgspec
import pytest

from cudadoctor.doctor import AREAS as CHOSEN_FROM
from cudadoctor.doctor import diagnose
from cudadoctor.facts.base import Missing
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import SkippedRule
from cudadoctor.rules.areas import AREAS, area_of, areas_of
from cudadoctor.rules.catalogue import RULES
from cudadoctor.rules.diagnose import RULE_FAILED
from tests.rules import build as b


def states(machine: Machine) -> dict[str, str]:
    return {area.name: area.state for area in diagnose(machine).areas}


def detail(machine: Machine, name: str) -> str:
    return next(area.detail for area in diagnose(machine).areas if area.name == name)


def test_the_areas_are_those_that_options_choose_from() -> None:
    assert AREAS == CHOSEN_FROM


def test_every_rule_is_of_one_area_or_of_a_measurement() -> None:
    elsewhere = {rule.judge.__module__.split(".")[2] for rule in RULES if not area_of(rule)}
    assert elsewhere == {"bandwidth", "race", "profile", "devices"}


def test_a_healthy_machine_passes_every_area() -> None:
    assert set(states(b.HEALTHY).values()) == {"passed"}


def test_an_error_is_of_its_area_and_what_was_not_reached_is_skipped() -> None:
    found = states(b.DRIVERLESS)
    assert found["driver"] == "error"
    assert found["kernel"] == "skipped"
    assert found["pci"] == "passed"


def test_behind_a_machine_without_a_gpu_nothing_is_passed_but_the_host() -> None:
    machine = msgspec.structs.replace(b.DRIVERLESS, pci=b.pci())
    found = states(machine)
    assert found.pop("host") == "passed"
    assert found.pop("pci") == "error"
    assert set(found.values()) == {"skipped"}
    assert detail(machine, "python") == "not judged: no NVIDIA GPU is active in this machine"


def test_a_card_off_the_bus_is_passed_only_where_a_driver_sees_it() -> None:
    wsl = b.machine(host=b.host(wsl=True), pci=b.pci(), device_nodes=b.nodes(b.node("/dev/dxg")))
    assert states(wsl)["pci"] == "passed"
    silent = b.stopped(b.nvml_failed(9), b.cuda_failed(100))
    unseen = msgspec.structs.replace(wsl, nvml=b.NONE, driver=b.driver(count=b.NONE), ladder=silent)
    assert states(unseen)["pci"] == "skipped"


def test_what_an_option_left_out_is_skipped_with_the_option() -> None:
    left_out = Missing("--skip python: it was left out")
    machine = b.machine(packages=left_out, frameworks=left_out)
    assert states(machine)["python"] == "skipped"
    assert detail(machine, "python") == left_out.reason


@pytest.mark.parametrize(
    ("name", "state", "area"), [("cu-init", "timed out", "driver"), ("kernel-result", "crashed", "kernel")]
)
def test_a_call_that_hung_or_crashed_makes_its_area_crashed(name: str, state: str, area: str) -> None:
    machine = b.machine(ladder=b.stopped(b.step(name, state, signal="SIGSEGV" if state == "crashed" else None)))
    assert states(machine)[area] == "crashed"
    assert name in detail(machine, area)


def test_a_rule_that_fails_makes_its_area_crashed() -> None:
    fault = SkippedRule("nvvm-not-found", f"{RULE_FAILED} (KeyError: 1); please report it")
    found = {area.name: area.state for area in areas_of(b.HEALTHY, (), (fault,), RULES)}
    assert found == dict.fromkeys(AREAS, "passed") | {"toolkit": "crashed"}


def test_a_note_leaves_its_area_passed() -> None:
    noted = b.machine(containers=b.containers(b.engine()))
    assert b.ids(noted) == ["container-toolkit-missing"]
    assert states(noted)["host"] == "passed"
