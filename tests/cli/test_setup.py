"""`setup`: the ordered plan, printed and never run."""

from __future__ import annotations

from pathlib import Path

import pytest

from cudadoctor.doctor import diagnose, plan
from cudadoctor.facts.document import decode_facts
from tests.cli.conftest import Doctor
from tests.fake_driver.build import FakeDriver
from tests.probes.machine_tree import MachineTree, Port, machine_without_card, server_with_narrow_uplink
from tests.rules import build as b

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


def test_every_open_step_has_a_check() -> None:
    files = sorted(MACHINES.glob("*/facts.json"))
    assert files
    for file in files:
        machine = decode_facts(file.read_bytes())
        for step in plan(machine, diagnose(machine).findings).steps:
            assert step.state in ("done", "later") or step.check, (file, step.title)


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


MAC_TITLES = [
    "A Mac that CUDA serves",
    "The CUDA driver for this macOS",
    "Its kernel extension is loaded",
    "The NVIDIA card stays on",
    "A CUDA toolkit",
    "PATH and DYLD_LIBRARY_PATH",
    "The samples pass",
    "numba, which is not needed for gnumpy and cudamat",
]


def mac_plan(doctor: Doctor, name: str) -> tuple[int, dict[str, dict[str, object]]]:
    run = doctor("setup", "--facts", MACHINES / name / "facts.json", "--format", "json")
    steps = run.document["plan"]["steps"]
    assert [step["title"] for step in steps] == MAC_TITLES
    return run.code, {step["title"]: step for step in steps}


def test_the_road_of_2014_is_walked_in_its_order_and_what_is_done_is_told_so(doctor: Doctor) -> None:
    code, steps = mac_plan(doctor, "macos1010-gt750m-2014")
    assert code == 0
    assert [step["state"] for step in steps.values()] == [*["done"] * 6, "not known", "not known"]
    assert "deviceQuery" in str(steps["The samples pass"]["check"])


def test_a_mac_before_the_road_gets_lines_for_its_own_start_up_file(doctor: Doctor) -> None:
    code, steps = mac_plan(doctor, "macos1010-gt750m-no-cuda")
    assert code == 1
    assert steps["The CUDA driver for this macOS"]["state"] == "to do"
    lines = steps["PATH and DYLD_LIBRARY_PATH"]["start_up_lines"]
    assert 'export DYLD_LIBRARY_PATH="/usr/local/cuda/lib:$DYLD_LIBRARY_PATH"' in lines  # type: ignore[operator]
    text = doctor("setup", "--facts", MACHINES / "macos1010-gt750m-no-cuda" / "facts.json").out
    assert "In ~/.bash_profile:" in text


def test_a_mac_that_lost_cuda_gets_no_command_but_to_look(doctor: Doctor) -> None:
    code, steps = mac_plan(doctor, "macos14-arm64")
    assert code == 1
    assert [step["state"] for step in steps.values()] == ["to do", *["later"] * 7]
    assert not any(step["commands"] for step in steps.values())


def on_windows(name: str, tmp_path: Path, **changed: object) -> Path:
    import json

    document = json.loads((MACHINES / name / "facts.json").read_text(encoding="utf-8"))
    document["facts"].update(changed)
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_windows_gets_powershell_and_its_profile(doctor: Doctor, tmp_path: Path) -> None:
    missing = {"state": "missing", "reason": "a test left it out"}
    name = "windows10-k80-tcc-driver426"
    facts = on_windows(name, tmp_path, pci=missing, nvml=missing, driver=missing, ladder=missing)
    run = doctor("setup", "--facts", facts, "--format", "json", "--no-redact")
    plan = run.document["plan"]
    assert plan["start_up_file"] == "$PROFILE"
    text = " ".join(str(value) for step in plan["steps"] for value in step.values())
    assert "Get-CimInstance" in text
    assert "Get-ChildItem Env:" in text or "No variable hides" in text
    assert (
        r'$env:CUDA_PATH = "$env:ProgramFiles\NVIDIA GPU Computing Toolkit\CUDA\v10.1"'
        in plan["steps"][3]["start_up_lines"]
    )
    assert not any(word in text for word in ("sudo", "export ", "lspci", ".bashrc"))


