"""`check` through the real command line, against the fake driver and the files of fake machines."""

from __future__ import annotations

import os
import re
from ctypes.util import find_library
from pathlib import Path

import pytest

from tests.cli.conftest import Doctor
from tests.fake_driver.build import FakeDriver
from tests.probes.machine_tree import (
    MachineTree,
    Port,
    laptop_with_nouveau,
    machine_without_card,
    server_with_narrow_uplink,
    wsl2,
)


def test_a_machine_without_a_card_hears_that_and_nothing_else(doctor: Doctor, tmp_path: Path) -> None:
    run = doctor("check", "--sysroot", machine_without_card(tmp_path).root, "--format", "json")
    assert (run.code, run.ids, run.document["status"]) == (1, ["no-nvidia-gpu-active"], "error")
    assert "install" not in str(run.document["findings"]).lower()


def desktop(folder: Path, *, driver: str | None) -> MachineTree:
    """A GeForce RTX 3060 in a PC with Ubuntu, and no driver of NVIDIA."""
    tree = MachineTree(folder)
    tree.linux("6.8.0-45-generic", os_release='PRETTY_NAME="Ubuntu 24.04.1 LTS"\nID=ubuntu\nID_LIKE=debian\n')
    link = ("16.0 GT/s PCIe", 16, "16.0 GT/s PCIe", 16)
    chain = [Port("0000:00:01.0", *link), Port("0000:01:00.0", *link)]
    tree.pci_device(chain, device_id="2504", driver=driver)
    return tree


def test_a_card_without_a_driver_is_named_from_its_pci_id(doctor: Doctor, tmp_path: Path) -> None:
    run = doctor("check", "--sysroot", desktop(tmp_path, driver=None).root, "--format", "json")
    assert (run.code, run.ids) == (1, ["no-driver-installed"])
    finding = run.document["findings"][0]
    assert "GeForce RTX 3060" in finding["summary"]
    assert any("apt" in command for command in finding["fix"]["commands"])


def test_another_driver_that_holds_the_card_is_named(doctor: Doctor, tmp_path: Path) -> None:
    tree = desktop(tmp_path, driver="vfio-pci")
    tree.write("/usr/lib/modules/6.8.0-45-generic/updates/dkms/nvidia.ko.zst", "")
    tree.driver_libraries("580.159.04")
    run = doctor("check", "--sysroot", tree.root, "--format", "json")
    assert run.ids == ["other-driver-bound"]
    assert "vfio-pci" in run.document["findings"][0]["summary"]


def test_a_card_that_no_current_driver_serves_gets_no_advice_to_install_one(doctor: Doctor, tmp_path: Path) -> None:
    run = doctor("check", "--sysroot", laptop_with_nouveau(tmp_path).root, "--format", "json")
    assert run.ids == ["gpu-too-old-for-driver"]
    assert "GT 750M" in run.out


def test_under_a_sysroot_paths_are_those_of_the_machine(doctor: Doctor, tmp_path: Path) -> None:
    run = doctor("check", "--sysroot", server_with_narrow_uplink(tmp_path).root, "--format", "json")
    assert str(tmp_path) not in run.out
    assert run.document["facts"]["kernel_driver"]["loaded_release"]["state"] == "known"
    assert run.step("cu-init")["state"] == "not reached"


def test_a_healthy_card_gets_no_finding(doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path) -> None:
    tree = server_with_narrow_uplink(tmp_path)
    environment = fake_driver.scenario()
    run = doctor("check", "--quick", "--sysroot", tree.root, "--live", "--format", "json", env=environment)
    assert (run.code, run.ids, run.document["status"]) == (0, [], "ok")
    text = doctor("check", "--quick", "--sysroot", tree.root, "--live", env=environment)
    assert text.code == 0
    assert "No kernel was compiled or run (--quick)" in " ".join(text.out.split())


def test_a_healthy_card_on_a_hidden_bus_gets_no_finding(doctor: Doctor, fake_driver: FakeDriver) -> None:
    run = doctor("check", "--quick", "--format", "json", env=fake_driver.scenario())
    assert (run.code, run.ids) == (0, [])


