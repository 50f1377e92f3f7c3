"""Rules about heat, power, neighbours, slow starts, links and what the kernel said of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cudadoctor.facts.bandwidth import SkippedMeasurement
from cudadoctor.facts.explanation import Violation
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Severity
from cudadoctor.rules.catalogue import RULES
from cudadoctor.rules.setup.plan import make_plan
from tests.rules import build as b
from tests.rules.profiles import profile

GIB = 2**30


def with_gpu(**values: Any) -> Machine:
    return b.machine(nvml=b.nvml(b.nvml_device(**values)))


# thermal-throttle


@pytest.mark.parametrize(
    "values",
    [
        {"clock_event_reasons": 0x20, "temperature_c": 87},
        {"clock_event_reasons": 0x40, "temperature_c": 96},
        {"clock_event_reasons": 0x8, "temperature_c": 95},
        {"clock_event_reasons": 0x24, "temperature_c": 84, "target_temperature_c": 84},
    ],
)
def test_a_thermal_reason_at_a_threshold_is_a_warning(values: dict[str, Any]) -> None:
    finding = b.only(with_gpu(**values))
    assert (finding.id, finding.severity) == ("thermal-throttle", Severity.WARNING)
    assert f"{values['temperature_c']} °C" in finding.summary


@pytest.mark.parametrize(
    "values",
    [
        {"clock_event_reasons": 0x20, "temperature_c": 60},
        {"clock_event_reasons": 0x4, "temperature_c": 90},
        {"clock_event_reasons": 0, "temperature_c": 90},
        {"clock_event_reasons": 0x20, "temperature_c": b.NONE},
        {
            "clock_event_reasons": 0x20,
            "temperature_c": 90,
            "slowdown_temperature_c": b.NONE,
            "maximum_temperature_c": b.NONE,
        },
        {"clock_event_reasons": 0x20, "temperature_c": 30, "slowdown_temperature_c": 0, "maximum_temperature_c": 0},
    ],
)
def test_heat_or_a_reason_alone_gets_no_finding(values: dict[str, Any]) -> None:
    assert b.ids(with_gpu(**values)) == []


# power-cap, battery-power-limit


def test_a_lowered_limit_is_a_note_and_a_warning_where_it_holds_the_clocks_down() -> None:
    note = b.only(with_gpu(power_limit_w=500.0))
    assert (note.id, note.severity) == ("power-cap", Severity.NOTE)
    assert "500 W" in note.summary
    assert "sudo nvidia-smi -i 0 -pl 700" in note.fix.commands
    assert b.only(with_gpu(power_limit_w=500.0, clock_event_reasons=0x4)).severity is Severity.WARNING


def test_the_cap_at_the_default_limit_is_normal_and_a_power_brake_is_not() -> None:
    assert b.ids(with_gpu(clock_event_reasons=0x4)) == []
    assert b.ids(with_gpu(power_limit_w=699.9)) == []
    assert b.ids(with_gpu(power_limit_default_w=b.NONE, power_limit_w=100.0)) == []
    brake = b.only(with_gpu(clock_event_reasons=0x80))
    assert (brake.id, brake.severity) == ("power-cap", Severity.WARNING)


@pytest.mark.parametrize(
    ("limit", "default", "ids"),
    [(700.0, 700.0, []), (500.0, 700.0, ["power-cap"]), (700.0, b.NONE, ["power-cap"])],
)
def test_a_program_that_power_held_down_is_told_only_below_the_default_or_where_that_is_unknown(
    limit: float, default: Any, ids: list[str]
) -> None:
    held = profile(violations=(Violation(policy="power", seconds=2.0),), window_s=10.0)
    nvml = b.nvml(b.nvml_device(power_limit_w=limit, power_limit_default_w=default))
    assert b.ids(b.machine(nvml=nvml, profile=held)) == ids


def test_a_laptop_on_battery_is_noted_once_with_its_charge() -> None:
    on_battery = b.power("hybrid", on_mains=False, battery=41)
    machine = b.machine(power=on_battery, nvml=b.nvml(b.nvml_device(power_limit_w=35.0)))
    finding = b.only(machine)
    assert (finding.id, finding.severity, finding.consequences) == (
        "battery-power-limit",
        Severity.NOTE,
        ("power-cap",),
    )
    assert "41 %" in finding.summary


def test_a_machine_that_does_not_tell_of_mains_gets_no_finding() -> None:
    assert b.ids(b.machine(power=b.power("hybrid", on_mains=b.NONE, battery=41))) == []


# gpu-shared-with-others


def test_a_neighbour_on_the_gpu_is_noted_with_its_memory() -> None:
    finding = b.only(with_gpu(processes=(b.process(4001, 9 * GIB, "compute"),), memory_used_bytes=10 * GIB))
    assert (finding.id, finding.severity) == ("gpu-shared-with-others", Severity.NOTE)
    assert "9.0 GiB" in finding.summary


@pytest.mark.parametrize("kind", ["graphics", ""])
def test_a_desktop_and_processes_of_unknown_kind_are_no_neighbours(kind: str) -> None:
    assert b.ids(with_gpu(processes=(b.process(4001, GIB, kind),), memory_used_bytes=2 * GIB)) == []


# persistence-mode-off


def slow_start(seconds: float | None, **values: Any) -> Machine:
    step = b.step("cu-init", "passed", call="cuInit", seconds=seconds)
    return msgspec.structs.replace(with_gpu(**values), ladder=b.ladder(step))


@pytest.mark.parametrize(("seconds", "severity"), [(1.4, Severity.NOTE), (11.0, Severity.WARNING)])
def test_a_slow_start_without_persistence_is_told_with_its_time(seconds: float, severity: Severity) -> None:
    finding = b.only(slow_start(seconds, persistence_mode=False))
    assert (finding.id, finding.severity) == ("persistence-mode-off", severity)
    assert f"{seconds} s" in finding.summary


def test_persistence_off_with_a_quick_start_gets_no_finding_and_neither_does_a_slow_one_with_it_on() -> None:
    assert b.ids(slow_start(0.11, persistence_mode=False)) == []
    assert b.ids(slow_start(None, persistence_mode=False)) == []
    assert b.ids(slow_start(11.0, persistence_mode=True)) == []


# exclusive-compute-mode, memory-held-by-other-process: the GPU that was tried


def test_the_mode_of_another_gpu_than_the_one_that_was_tried_is_not_to_blame() -> None:
    gpus = (b.nvml_device(0), b.nvml_device(1, compute_mode=3))
    refused = b.stopped(b.cuda_failed(46, at="context", device=0))
    machine = b.machine(nvml=b.nvml(*gpus), driver=b.driver(b.driver_device(0), b.driver_device(1)), ladder=refused)
    assert not b.fires("exclusive-compute-mode", machine)
    tried_second = b.stopped(b.cuda_failed(46, at="context", device=1))
    assert b.only(msgspec.structs.replace(machine, ladder=tried_second)).id == "exclusive-compute-mode"


def test_running_out_of_memory_with_gigabytes_free_is_not_blamed_on_others() -> None:
    failed = b.stopped(b.cuda_failed(2, at="context"))
    half = b.nvml_device(memory_used_bytes=60 * GIB, processes=(b.process(4001, 60 * GIB),))
    assert b.ids(b.machine(nvml=b.nvml(half), ladder=failed)) == ["driver-call-failed"]


# vgpu-unlicensed, gpu-needs-reset


def test_a_virtual_gpu_that_is_busy_with_nobody_on_it_may_lack_its_licence() -> None:
    gpu = b.nvml_device(virtualization="vgpu", vgpu_licence=b.NONE)
    busy = b.stopped(b.cuda_failed(46, at="context"))
    finding = b.only(b.machine(nvml=b.nvml(gpu), ladder=busy))
    assert (finding.id, finding.confidence) == ("vgpu-unlicensed", "possible")
    held = b.nvml_device(virtualization="vgpu", vgpu_licence=b.NONE, compute_mode=3)
    assert b.only(b.machine(nvml=b.nvml(held), ladder=busy)).id == "exclusive-compute-mode"
    licensed = b.nvml_device(virtualization="vgpu", vgpu_licence="licensed")
    assert b.only(b.machine(nvml=b.nvml(licensed), ladder=busy)).id == "driver-call-failed"


def test_nvml_that_asks_for_a_reset_itself_is_heard() -> None:
    machine = b.machine(nvml=b.NONE, driver=b.NONE, ladder=b.stopped(b.nvml_failed(16), b.cuda_failed(999)))
    assert b.fires("gpu-needs-reset", machine)


# The kernel log: nvlink-error, pcie-bus-errors, kernel-module-flavour-wrong, row-remap-pending


def test_an_nvlink_error_is_a_warning_while_all_works() -> None:
    finding = b.only(b.machine(kernel_log=b.kernel_log(b.xid(74, count=3))))
    assert (finding.id, finding.severity) == ("nvlink-error", Severity.WARNING)
    assert "3 NVLink errors" in finding.summary


def test_an_nvlink_error_of_saved_files_is_a_warning_where_no_driver_was_asked() -> None:
    log = b.kernel_log(b.xid(74))
    saved = b.machine(kernel_log=log, nvml=b.NONE, driver=b.NONE, ladder=b.not_asked())
    assert b.only(saved).severity is Severity.WARNING
    failed = b.machine(kernel_log=log, ladder=b.stopped(b.cuda_failed(999, at="context")))
    assert b.only(failed).severity is Severity.ERROR


@pytest.mark.parametrize(
    ("kind", "text", "severity"),
    [
        ("pcie-corrected", "nvidia 0000:01:00.0: PCIe Bus Error: severity=Corrected", Severity.NOTE),
        ("pcie-error", "nvidia 0000:01:00.0: PCIe Bus Error: severity=Corrected", Severity.NOTE),
        ("pcie-error", "nvidia 0000:01:00.0: PCIe Bus Error: severity=Uncorrectable (Fatal)", Severity.WARNING),
    ],
)
def test_bus_errors_weigh_as_they_were_corrected(kind: str, text: str, severity: Severity) -> None:
    finding = b.only(b.machine(kernel_log=b.kernel_log(b.event(kind, text))))
    assert (finding.id, finding.severity) == ("pcie-bus-errors", severity)


WANTS_OPEN = b.event("open-module-required", "NVRM: requires use of the NVIDIA open kernel modules.")
NOT_OPEN = b.event("not-supported", "NVRM: is not supported by open nvidia.ko because it does not include the")


@pytest.mark.parametrize(
    ("line", "package"), [(WANTS_OPEN, "nvidia-driver-580-open"), (NOT_OPEN, "nvidia-driver-580")], ids=["open", "not"]
)
def test_the_wrong_flavour_of_the_module_is_told_with_the_right_package(line: Any, package: str) -> None:
    answers = b.stopped(b.nvml_failed(9), b.cuda_failed(100))
    finding = b.only(b.machine(kernel_log=b.kernel_log(line), nvml=b.NONE, driver=b.NONE, ladder=answers))
    assert (finding.id, finding.confidence) == ("kernel-module-flavour-wrong", "proven")
    assert finding.fix.commands[0].endswith(f" {package}")


@pytest.mark.parametrize("family", ["ubuntu debian", "debian", "fedora", "rhel fedora", "suse", "arch", "gentoo"])
def test_each_distribution_gets_its_own_way_to_the_other_flavour(family: str) -> None:
    answers = b.stopped(b.nvml_failed(9), b.cuda_failed(100))
    parts = {"host": b.host(distribution_family=family), "nvml": b.NONE, "driver": b.NONE, "ladder": answers}
    fixes = [b.diagnose(b.machine(kernel_log=b.kernel_log(line), **parts))[0][0].fix for line in (WANTS_OPEN, NOT_OPEN)]
    assert all(fix.commands[-1] == "sudo reboot" for fix in fixes)
    assert fixes[0] != fixes[1]
    assert family == "gentoo" or len({len(fix.commands) for fix in fixes} - {1}) > 0


def test_a_card_that_no_module_of_this_branch_takes_is_left_to_its_age() -> None:
    machine = b.machine(
        pci=b.pci(b.gtx1080()),
        kernel_driver=b.kernel_driver(release="590.48.01"),
        kernel_log=b.kernel_log(NOT_OPEN),
        nvml=b.NONE,
        driver=b.NONE,
        ladder=b.stopped(b.nvml_failed(9), b.cuda_failed(100)),
    )
    assert b.only(machine).id == "gpu-too-old-for-driver"
    same = msgspec.structs.replace(machine, kernel_driver=b.kernel_driver())
    assert b.ids(same)[0] == "kernel-module-flavour-wrong"


def test_a_card_that_answers_has_the_right_flavour_now() -> None:
    assert b.ids(b.machine(kernel_log=b.kernel_log(WANTS_OPEN))) == []


def test_xid_64_counts_only_where_the_card_cannot_tell_of_its_rows() -> None:
    log = b.kernel_log(b.xid(64))
    assert b.ids(b.machine(kernel_log=log)) == []
    untold = b.nvml(b.nvml_device(remap_failed=b.NONE, remap_pending=b.NONE))
    assert b.only(b.machine(kernel_log=log, nvml=untold)).id == "row-remap-pending"
    assert b.ids(b.machine(kernel_log=b.kernel_log(b.xid(63)), nvml=untold)) == []


def test_what_the_kernel_said_of_two_releases_is_shown() -> None:
    line = "NVRM: API mismatch: the client has the version 580.159.04, but this kernel module has 580.126.09"
    machine = b.machine(
        kernel_driver=b.kernel_driver(release="580.126.09"),
        nvml=b.NONE,
        driver=b.NONE,
        ladder=b.stopped(b.nvml_failed(18), b.cuda_failed(803)),
        kernel_log=b.kernel_log(b.event("version-mismatch", line)),
    )
    finding = b.only(machine)
    assert finding.id == "driver-library-mismatch"
    assert line in [item.value for item in finding.evidence]


# secure-boot-unsigned-module: whose key


def unloaded(**values: Any) -> Machine:
    return msgspec.structs.replace(
        b.DRIVERLESS,
        kernel_driver=b.kernel_driver(loaded=False, release=b.NONE),
        module_build=b.module_build(secure_boot=True, signed=True, lockdown="integrity", **values),
        kernel_log=b.kernel_log(b.event("module-rejected", "Loading of module with unavailable key is rejected")),
    )


def test_the_key_that_is_not_enrolled_is_named() -> None:
    machine = unloaded(module_signer="build host key", owner_keys=("another key",))
    finding = b.only(machine)
    assert (finding.id, finding.confidence) == ("secure-boot-unsigned-module", "supported")
    assert '"build host key", which is not among those that the machine' in finding.summary
    untold = b.only(unloaded(module_signer="build host key", owner_keys=b.NONE))
    assert 'the key "build host key".' in untold.summary


def test_an_enrolled_key_is_accused_only_after_a_refusal() -> None:
    machine = unloaded(module_signer="build host key", owner_keys=("build host key",))
    assert b.only(machine).confidence == "possible"
    silent = msgspec.structs.replace(machine, kernel_log=b.NONE)
    assert not b.fires("secure-boot-unsigned-module", silent)


# low-power-state, wsl-pinned-memory-limit


def test_a_gpu_that_does_not_rise_under_load_explains_slow_copies() -> None:
    slow = b.bandwidth(6.0, 6.0, under_load=(1, 16))
    assert slow.link_under_load is not None
    low = msgspec.structs.replace(slow.link_under_load, performance_state=b.fact(8))
    finding = b.only(b.machine(bandwidth=msgspec.structs.replace(slow, link_under_load=low)))
    assert (finding.id, finding.severity) == ("low-power-state", Severity.WARNING)
    assert "P8" in finding.summary
    few = msgspec.structs.replace(low, samples=1)
    assert not b.fires("low-power-state", b.machine(bandwidth=msgspec.structs.replace(slow, link_under_load=few)))


NOT_PINNED = SkippedMeasurement(
    key="h2d_pinned",
    device=0,
    reason="host memory could not be pinned: cuMemHostAlloc failed with CUDA_ERROR_OUT_OF_MEMORY (2)",
)


def test_memory_that_could_not_be_pinned_is_a_limit_of_wsl2_only_in_wsl2() -> None:
    measured = b.bandwidth(skipped=(NOT_PINNED,))
    finding = b.only(b.machine(bandwidth=measured, host=b.host(wsl=True)))
    assert (finding.id, finding.severity) == ("wsl-pinned-memory-limit", Severity.WARNING)
    assert b.ids(b.machine(bandwidth=measured)) == ["pinned-allocation-limited"]


# setup


@pytest.mark.parametrize("machine", [with_gpu(clock_event_reasons=0x80), slow_start(11.0, persistence_mode=False)])
def test_what_only_costs_speed_keeps_no_step_of_a_set_up_from_being_done(machine: Machine) -> None:
    findings = b.diagnose(machine)[0]
    assert findings
    assert make_plan(machine, findings, RULES).done
