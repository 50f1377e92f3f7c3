"""What `check` learns of errors, licences and the kernel log, from the fake driver and the files of fake machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cli.conftest import Doctor, Run
from tests.fake_driver.build import FakeDriver
from tests.probes.machine_tree import MachineTree, server_with_narrow_uplink


def quick(doctor: Doctor, tree: MachineTree, environment: dict[str, str], *more: str) -> Run:
    return doctor("check", "--quick", "--sysroot", tree.root, "--live", "--format", "json", *more, env=environment)


def first_gpu(run: Run) -> dict[str, Any]:
    return run.document["facts"]["nvml"]["devices"][0]


def test_health_is_read_from_nvml_and_a_healthy_card_has_none_to_complain_of(
    doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path
) -> None:
    run = quick(doctor, server_with_narrow_uplink(tmp_path), fake_driver.scenario(mig_mode=1, mig_instances=2))
    gpu = first_gpu(run)
    values = {name: fact["value"] for name, fact in gpu.items() if isinstance(fact, dict) and "value" in fact}
    assert (values["ecc_uncorrectable_volatile"], values["remap_pending"], values["recovery_action"]) == (
        0,
        False,
        "none",
    )
    assert (values["mig_instances"], values["virtualization"], values["processes"]) == (2, "none", [])
    assert gpu["vgpu_licence"] == {"state": "missing", "reason": "this GPU needs no vGPU licence"}
    assert (run.code, run.ids) == (0, [])


def test_memory_errors_that_nvml_counts_are_reported(doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path) -> None:
    environment = fake_driver.scenario(ecc_uncorrectable=2, remap_pending=1, recovery_action=1)
    run = quick(doctor, server_with_narrow_uplink(tmp_path), environment)
    (finding,) = run.document["findings"]
    assert (finding["id"], finding["severity"]) == ("ecc-uncorrectable", "warning")
    assert set(finding["consequences"]) == {"row-remap-pending", "gpu-needs-reset"}


def test_a_virtual_gpu_without_licence_is_reported(doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path) -> None:
    environment = fake_driver.scenario(virtualization_mode=2, vgpu_licensed=0)
    assert quick(doctor, server_with_narrow_uplink(tmp_path), environment).ids == ["vgpu-unlicensed"]


def test_confidential_compute_that_is_not_ready_explains_802(
    doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path
) -> None:
    environment = fake_driver.scenario(cu_init=802, confidential_compute=1, confidential_compute_ready=0)
    assert quick(doctor, server_with_narrow_uplink(tmp_path), environment).ids == ["confidential-compute-not-ready"]


def test_a_health_call_that_hangs_does_not_cost_what_was_known_before(
    doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path
) -> None:
    environment = fake_driver.scenario(error_in="nvmlDeviceGetRemappedRows:15", hang_in="nvmlDeviceGetTotalEccErrors")
    run = quick(doctor, server_with_narrow_uplink(tmp_path), environment, "--timeout", "2")
    gpu = first_gpu(run)
    assert gpu["name"]["state"] == "known"
    assert gpu["ecc_uncorrectable_volatile"]["state"] == "missing"
    assert run.ids == ["driver-call-hung"]
    assert run.seconds < 20


def test_the_kernel_log_of_a_saved_root_explains_a_card_that_no_driver_answers_for(
    doctor: Doctor, tmp_path: Path
) -> None:
    tree = server_with_narrow_uplink(tmp_path)
    tree.write(
        "/var/log/kern.log", "host kernel: [ 50.0] NVRM: Xid (PCI:0000:03:00): 79, GPU has fallen off the bus.\n"
    )
    run = doctor("check", "--sysroot", tree.root, "--format", "json")
    assert run.ids == ["gpu-fallen-off-bus"]
    assert run.document["facts"]["kernel_log"]["events"][0]["xid"] == 79


def test_without_a_card_or_driver_no_log_is_read(doctor: Doctor, tmp_path: Path) -> None:
    tree = MachineTree(tmp_path)
    tree.linux("6.8.0-60-generic", os_release="ID=ubuntu\n")
    tree.write("/var/log/kern.log", "[ 50.0] NVRM: Xid (PCI:0000:03:00): 79, GPU has fallen off the bus.\n")
    run = doctor("check", "--sysroot", tree.root, "--format", "json")
    assert run.document["facts"]["kernel_log"]["state"] == "missing"


def test_a_hot_card_at_work_is_a_warning_and_a_cool_one_none(
    doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path
) -> None:
    tree = server_with_narrow_uplink(tmp_path)
    hot = quick(doctor, tree, fake_driver.scenario(clock_event_reasons=0x20, temperature_c=88))
    assert hot.ids == ["thermal-throttle"]
    assert "maximum operating temperature is 87 °C" in hot.document["findings"][0]["summary"]
    assert quick(doctor, tree, fake_driver.scenario(clock_event_reasons=0x20, temperature_c=60)).ids == []


def test_a_lowered_power_limit_is_a_note(doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path) -> None:
    run = quick(doctor, server_with_narrow_uplink(tmp_path), fake_driver.scenario(power_limit_mw=350000))
    assert (run.code, run.ids) == (0, ["power-cap"])
