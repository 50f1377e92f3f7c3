"""The status, and the sentence at the head of a report: what was proven, and what was not reached."""

from __future__ import annotations

from cudadoctor.doctor import diagnose as of_command
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Severity
from cudadoctor.rules.diagnose import diagnose
from cudadoctor.rules.verdict import status, summary_sentence
from tests.fleet import simulated
from tests.rules import build as b


def verdict(machine: Machine) -> tuple[str, str]:
    findings = diagnose(machine)[0]
    return status(machine, findings), summary_sentence(machine, findings)


def test_a_kernel_whose_result_was_right_is_ok_and_the_sentence_says_so() -> None:
    told = "kernels compiled for 9.0 ran and their results were right"
    assert verdict(b.HEALTHY) == ("ok", f"The GPU works: {b.H100} (driver release {b.RELEASE}): {told}.")


def test_gpus_that_were_not_tried_are_counted() -> None:
    two = b.machine(driver=b.driver(b.driver_device(), b.driver_device(1)))
    assert verdict(two)[1].endswith("; 1 more GPU was seen but not tried.")


def test_gpus_that_work_as_well_are_counted() -> None:
    four = b.driver(*(b.driver_device(index) for index in range(4)))
    further = tuple(b.step(name, "passed", device=index) for index in (1, 2) for name in ("context", "memory"))
    ladder = b.msgspec.structs.replace(b.ladder(), further=further)
    told = verdict(b.machine(driver=four, ladder=ladder))[1]
    assert told.endswith("; the other 2 GPUs as well; 1 more GPU was seen but not tried.")


def test_one_gpu_that_fails_beside_one_that_works_is_an_error_that_names_it() -> None:
    two = b.driver(b.driver_device(), b.driver_device(1, "NVIDIA L4", "8.9"))
    wrong = b.step("matmul", detail="ArithmeticError: 3 of 8385 elements are wrong", device=1)
    ladder = b.msgspec.structs.replace(b.ladder(), further=(b.step("context", "passed", device=1), wrong))
    found = diagnose(b.machine(driver=two, ladder=ladder))[0]
    assert [finding.id for finding in found] == ["kernel-result-wrong"]
    assert "on NVIDIA L4" in found[0].summary
    assert found[0].evidence[0].name == "step matmul on GPU 1"


def test_a_driver_call_that_fails_on_another_gpu_leaves_the_first_usable() -> None:
    two = b.driver(b.driver_device(), b.driver_device(1))
    broken = b.cuda_failed(719, "CUDA_ERROR_LAUNCH_FAILED", at="reduction", device=1)
    ladder = b.msgspec.structs.replace(b.ladder(), further=(b.step("context", "passed", device=1), broken))
    found = diagnose(b.machine(driver=two, ladder=ladder))[0]
    assert [finding.id for finding in found] == ["driver-call-failed"]
    assert "GPU 1 cannot be used; GPU 0 can." in found[0].summary


def test_facts_of_an_older_release_end_with_the_copy_and_are_ok() -> None:
    older = tuple(step for step in b.ladder().steps if step.name not in ("reduction", "matmul", "memory"))
    state, sentence = verdict(b.machine(ladder=b.msgspec.structs.replace(b.ladder(), steps=older)))
    assert state == "ok"
    assert "a kernel compiled for 9.0 ran and its result was right." in sentence


def test_the_gpu_that_was_chosen_is_the_one_that_is_named() -> None:
    two = b.driver(b.driver_device(), b.driver_device(1, "NVIDIA L4", "8.9"))
    ladder = b.ladder(b.step("context", "passed", device=1))
    sentence = verdict(b.machine(driver=two, ladder=ladder))[1]
    assert "NVIDIA L4" in sentence
    assert "8.9" in sentence


def test_quick_is_ok_but_says_that_no_kernel_was_run() -> None:
    left_out = b.stopped(b.step("kernel-compile", "not reached", detail="--quick: it was left out"))
    quick = b.ladder(
        *(b.msgspec.structs.replace(s, detail="--quick: x") for s in left_out.steps if s.state != "passed")
    )
    state, sentence = verdict(b.machine(ladder=quick))
    assert state == "ok"
    assert "No kernel was compiled or run (--quick)" in sentence
    assert "not proven" in sentence


