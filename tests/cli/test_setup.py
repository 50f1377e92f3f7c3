"""`setup`: the ordered plan, printed and never run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Doctor
from tests.fake_driver.build import FakeDriver
from tests.probes.machine_tree import MachineTree, Port, machine_without_card, server_with_narrow_uplink

MACHINES = Path(__file__).parents[1] / "machines"
TITLES = [
    "An NVIDIA GPU that CUDA serves",
    "A driver that works",
    "Python packages that work together",
    "A compiler for this card, for numba",
    "Nothing that hides the GPU",
    "A kernel whose result is right",
]


def states(run: object) -> list[str]:
    steps = run.document["plan"]["steps"]  # type: ignore[attr-defined]
    assert [step["title"] for step in steps] == TITLES
    return [step["state"] for step in steps]


def test_a_machine_that_is_done_hears_so(doctor: Doctor) -> None:
    facts = MACHINES / "ubuntu24-h100-healthy" / "facts.json"
    run = doctor("setup", "--facts", facts, "--format", "json")
    assert (run.code, set(states(run))) == (0, {"done"})
    assert doctor("setup", "--facts", facts).out.startswith("Nothing is left to do")


def test_a_machine_without_a_card_gets_no_command_for_what_comes_after(doctor: Doctor, tmp_path: Path) -> None:
    run = doctor("setup", "--sysroot", machine_without_card(tmp_path).root, "--format", "json")
    assert (run.code, states(run)) == (1, ["to do", *["later"] * 5])
    assert all(step["commands"] == [] for step in run.document["plan"]["steps"][1:])
    assert "install" not in " ".join(run.document["plan"]["steps"][0]["commands"])


def test_a_card_without_a_driver_starts_with_the_driver_of_the_distribution(doctor: Doctor, tmp_path: Path) -> None:
    tree = MachineTree(tmp_path)
    tree.linux("6.8.0-45-generic", os_release="ID=ubuntu\nID_LIKE=debian\n")
    link = ("16.0 GT/s PCIe", 16, "16.0 GT/s PCIe", 16)
    tree.pci_device([Port("0000:00:01.0", *link), Port("0000:01:00.0", *link)], device_id="2504", driver=None)
    run = doctor("setup", "--sysroot", tree.root, "--format", "json")
    assert states(run) == ["done", "to do", "not known", "later", "done", "later"]
    steps = run.document["plan"]["steps"]
    assert steps[1]["findings"] == ["no-driver-installed"]
    assert "sudo ubuntu-drivers install" in steps[1]["commands"]
    assert any("numba-cuda[cu12]" in command for command in steps[3]["commands"])


def test_every_open_step_has_a_check(doctor: Doctor) -> None:
    for machine in sorted(MACHINES.glob("*/facts.json")):
        for step in doctor("setup", "--facts", machine, "--format", "json").document["plan"]["steps"]:
            assert step["state"] in ("done", "later") or step["check"], (machine, step["title"])


def test_a_toolkit_that_numba_does_not_find_gets_lines_for_the_shell(
    doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path
) -> None:
    tree = server_with_narrow_uplink(tmp_path)
    for shell, file, line in (
        ("/bin/bash", "~/.bashrc", "export CUDA_HOME=/usr/local/cuda"),
        ("/usr/bin/zsh", "~/.zshrc", "export CUDA_HOME=/usr/local/cuda"),
        ("/usr/bin/fish", "~/.config/fish/config.fish", "set -gx CUDA_HOME /usr/local/cuda"),
    ):
        environment = fake_driver.scenario(environment={"SHELL": shell, "NUMBA_DISABLE_CUDA": "1"})
        environment.pop("CUDA_HOME", None)
        run = doctor("setup", "--sysroot", tree.root, "--live", "--format", "json", "--no-redact", env=environment)
        plan = run.document["plan"]
        assert plan["start_up_file"] == file
        assert line in plan["steps"][3]["start_up_lines"]


@pytest.mark.parametrize("width", ["80", "120"])
def test_commands_stand_alone_and_other_lines_keep_to_the_width(doctor: Doctor, width: str) -> None:
    import os

    facts = MACHINES / "ubuntu24-gtx1080-toolkit13" / "facts.json"
    run = doctor("setup", "--facts", facts, env={**os.environ, "COLUMNS": width})
    assert '      python -m pip install "numba-cuda[cu12]>=0.30,<0.31" "numpy>=2.2,<2.5"\n' in run.out
    others = [line for line in run.out.splitlines() if not line.startswith("      ")]
    assert max(map(len, others)) <= int(width)


def test_markdown_holds_the_plan(doctor: Doctor) -> None:
    facts = MACHINES / "ubuntu24-gtx1080-toolkit13" / "facts.json"
    run = doctor("setup", "--facts", facts, "--format", "markdown")
    assert "4. A compiler for this card, for numba: TO DO" in run.out