@pytest.mark.parametrize(
    ("scenario", "finding"),
    [
        ({"nvml_init": 18, "cu_init": 803, "nvml_release": "580.159.10"}, "driver-library-mismatch"),
        ({"cu_init": "hang"}, "driver-call-hung"),
        ({"nvml_init": "hang"}, "driver-call-hung"),
        ({"nvml_init": "crash"}, "driver-call-crashed"),
        ({"cu_init": "crash"}, "driver-call-crashed"),
        ({"hang_in": "nvmlDeviceGetName"}, "driver-call-hung"),
        ({"crash_in": "cuDevicePrimaryCtxRetain"}, "driver-call-crashed"),
        ({"cu_init": 803}, "compat-libs-mismatch"),
        ({"cu_init": 304}, "driver-call-failed"),
        ({"name": b"H100\x1b]0;owned\x07\xff"}, "device-name-unprintable"),
        ({"cuda_version": 12020, "driver_release": "535.183.01"}, "driver-too-old"),
        ({"name": "NVIDIA GeForce GTX 1080", "compute_capability_major": 6}, "toolkit-arch-unsupported"),
        ({"environment": {"CUDA_VISIBLE_DEVICES": "-1"}}, "cuda-visible-devices-hides-gpu"),
        ({"environment": {"CUDA_VISIBLE_DEVICES": "7"}}, "cuda-visible-devices-hides-gpu"),
        ({"environment": {"NUMBA_ENABLE_CUDASIM": "1"}}, "cuda-simulator-enabled"),
        pytest.param(
            {"libraries": ("nvml",)},
            "libcuda-missing",
            marks=pytest.mark.skipif(find_library("cuda") is not None, reason="this machine has a libcuda of its own"),
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else value,
)
def test_each_scenario_has_its_finding_first(
    doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path, scenario: dict, finding: str
) -> None:
    tree = server_with_narrow_uplink(tmp_path)
    environment = fake_driver.scenario(**scenario)
    limit = ("--timeout", "2") if "hang" in str(scenario) else ()
    run = doctor("check", "--quick", "--sysroot", tree.root, "--live", "--format", "json", *limit, env=environment)
    assert run.ids[:1] == [finding]
    assert run.seconds < 10
    severity = run.document["findings"][0]["severity"]
    assert run.code == (1 if severity == "error" else 0)


def test_after_a_hang_the_rest_of_the_check_still_ran(doctor: Doctor, fake_driver: FakeDriver) -> None:
    run = doctor("check", "--quick", "--format", "json", "--timeout", "1", env=fake_driver.scenario(cu_init="hang"))
    assert run.step("cu-init")["state"] == "timed out"
    assert run.step("nvml")["state"] == "passed"
    assert run.document["facts"]["nvml"]["devices"][0]["name"]["value"] == "NVIDIA H100 80GB HBM3"
    assert run.document["facts"]["packages"]["state"] == "known"


def test_two_hangs_are_reported_within_ten_seconds(doctor: Doctor, fake_driver: FakeDriver) -> None:
    run = doctor("check", "--format", "json", env=fake_driver.scenario(cu_init="hang", nvml_init="hang"))
    assert run.ids[:1] == ["driver-call-hung"]
    assert run.seconds < 10


def test_a_mismatch_shows_all_components_of_both_releases(
    doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path
) -> None:
    tree = server_with_narrow_uplink(tmp_path)
    environment = fake_driver.scenario(
        nvml_init=18, cu_init=803, nvml_release="570.124.06", libcuda_release="570.124.06"
    )
    run = doctor("check", "--quick", "--sysroot", tree.root, "--live", "--format", "json", env=environment)
    finding = run.document["findings"][0]
    loaded = run.document["facts"]["kernel_driver"]["loaded_release"]["value"]
    assert len(loaded.split(".")) == 3
    assert loaded in str(finding)
    assert "570.124.06" in str(finding)


def test_a_hostile_name_never_reaches_the_terminal(doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path) -> None:
    environment = fake_driver.scenario(name=b"H\x1b]0;owned\x07\x9b2J\xe2\x80\xae\xff")
    environment["CUDA_VISIBLE_DEVICES"] = "0\x1b[31m"
    for format in ("text", "json", "markdown"):
        run = doctor("check", "--quick", "-v", "--format", format, env=environment)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", run.out + run.err)


def test_the_cards_name_in_a_fix_is_never_part_of_a_command(doctor: Doctor, fake_driver: FakeDriver) -> None:
    run = doctor("check", "--quick", "--format", "json", env=fake_driver.scenario(name="x; rm -rf ~", cu_init=999))
    assert all("rm -rf" not in command for f in run.document["findings"] for command in f["fix"]["commands"])


def test_wsl2_without_the_pci_bus_is_not_a_machine_without_a_card(
    doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path
) -> None:
    tree = wsl2(tmp_path)
    run = doctor("check", "--quick", "--sysroot", tree.root, "--live", "--format", "json", env=fake_driver.scenario())
    assert "no-nvidia-gpu-active" not in run.ids


def test_left_out_areas_are_skipped_and_not_passed(doctor: Doctor, fake_driver: FakeDriver) -> None:
    run = doctor("check", "--skip", "driver", "--format", "json", env=fake_driver.scenario())
    assert run.step("nvml")["state"] == "not reached"
    assert "--skip driver" in run.step("nvml")["detail"]
    assert run.document["facts"]["nvml"] == {"state": "missing", "reason": "--skip driver: it was left out"}
    assert run.document["skipped"]
    assert run.document["status"] != "ok"


def test_fail_on_decides_the_exit_code(doctor: Doctor, tmp_path: Path) -> None:
    root = machine_without_card(tmp_path).root
    assert [doctor("check", "--sysroot", root, "--fail-on", level).code for level in ("error", "warning", "never")] == [
        1,
        1,
        0,
    ]


def test_saved_facts_give_the_same_report_without_touching_a_device(
    doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path
) -> None:
    file = tmp_path / "facts.json"
    live = doctor("check", "--quick", "--no-redact", "--save", file, env=fake_driver.scenario(cu_init=803))
    saved = doctor("check", "--facts", file)
    assert saved.out == live.out
    assert saved.code == live.code == 1
    piped = doctor("check", "--facts", "-", stdin=file.read_text(encoding="utf-8"))
    assert piped.out == live.out


def test_list_checks_names_every_check_by_area_and_looks_at_nothing(doctor: Doctor) -> None:
    lines = doctor("check", "--list-checks", "--facts", "no such file").out.splitlines()
    assert lines[0].startswith("host ")
    assert any(line.startswith("kernel  kernel-result-wrong") for line in lines)
    assert max(map(len, lines)) <= 130
    kernel = doctor("check", "--list-checks", "--only", "kernel", "--format", "json")
    assert {check["area"] for check in kernel.document["checks"]} == {"kernel"}
    assert doctor("check", "--list-checks", "--only", "nothing").code == 2


def test_each_area_has_one_line_in_a_pipe_of_80_columns(doctor: Doctor, tmp_path: Path) -> None:
    out = doctor("check", "--sysroot", desktop(tmp_path, driver="nouveau").root, "--skip", "python").out
    block = out.partition("Area by area\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[:2] for line in block] == [
        ["passed", "host"],
        ["passed", "pci"],
        ["error", "driver"],
        ["skipped", "toolkit"],
        ["skipped", "python"],
        ["skipped", "kernel"],
    ]
    assert "--skip python: it was left out" in block[4]
    assert all(len(line) <= 80 for line in block)


def test_a_line_of_an_area_that_is_too_long_says_so_and_is_whole_with_v(doctor: Doctor, tmp_path: Path) -> None:
    arguments = ("check", "--sysroot", desktop(tmp_path, driver="nouveau").root)
    narrow = {**os.environ, "COLUMNS": "44"}
    blocks = [
        doctor(*arguments, *more, env=narrow).out.partition("Area by area\n")[2].partition("\n\n")[0].splitlines()
        for more in ((), ("-v",))
    ]
    assert re.fullmatch(r"  passed   host     Ubuntu 24.04.1 LTS, .*\.\.\.", blocks[0][0])
    assert len(blocks[0]) == 6
    assert all(len(line) <= 44 for line in blocks[0] + blocks[1])
    assert len(blocks[1]) > 6
    assert "..." not in " ".join(blocks[1])