def test_wsl2_is_told_that_its_driver_is_that_of_windows(doctor: Doctor) -> None:
    run = doctor("setup", "--facts", MACHINES / "wsl2-rtx3080-healthy" / "facts.json", "--format", "json")
    assert (run.code, set(states(run))) == (0, {"done"})
    assert "none inside WSL2" in run.document["plan"]["steps"][1]["why"]


@pytest.mark.parametrize(
    ("os_release", "wanted"),
    [
        ("ID=ubuntu\nID_LIKE=debian\n", "sudo ubuntu-drivers install nvidia:580"),
        ("ID=debian\n", "nvidia-driver firmware-misc-nonfree"),
        ("ID=fedora\n", "akmod-nvidia-580xx"),
        ('ID="rhel"\nID_LIKE="fedora"\n', "nvidia-driver:580-dkms"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "nvidia-driver-G06-kmp-default"),
        ("ID=arch\n", "nvidia-580xx-utils"),
    ],
)
def test_an_old_card_gets_the_last_branch_that_serves_it_on_each_distribution(
    doctor: Doctor, tmp_path: Path, os_release: str, wanted: str
) -> None:
    tree = MachineTree(tmp_path)
    tree.linux("6.8.0-45-generic", os_release=os_release)
    link = ("8.0 GT/s PCIe", 16, "8.0 GT/s PCIe", 16)
    tree.pci_device([Port("0000:00:01.0", *link), Port("0000:01:00.0", *link)], device_id="1380", driver=None)
    step = doctor("setup", "--sysroot", tree.root, "--format", "json").document["plan"]["steps"][1]
    assert any(wanted in command for command in step["commands"])
    assert "branch 580" in step["why"]


def test_a_card_older_than_any_driver_gets_its_last_versions_and_no_command(doctor: Doctor) -> None:
    for machine, words in (
        ("ubuntu24-gtx580-fermi", ("390", "CUDA 8.0", "numba 0.49")),
        ("laptop-8800gtx", ("340", "CUDA 6.0")),
        ("centos7-k40-driver470", ("470", "CUDA 11.4", "numba 0.62")),
    ):
        run = doctor("setup", "--facts", MACHINES / machine / "facts.json", "--format", "json")
        first, *others = run.document["plan"]["steps"]
        assert all(word in first["why"] for word in words), machine
        assert not any(step["commands"] for step in (first, *others))


def test_what_a_race_measured_is_no_step_of_a_set_up(doctor: Doctor) -> None:
    facts = MACHINES / "ubuntu24-h100-race" / "facts.json"
    run = doctor("setup", "--facts", facts, "--format", "json")
    assert [finding["id"] for finding in run.document["findings"]] == ["launch-bound-small-work"]
    steps = run.document["plan"]["steps"]
    assert all(step["findings"] == [] for step in steps)
    assert [step["state"] for step in steps] == ["done", "done", "done", "not known", "done", "to do"]
    told = " ".join(doctor("setup", "--facts", facts).out.split())
    assert told.startswith("2 of 6 steps are left or not known; the next: A compiler for this card")


def test_a_module_that_could_not_be_built_stands_in_the_way_of_the_driver() -> None:
    from cudadoctor.facts.machine import Machine
    from cudadoctor.rules.catalogue import RULES
    from cudadoctor.rules.setup.plan import make_plan
    from tests.fleet.build import detail

    for id in ("dkms-build-failed", "secure-boot-unsigned-module", "gsp-timeout", "container-toolkit-missing"):
        plan = make_plan(Machine(), [detail(id)], RULES)
        assert {step.title: step.findings for step in plan.steps if step.findings} == {TITLES[1]: (id,)}


def test_a_driver_whose_gpu_a_variable_hides_is_no_open_step() -> None:
    hidden = b.machine(
        environment=b.environment(CUDA_VISIBLE_DEVICES="-1"),
        driver=b.driver(count=0, all_visible=1),
        ladder=b.stopped(b.cuda_failed(100)),
    )
    steps = plan(hidden, diagnose(hidden).findings).steps
    assert [step.state for step in steps][1] == "done"
    assert "What hides it from CUDA comes below" in steps[1].why
    assert [step.title for step in steps if step.state == "to do"] == ["Nothing that hides the GPU"]