def test_a_road_that_ended_early_without_a_finding_is_unknown_and_says_where() -> None:
    state, sentence = verdict(b.machine(nvml=b.NONE, driver=b.NONE, ladder=b.not_asked("under --sysroot")))
    assert state == "unknown"
    assert "not known whether the GPU works" in sentence
    assert "under --sysroot" in sentence


def test_skipped_is_not_passed() -> None:
    no_copy = b.stopped(b.step("copy", "not reached", detail="out of time"))
    state, sentence = verdict(b.machine(ladder=no_copy))
    assert state == "unknown"
    assert "running a kernel; copying data was not reached: out of time" in sentence


def test_no_facts_are_unknown() -> None:
    assert verdict(Machine())[0] == "unknown"


def test_errors_and_warnings_are_counted_and_the_first_is_named() -> None:
    state, sentence = verdict(b.DRIVERLESS)
    assert (state, sentence) == ("error", "1 error: No NVIDIA driver is installed.")


def test_a_note_does_not_spoil_a_healthy_machine() -> None:
    machine = b.machine(nvml=b.nvml(b.nvml_device(name="GPU\x07")))
    assert diagnose(machine)[0][0].severity is Severity.NOTE
    assert verdict(machine)[0] == "ok"


def test_a_measurement_alone_is_ok_and_compared_with_the_link() -> None:
    state, sentence = verdict(Machine(bandwidth=b.bandwidth()))
    assert state == "ok"
    assert sentence.startswith(
        "Pinned copies reach 55.0 GB/s to the device and 55.2 GB/s from the device, at least 87 %"
    )


def test_a_race_tells_how_many_lanes_ran_to_the_end() -> None:
    lanes = (b.lane("cpu", "cpu", (0.287, 0.084)), b.lane("gpu", "gpu:0", state="interrupted"))
    assert verdict(Machine(race=b.race(*lanes))) == (
        "ok",
        "1 lane of the race finished and learned; 1 did not run to the end.",
    )


def test_a_saved_measurement_that_left_the_kernel_out_is_ok_and_claims_no_kernel() -> None:
    left_out = b.stopped(b.step("kernel-compile", "not reached", detail="bandwidth does not run a kernel"))
    state, sentence = verdict(b.machine(ladder=left_out, bandwidth=b.bandwidth()))
    assert state == "ok"
    assert "Pinned copies reach 55.0 GB/s to the device" in sentence
    assert sentence.endswith("No kernel was tried by itself.")


def test_a_measurement_does_not_make_up_for_a_kernel_that_was_tried_and_did_not_end() -> None:
    no_copy = b.stopped(b.step("copy", "not reached", detail="out of time"))
    assert verdict(b.machine(ladder=no_copy, bandwidth=b.bandwidth()))[0] == "unknown"


def test_a_race_on_the_cpu_alone_says_nothing_of_the_gpu() -> None:
    left_out = b.stopped(b.step("kernel-compile", "not reached", detail="the race runs its own kernels"))
    on_cpu, on_gpu = (b.race(b.lane("one", device, (0.287, 0.084))) for device in ("cpu", "gpu:0"))
    assert verdict(b.machine(ladder=left_out, race=on_cpu))[0] == "unknown"
    assert verdict(b.machine(ladder=left_out, race=on_gpu))[0] == "ok"


def test_a_slow_lane_of_the_race_is_no_fault_of_the_machine() -> None:
    race = simulated.base("ubuntu24-h100-race").race
    machine = b.machine(race=race)
    of_race = of_command(machine, "dbn-race")
    slow = [found.id for found in of_race.findings if found.severity is Severity.WARNING]
    assert slow
    assert of_race.status == "warning"
    of_machine = of_command(machine)
    assert of_machine.status == "ok"
    severities = {found.id: found.severity for found in of_machine.findings}
    assert {severities[id] for id in slow} == {Severity.NOTE}


def test_a_lane_that_fails_is_a_fault_of_the_machine_too() -> None:
    lanes = (b.lane("cpu-fast", "cpu", (0.287, 0.084)),)
    failed = b.race(*lanes, b.lane("gpu-copied", "gpu:0", state="failed", reason="CUDA_ERROR_ILLEGAL_ADDRESS"))
    assert of_command(b.machine(race=failed)).status == "error"
