"""Codes, hangs and crashes of the driver, and what hides a GPU that works."""

from __future__ import annotations

import pytest

from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Severity
from tests.rules import build as b


def cuda_stopped(step, **sections: object) -> Machine:
    return b.machine(**({"driver": b.NONE, "ladder": b.stopped(step)} | sections))


# driver-call-hung, driver-call-crashed


def test_a_hang_names_the_call_and_the_limit() -> None:
    hung = b.step("cu-init", "timed out", call="cuInit", detail="cuInit gave no answer within 8 s")
    finding = b.only(cuda_stopped(hung))
    assert finding.id == "driver-call-hung"
    assert "cuInit gave no answer within 8 s" in finding.summary


def test_a_crash_names_the_call_and_the_signal() -> None:
    finding = b.only(cuda_stopped(b.step("cu-init", "crashed", call="cuInit", signal="SIGSEGV")))
    assert finding.id == "driver-call-crashed"
    assert "cuInit" in finding.summary
    assert "SIGSEGV" in finding.summary


def test_a_hang_explains_what_failed_beside_it() -> None:
    hung = b.step("nvml", "timed out", call="nvmlInit")
    finding = b.only(b.machine(nvml=b.NONE, driver=b.NONE, ladder=b.stopped(hung, b.cuda_failed(999))))
    assert (finding.id, finding.consequences) == ("driver-call-hung", ("driver-call-failed",))


def test_a_failed_call_is_neither_a_hang_nor_a_crash() -> None:
    machine = cuda_stopped(b.cuda_failed(999))
    assert not b.fires("driver-call-hung", machine)
    assert not b.fires("driver-call-crashed", machine)


# driver-call-failed


def test_a_code_that_nothing_explains_is_named_with_its_call() -> None:
    finding = b.only(cuda_stopped(b.cuda_failed(719, "CUDA_ERROR_LAUNCH_FAILED")))
    assert finding.id == "driver-call-failed"
    for word in ("cuInit", "719", "CUDA_ERROR_LAUNCH_FAILED"):
        assert word in finding.summary


def test_an_nvml_code_beside_a_cuda_that_works_is_a_warning() -> None:
    finding = b.only(b.machine(ladder=b.ladder(b.nvml_failed(13))))
    assert (finding.id, finding.severity) == ("driver-call-failed", Severity.WARNING)


def test_the_telling_code_is_named_and_not_the_one_that_only_follows() -> None:
    machine = b.machine(nvml=b.NONE, driver=b.NONE, ladder=b.stopped(b.nvml_failed(9), b.cuda_failed(304)))
    assert "304" in b.only(machine).summary


def test_a_card_that_nvml_cannot_start_is_told_to_look_into_the_kernel_log() -> None:
    none_seen = b.step("nvml", call="nvmlDeviceGetCount", detail="NVML sees no GPU")
    finding = b.only(b.machine(nvml=b.nvml(), driver=b.NONE, ladder=b.stopped(none_seen, b.cuda_failed(100))))
    assert finding.id == "driver-call-failed"
    assert "RmInitAdapter" in finding.cause


# fabric-manager-not-running


def test_802_on_eight_switched_gpus_is_the_fabric_manager() -> None:
    eight = b.nvml(*(b.nvml_device(n) for n in range(8)))
    finding = b.only(cuda_stopped(b.cuda_failed(802), nvml=eight))
    assert (finding.id, finding.confidence) == ("fabric-manager-not-running", "supported")


def test_802_on_one_gpu_may_be_confidential_compute_and_says_so() -> None:
    finding = b.only(cuda_stopped(b.cuda_failed(802)))
    assert finding.confidence == "possible"
    assert "confidential-compute" in finding.cause
    assert "nvidia-smi conf-compute -grs" in finding.fix.commands


def test_another_code_is_not_the_fabric_manager() -> None:
    assert not b.fires("fabric-manager-not-running", cuda_stopped(b.cuda_failed(801)))


# cuda-visible-devices-hides-gpu


def hidden(value: str, *, all_visible: object = 1, count: int = 1) -> Machine:
    return b.machine(
        environment=b.environment(CUDA_VISIBLE_DEVICES=value),
        nvml=b.nvml(*(b.nvml_device(n) for n in range(count))),
        driver=b.driver(count=b.NONE, all_visible=all_visible),
        ladder=b.stopped(b.cuda_failed(100, "CUDA_ERROR_NO_DEVICE")),
    )


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("", "empty"),
        ("-1", "-1"),
        ("none", "neither"),
        ("2", "past the end"),
        ("GPU-ffffffff-0000", "UUID"),
        ("9" * 5000, "neither"),
    ],
)
def test_a_value_that_hides_every_gpu_is_proven_by_the_second_count(value: str, word: str) -> None:
    finding = b.only(hidden(value))
    assert (finding.id, finding.confidence) == ("cuda-visible-devices-hides-gpu", "proven")
    assert word in finding.cause
    assert finding.fix.commands == ("unset CUDA_VISIBLE_DEVICES",)


def test_a_value_that_hides_every_gpu_is_supported_by_nvml_alone() -> None:
    assert b.only(hidden("-1", all_visible=b.NONE)).confidence == "supported"


def test_the_variable_is_innocent_if_there_is_no_gpu_without_it_either() -> None:
    assert "cuda-visible-devices-hides-gpu" not in b.ids(hidden("-1", all_visible=0))


def test_a_valid_value_is_innocent_of_a_count_of_zero() -> None:
    assert "cuda-visible-devices-hides-gpu" not in b.ids(hidden("0", all_visible=b.NONE))


def test_hiding_some_gpus_is_no_finding() -> None:
    assert b.ids(b.machine(environment=b.environment(CUDA_VISIBLE_DEVICES="0"))) == []


# mig-without-instance, exclusive-compute-mode


def test_mig_on_every_gpu_with_no_device_is_a_missing_instance() -> None:
    machine = cuda_stopped(b.cuda_failed(100), nvml=b.nvml(b.nvml_device(mig_enabled=True)))
    assert b.ids(machine) == ["mig-without-instance"]


def test_mig_on_some_gpus_is_not_the_reason_for_no_device() -> None:
    some = b.nvml(b.nvml_device(mig_enabled=True), b.nvml_device(1))
    assert "mig-without-instance" not in b.ids(cuda_stopped(b.cuda_failed(100), nvml=some))


def test_46_in_exclusive_mode_names_the_processes() -> None:
    busy = b.nvml(b.nvml_device(compute_mode=3, compute_processes=1))
    finding = b.only(b.machine(nvml=busy, ladder=b.stopped(b.cuda_failed(46, at="context"))))
    assert finding.id == "exclusive-compute-mode"
    assert "1 process uses it" in finding.summary


def test_46_in_default_mode_is_a_failed_call() -> None:
    assert b.ids(b.machine(ladder=b.stopped(b.cuda_failed(46, at="context")))) == ["driver-call-failed"]


# device-name-unprintable


def test_a_name_with_an_escape_sequence_is_a_note_and_shown_escaped() -> None:
    finding = b.only(b.machine(nvml=b.nvml(b.nvml_device(name="GPU\x1b]0;owned\x07"))))
    assert (finding.id, finding.severity) == ("device-name-unprintable", Severity.NOTE)
    assert "\\x1b" in finding.summary
    assert "\x1b" not in finding.summary


def test_a_name_in_another_script_is_no_finding() -> None:
    assert b.ids(b.machine(nvml=b.nvml(b.nvml_device(name="NVIDIA グラフィックス é")))) == []
