"""Toolkits, Python packages and the kernel that is compiled, run and checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cudadoctor.facts.base import Missing
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.toolkits import Toolkits
from cudadoctor.findings import Severity
from cudadoctor.rules import commands
from cudadoctor.rules.diagnose import diagnose
from tests.rules import build as b

LEFT_OUT = b.step("kernel-compile", "not reached", detail="--quick: it was left out")


def compile_stopped(detail: str = "", code: int | None = None, **sections: object) -> Machine:
    step = b.step("kernel-compile", call="numba.cuda.jit", detail=detail, code=code)
    return b.machine(**({"ladder": b.stopped(step)} | sections))


def on_driver(cuda: str, release: str, toolkit, **sections: object) -> Machine:
    told = {
        "kernel_driver": b.kernel_driver(release=release),
        "libraries": b.libraries(b.driver_file(release=release), b.driver_file("libnvidia-ml.so.1", release)),
        "nvml": b.nvml(b.nvml_device(), release=release, cuda=cuda, mapped_release=release),
        "driver": b.driver(b.driver_device(), cuda=cuda, release=release),
        "toolkits": toolkit,
        "ladder": b.stopped(LEFT_OUT),
    }
    return b.machine(**(told | sections))


# driver-too-old


def test_a_toolkit_of_the_next_major_release_needs_a_newer_driver() -> None:
    finding = b.only(on_driver("12.8", "570.124.06", b.toolkit("13.0")))
    assert finding.id == "driver-too-old"
    assert "13.0" in finding.summary
    assert "570.124.06" in finding.summary
    assert any("numba-cuda[cu12]" in command for command in finding.fix.commands)


def not_selected(*toolkits: Toolkits) -> Toolkits:
    """Toolkits that are on the disk, and of which numba-cuda would load none."""
    return Toolkits(found=tuple(toolkit.found[0] for toolkit in toolkits), selected_root=b.NONE)


def test_a_toolkit_that_only_nvcc_uses_counts_where_numba_would_load_none() -> None:
    new, old = (b.toolkit(version, nvcc="/usr/local/cuda/bin/nvcc") for version in ("13.0", "12.4"))
    assert b.ids(on_driver("12.8", "570.124.06", not_selected(new))) == ["driver-too-old"]
    assert b.ids(on_driver("12.8", "570.124.06", not_selected(old))) == []
    assert b.ids(on_driver("12.8", "570.124.06", not_selected(new, old))) == []
    assert b.ids(on_driver("12.8", "570.124.06", not_selected(b.toolkit("13.0")))) == []


def test_a_newer_minor_release_is_covered_by_minor_version_compatibility() -> None:
    assert b.ids(on_driver("12.2", "535.230.02", b.toolkit("12.9"))) == []


def test_a_driver_below_the_family_s_minimum_is_too_old_within_its_major_release() -> None:
    assert b.ids(on_driver("11.0", "450.36.06", b.toolkit("11.8"), pci=b.NONE)) == ["driver-too-old"]


def test_before_cuda_11_every_minor_release_needed_a_newer_driver() -> None:
    assert b.ids(on_driver("10.1", "418.39", b.toolkit("10.2", architectures=("7.0", "9.0")))) == ["driver-too-old"]


def test_a_driver_is_not_too_old_if_the_kernel_ran() -> None:
    assert b.ids(on_driver("12.8", "570.124.06", b.toolkit("13.0"), ladder=b.ladder())) == []


def test_error_35_is_a_driver_too_old_without_any_toolkit() -> None:
    machine = b.machine(toolkits=b.NO_TOOLKIT, ladder=b.stopped(b.cuda_failed(35)))
    assert b.ids(machine) == ["driver-too-old"]


# ptx-newer-than-driver


def test_222_is_ptx_newer_than_the_driver() -> None:
    finding = b.only(compile_stopped("LinkerError: [222] ...", 222, toolkits=b.toolkit("13.2", nvjitlink=b.NONE)))
    assert (finding.id, finding.confidence) == ("ptx-newer-than-driver", "proven")
    assert "13.2" in finding.summary
    assert "13.0" in finding.summary


def test_ptx_is_predicted_without_nvjitlink_and_not_with_it() -> None:
    without = on_driver("12.8", "570.124.06", b.toolkit("12.9", nvjitlink=b.NONE))
    assert [b.only(without).id, b.only(without).confidence] == ["ptx-newer-than-driver", "supported"]
    assert b.ids(on_driver("12.8", "570.124.06", b.toolkit("12.9"))) == []


def test_ptx_is_not_predicted_for_a_toolkit_as_old_as_the_driver() -> None:
    assert b.ids(on_driver("12.8", "570.124.06", b.toolkit("12.8", nvjitlink=b.NONE))) == []


# toolkit-arch-unsupported


def pascal(toolkit, **sections: object) -> Machine:
    told = {
        "pci": b.pci(b.gtx1080()),
        "nvml": b.nvml(b.nvml_device(name="NVIDIA GeForce GTX 1080", compute_capability="6.1")),
        "driver": b.driver(b.driver_device(name="NVIDIA GeForce GTX 1080", capability="6.1")),
        "toolkits": toolkit,
    }
    return b.machine(**(told | sections))


def test_a_gtx_1080_on_driver_580_with_toolkit_13_needs_the_cu12_wheels_and_no_other_driver() -> None:
    detail = "CCSupportError: GPU compute capability 6.1 is not supported(requires >=7.5)"
    machine = pascal(b.toolkit("13.0"), ladder=b.stopped(b.step("kernel-compile", detail=detail)))
    finding = b.only(machine)
    assert (finding.id, finding.severity, finding.confidence) == ("toolkit-arch-unsupported", Severity.ERROR, "proven")
    for word in ("GTX 1080", "6.1", "13.0", "7.5"):
        assert word in finding.summary
    assert "do not change it" in finding.cause
    assert any("numba-cuda[cu12]" in command for command in finding.fix.commands)
    assert not any("driver" in command for command in finding.fix.commands)


def test_a_gtx_1080_is_told_before_a_kernel_was_tried() -> None:
    finding = b.only(pascal(b.toolkit("13.0"), ladder=b.stopped(LEFT_OUT)))
    assert (finding.id, finding.confidence) == ("toolkit-arch-unsupported", "supported")


def test_a_gtx_1080_with_toolkit_12_9_is_fine() -> None:
    assert b.ids(pascal(b.toolkit("12.9"), ladder=b.stopped(LEFT_OUT))) == []


def test_the_toolkit_s_own_list_is_believed_before_the_table() -> None:
    assert b.ids(pascal(b.toolkit("13.0", architectures=("6.1", "9.0")), ladder=b.stopped(LEFT_OUT))) == []


def test_the_arch_explains_a_driver_that_is_too_old_for_the_toolkit_as_well() -> None:
    machine = pascal(
        b.toolkit("13.0"),
        driver=b.driver(b.driver_device(name="GTX 1080", capability="6.1"), cuda="12.8"),
        ladder=b.stopped(LEFT_OUT),
    )
    finding = b.only(machine)
    assert (finding.id, finding.consequences) == ("toolkit-arch-unsupported", ("driver-too-old",))


def test_a_card_newer_than_the_toolkit_is_a_warning_before_and_an_error_after_it_failed() -> None:
    blackwell = b.driver(b.driver_device(name="RTX 5090", capability="12.0"))
    before = b.only(b.machine(driver=blackwell, toolkits=b.toolkit("12.6"), ladder=b.stopped(LEFT_OUT)))
    assert (before.id, before.severity) == ("toolkit-arch-unsupported", Severity.WARNING)
    after = b.only(
        compile_stopped("CudaAPIError: [209] no kernel image", 209, driver=blackwell, toolkits=b.toolkit("12.6"))
    )
    assert (after.id, after.severity) == ("toolkit-arch-unsupported", Severity.ERROR)


def test_machine_code_of_the_same_major_number_serves_a_later_card() -> None:
    ada = b.driver(b.driver_device(name="RTX 4090", capability="8.9"))
    assert b.ids(b.machine(driver=ada, toolkits=b.toolkit("11.7"), ladder=b.stopped(LEFT_OUT))) == []


def test_a_second_card_that_the_toolkit_dropped_is_a_warning_beside_one_that_works() -> None:
    both = b.driver(b.driver_device(), b.driver_device(1, "GTX 1080", "6.1"))
    finding = b.only(b.machine(driver=both))
    assert (finding.id, finding.severity) == ("toolkit-arch-unsupported", Severity.WARNING)
    assert "GTX 1080" in finding.summary


def test_the_card_that_ran_the_kernel_is_the_one_of_the_context() -> None:
    both = b.driver(b.driver_device(0, "GTX 1080", "6.1"), b.driver_device(1))
    ran = b.ladder(b.step("context", "passed", device=1))
    assert "GTX 1080" in b.only(b.machine(driver=both, ladder=ran)).summary


# nvvm-not-found


@pytest.mark.parametrize(
    "detail",
    [
        "NvvmSupportError: libNVVM cannot be found. Do `conda install cudatoolkit`",
        "DynamicLibNotFoundError: Failure finding libnvvm.so",
        'DynamicLibNotFoundError: Failure finding "libcudart.so.13 or libcudart.so.12": No such file: libcudart.so.13',
        "RuntimeError: Missing libdevice file.",
        "ImportError: nvrtc could not be loaded: no such file",
    ],
)
def test_a_compiler_that_is_not_there_is_told_with_the_wheels_that_fit(detail: str) -> None:
    finding = b.only(compile_stopped(detail, toolkits=b.NO_TOOLKIT))
    assert finding.id == "nvvm-not-found"
    assert any("numba-cuda[cu13]" in command for command in finding.fix.commands)


def test_the_wheels_of_cuda_12_fit_an_older_driver() -> None:
    detail = "NvvmSupportError: libNVVM cannot be found"
    machine = compile_stopped(detail, toolkits=b.NO_TOOLKIT, driver=b.driver(b.driver_device(), cuda="12.4"))
    assert any("numba-cuda[cu12]" in command for command in b.only(machine).fix.commands)


def test_a_stale_cuda_home_is_named() -> None:
    machine = compile_stopped(
        "NvvmSupportError: libNVVM cannot be found",
        toolkits=b.NO_TOOLKIT,
        environment=b.environment(CUDA_HOME="/usr/local/cuda-9.0"),
    )
    assert "CUDA_HOME" in b.only(machine).cause


def idle(version: str, **values: object) -> Toolkits:
    """A toolkit in its usual folder that nothing leads numba-cuda to."""
    kits = b.installed_toolkit(version, via=f"/usr/local/cuda-{version}", architectures=("7.5", "9.0"), **values)
    return Toolkits(found=kits.found, selected_root=Missing("numba-cuda would find no libnvvm and no libnvrtc"))


def test_an_installed_toolkit_that_nothing_leads_to_is_named_and_offered() -> None:
    finding = b.only(compile_stopped("NvvmSupportError: libNVVM cannot be found", toolkits=idle("12.4")))
    assert "none of the toolkits here (/usr/local/cuda-12.4)" in finding.summary
    assert "export CUDA_HOME=/usr/local/cuda-12.4" in finding.fix.commands
    assert any("no libnvvm and no libnvrtc" in evidence.source for evidence in finding.evidence)


@pytest.mark.parametrize(("version", "capability"), [("13.5", "9.0"), ("12.4", "7.0")])
def test_an_installed_toolkit_that_does_not_fit_is_not_offered(version: str, capability: str) -> None:
    driver = b.driver(b.driver_device(capability=capability))
    machine = compile_stopped("NvvmSupportError: libNVVM cannot be found", toolkits=idle(version), driver=driver)
    commands = [command for finding in diagnose(machine)[0] for command in finding.fix.commands]
    assert commands
    assert not any("CUDA_HOME" in command for command in commands)


def test_a_missing_compiler_is_no_finding_before_a_kernel_was_tried() -> None:
    assert b.ids(b.machine(toolkits=b.NO_TOOLKIT, ladder=b.stopped(LEFT_OUT))) == []


def test_a_failed_compile_for_another_reason_is_told_as_it_is() -> None:
    finding = b.only(compile_stopped("PermissionError: [Errno 13] /home/x/__pycache__"))
    assert finding.id == "kernel-compile-failed"
    assert "PermissionError" in finding.summary


# python-packages-incompatible


def test_a_clash_explains_the_compile_that_failed() -> None:
    detail = "AttributeError: module 'numpy' has no attribute 'row_stack'"
    finding = b.only(compile_stopped(detail, packages=b.packages(b.CLASH)))
    assert (finding.id, finding.confidence) == ("python-packages-incompatible", "proven")
    assert finding.consequences == ("kernel-compile-failed",)
    assert "numpy 2.5.0" in finding.summary


def test_a_clash_is_told_before_a_kernel_was_tried() -> None:
    machine = b.machine(packages=b.packages(b.CLASH), ladder=b.stopped(LEFT_OUT))
    assert b.ids(machine) == ["python-packages-incompatible"]


def test_a_clash_that_did_no_harm_is_no_finding() -> None:
    assert b.ids(b.machine(packages=b.packages(b.CLASH))) == []


def test_the_ranges_in_commands_are_those_of_this_project() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    stated = re.findall(r'"((?:numba|numba-cuda|numpy)[><=][^";]*)', text)
    assert {commands.NUMBA, commands.NUMBA_CUDA, commands.NUMPY} <= set(stated)


# cuda-simulator-enabled


def test_the_simulator_is_an_error() -> None:
    simulated = b.step("kernel-compile", "not reached", detail="NUMBA_ENABLE_CUDASIM is set")
    machine = b.machine(environment=b.environment(NUMBA_ENABLE_CUDASIM="1"), ladder=b.stopped(simulated))
    assert b.ids(machine) == ["cuda-simulator-enabled"]


@pytest.mark.parametrize("value", ["0", ""])
def test_the_simulator_switched_off_is_no_finding(value: str) -> None:
    assert b.ids(b.machine(environment=b.environment(NUMBA_ENABLE_CUDASIM=value))) == []


# kernel-result-wrong


def test_a_wrong_result_is_an_error_with_its_numbers() -> None:
    detail = "ArithmeticError: 3 of 4096 elements are wrong"
    finding = b.only(b.machine(ladder=b.stopped(b.step("kernel-result", call="cuLaunchKernel", detail=detail))))
    assert finding.id == "kernel-result-wrong"
    assert "3 of 4096 elements are wrong" in finding.summary


def test_a_kernel_that_raised_is_no_wrong_result() -> None:
    raised = b.step("kernel-result", call="cuLaunchKernel", detail="CudaAPIError: out of resources", code=701)
    assert b.ids(b.machine(ladder=b.stopped(raised))) == ["driver-call-failed"]
