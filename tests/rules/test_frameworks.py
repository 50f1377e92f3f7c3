"""Frameworks: what their builds hold for this card and driver, and what they said when they were asked."""

from __future__ import annotations

import re

import msgspec
import pytest

from cudadoctor.facts.machine import Machine
from cudadoctor.facts.packages import Build, LegacyModule, Package, Packages
from cudadoctor.findings import Severity
from cudadoctor.rules.frameworks.installing import fitting_torch
from cudadoctor.rules.verdict import summary_sentence
from cudadoctor.tables.reader import legend, rows
from cudadoctor.tables.wheels import runs_on, torch_wheel
from tests.rules import build as b

NO_IMAGE = "RuntimeError: CUDA error: no kernel image is available for execution on the device"


def on_card(name: str, capability: str, packages: Packages, *, cuda: str = "13.0", **sections: object) -> Machine:
    told = {
        "pci": b.pci(b.card(name, capability=capability)),
        "nvml": b.nvml(b.nvml_device(name=name, compute_capability=capability), cuda=cuda),
        "driver": b.driver(b.driver_device(name=name, capability=capability), cuda=cuda),
        "toolkits": b.toolkit("12.9"),
        "packages": packages,
    }
    return b.machine(**(told | sections))


def torch(version: str, cuda: str, **values: object) -> Packages:
    return b.installed(b.build("torch", version, cuda, **values))


# arch-not-in-binary


def test_a_wheel_of_cuda_12_4_holds_nothing_for_an_rtx_5090() -> None:
    finding = b.only(on_card("NVIDIA GeForce RTX 5090", "12.0", torch("2.6.0+cu124", "12.4")))
    assert (finding.id, finding.severity, finding.confidence) == ("arch-not-in-binary", Severity.ERROR, "supported")
    for word in ("2.6.0+cu124", "RTX 5090", "12.0", "sm_90"):
        assert word in finding.summary
    assert any("whl/cu130" in command for command in finding.fix.commands)


def test_a_cuda_13_wheel_on_a_v100_is_the_wheel_s_fault_and_not_the_driver_s() -> None:
    finding = b.only(on_card("Tesla V100-SXM2-32GB", "7.0", torch("2.11.0+cu130", "13.0")))
    assert finding.id == "arch-not-in-binary"
    assert "do not change it" in finding.cause
    assert any('"torch==2.14.*"' in command and "whl/cu126" in command for command in finding.fix.commands)
    # An old driver changes nothing: no driver would help that wheel.
    assert b.ids(on_card("Tesla V100-SXM2-32GB", "7.0", torch("2.11.0+cu130", "13.0"), cuda="12.4")) == [finding.id]


@pytest.mark.parametrize(
    ("card", "version", "cuda"),
    [
        ("9.0", "2.9.1+cu130", "13.0"),
        # Machine code of a capability runs on later ones of the same major number.
        ("8.9", "2.6.0+cu124", "12.4"),
        ("6.1", "2.6.0+cu118", "11.8"),
        ("12.1", "2.9.1+cu130", "13.0"),
        ("7.0", "2.10.0+cu128", "12.8"),
        # What is no release, or not in the table, is not judged by it.
        ("12.0", "2.8.0a0+5228986c39.nv25.05", "12.9"),
        ("9.0", "1.7.1+cu110", "11.0"),
    ],
)
def test_a_build_with_code_for_the_card_gets_no_finding(card: str, version: str, cuda: str) -> None:
    assert b.ids(on_card("a card", card, torch(version, cuda))) == []


def test_volta_is_in_the_wheel_of_one_release_and_not_of_the_next() -> None:
    assert b.ids(on_card("V100", "7.0", torch("2.10.0+cu128", "12.8"))) == []
    assert b.ids(on_card("V100", "7.0", torch("2.11.0+cu128", "12.8"))) == ["arch-not-in-binary"]
    assert b.ids(on_card("V100", "7.0", torch("2.7.1+cu128", "12.8"))) == ["arch-not-in-binary"]


def test_facts_saved_before_builds_were_gathered_are_judged_by_names_and_versions() -> None:
    def older(name: str, version: str) -> Packages:
        return msgspec.structs.replace(b.packages(), installed=(Package(name=name, version=version),))

    assert b.ids(on_card("RTX 5090", "12.0", older("torch", "2.6.0+cu124"))) == ["arch-not-in-binary"]
    assert b.ids(on_card("V100", "7.0", older("cupy-cuda13x", "13.6.0"))) == ["arch-not-in-binary"]
    assert b.ids(on_card("RTX 5090", "12.0", older("torch", "2.9.0+cu130"))) == []
    assert b.ids(with_driver("12.4", "550.144.03", older("torch", "2.9.0+cu130"))) == ["driver-too-old"]


def test_a_build_of_conda_is_not_judged_by_the_table_of_wheels() -> None:
    assert b.ids(on_card("RTX 5090", "12.0", torch("2.6.0", "12.4", build_string="cuda124_generic_py311_h1_0"))) == []


def test_ptx_counts_as_code_for_what_comes_later() -> None:
    jit = b.build("tensorflow", "2.18.0", "12.5", architectures=("sm_60", "sm_90", "compute_90"))
    none = b.build("tensorflow", "2.18.0", "12.5", architectures=("sm_60", "sm_90"))
    assert "arch-not-in-binary" not in b.ids(on_card("RTX 5090", "12.0", b.installed(jit)))
    findings = b.diagnose(on_card("RTX 5090", "12.0", b.installed(none)))[0]
    finding = next(finding for finding in findings if finding.id == "arch-not-in-binary")
    assert "TensorFlow 2.18.0" in finding.summary


@pytest.mark.parametrize(("framework", "package"), [("jax", "jaxlib"), ("cupy", "cupy-cuda13x")])
def test_any_build_of_cuda_13_has_nothing_below_7_5(framework: str, package: str) -> None:
    packages = b.installed(b.build(framework, "14.2.0", "13", package=package), also={"jax-cuda13-plugin": "14.2.0"})
    finding = b.only(on_card("Tesla V100", "7.0", packages))
    assert finding.id == "arch-not-in-binary"
    assert any("7.5 and above" in str(item.value) for item in finding.evidence)
    assert any("12" in command for command in finding.fix.commands)
    assert finding.confirm is not None
    assert finding.confirm.command == "cudadoctor check --frameworks"  # and not PyTorch, which is not meant
    assert b.ids(on_card("Tesla T4", "7.5", packages)) == []


def test_several_frameworks_without_code_are_one_finding() -> None:
    packages = b.installed(
        b.build("torch", "2.11.0+cu130", "13.0"), b.build("cupy", "14.2.0", "13", package="cupy-cuda13x")
    )
    finding = b.only(on_card("Tesla V100", "7.0", packages))
    assert finding.summary.startswith("PyTorch 2.11.0+cu130 and CuPy 14.2.0 hold no code for Tesla V100")
    assert finding.confirm is None or "import torch" in finding.confirm.command
    assert {"whl/cu126", "cupy-cuda12x"} <= set(re.findall(r"whl/cu126|cupy-cuda12x", " ".join(finding.fix.commands)))


def test_its_own_list_counts_more_than_the_table() -> None:
    packages = torch("2.6.0+cu124", "12.4")
    own = b.asked(failed=b.step("operation", detail="OutOfMemoryError"), architectures=("sm_90", "sm_120"))
    machine = on_card("RTX 5090", "12.0", packages, frameworks=b.frameworks(own))
    assert b.ids(machine) == ["framework-cannot-use-gpu"]


def test_no_kernel_image_proves_it() -> None:
    failed = b.asked(
        failed=b.step("operation", detail=NO_IMAGE),
        architectures=("sm_80", "sm_90"),
        version="2.6.0",
        device_capability="12.0",
    )
    finding = b.only(on_card("RTX 5090", "12.0", b.packages(), frameworks=b.frameworks(failed)))
    assert (finding.id, finding.confidence) == ("arch-not-in-binary", "proven")
    untold = b.asked("cupy", b.step("operation", detail="cudaErrorNoKernelImageForDevice: no kernel image"))
    assert b.ids(b.machine(frameworks=b.frameworks(untold))) == ["arch-not-in-binary"]


def test_a_framework_that_computed_on_the_card_gets_no_finding_whatever_a_table_says() -> None:
    works = b.asked(device_capability="12.0")
    packages = torch("2.6.0+cu124", "12.4")
    assert b.ids(on_card("RTX 5090", "12.0", packages, frameworks=b.frameworks(works))) == []


def test_a_second_card_without_code_is_a_warning_and_one_for_a_display_nothing() -> None:
    def two(capability: str) -> Machine:
        cards = (b.driver_device(), b.driver_device(1, "the other", capability))
        return b.machine(driver=b.driver(*cards), toolkits=b.toolkit("12.9"), packages=torch("2.11.0+cu130", "13.0"))

    finding = b.only(two("7.0"))
    assert (finding.id, finding.severity) == ("arch-not-in-binary", Severity.WARNING)
    assert "Other GPUs" in finding.summary
    assert b.ids(two("3.5")) == []


def test_without_a_card_nothing_is_said_of_builds() -> None:
    machine = b.machine(pci=b.pci(), nvml=b.NONE, driver=b.NONE, packages=torch("2.6.0+cu124", "12.4"))
    assert not b.fires("arch-not-in-binary", machine)


# driver-too-old


def with_driver(cuda: str, release: str, packages: Packages, **sections: object) -> Machine:
    told = {
        "kernel_driver": b.kernel_driver(release=release),
        "libraries": b.libraries(b.driver_file(release=release), b.driver_file("libnvidia-ml.so.1", release)),
        "nvml": b.nvml(b.nvml_device(), release=release, cuda=cuda, mapped_release=release),
        "driver": b.driver(b.driver_device(), cuda=cuda, release=release),
        "toolkits": b.NO_TOOLKIT,
        "packages": packages,
    }
    return b.machine(**(told | sections))


def test_a_cuda_13_wheel_on_a_driver_of_12_4_needs_another_wheel_or_driver() -> None:
    finding = b.only(with_driver("12.4", "550.144.03", torch("2.11.0+cu130", "13.0")))
    assert (finding.id, finding.severity) == ("driver-too-old", Severity.ERROR)
    for word in ("2.11.0+cu130", "13.0", "550.144.03", "12.4"):
        assert word in finding.summary
    assert any("whl/cu126" in command for command in finding.fix.commands)


@pytest.mark.parametrize(
    ("cuda", "release", "version", "built"),
    [
        ("11.2", "460.91.03", "2.6.0+cu118", "11.8"),
        ("12.2", "535.230.02", "2.8.0+cu129", "12.9"),
        ("13.0", "580.159.04", "2.12.0+cu132", "13.2"),
    ],
)
def test_minor_version_compatibility_is_respected(cuda: str, release: str, version: str, built: str) -> None:
    assert b.ids(with_driver(cuda, release, torch(version, built))) == []


def test_before_cuda_11_a_minor_release_counts() -> None:
    old = b.installed(b.build("torch", "1.7.1", "10.2"))
    card = b.driver(b.driver_device(name="V100", capability="7.0"), cuda="10.1", release="418.87")
    assert b.ids(with_driver("10.1", "418.87", old, driver=card)) == ["driver-too-old"]


def test_several_frameworks_are_one_finding() -> None:
    packages = b.installed(
        b.build("torch", "2.11.0+cu130", "13.0"),
        b.build("jax", "0.11.2", "13", package="jaxlib"),
        also={"jax-cuda13-plugin": "0.11.2"},
    )
    finding = b.only(with_driver("12.4", "550.144.03", packages))
    assert "PyTorch" in finding.summary
    assert "JAX" in finding.summary


def test_its_own_words_prove_an_old_driver() -> None:
    failed = b.asked(failed=b.step("device-count", detail="RuntimeError: The NVIDIA driver on your system is too old"))
    finding = b.only(with_driver("12.4", "550.144.03", torch("2.11.0+cu130", "13.0"), frameworks=b.frameworks(failed)))
    assert (finding.id, finding.confidence) == ("driver-too-old", "proven")


def test_a_build_that_works_on_an_older_driver_is_not_told_by_a_table() -> None:
    works = b.frameworks(b.asked())
    assert b.ids(with_driver("12.4", "550.144.03", torch("2.11.0+cu130", "13.0"), frameworks=works)) == []


# cpu-only-wheel


def test_a_build_without_cuda_in_its_own_file_is_a_warning() -> None:
    finding = b.only(b.machine(packages=torch("2.9.0", "")))
    assert (finding.id, finding.severity) == ("cpu-only-wheel", Severity.WARNING)
    assert any("whl/cu130" in command for command in finding.fix.commands)


def test_a_cpu_build_of_conda_is_replaced_by_conda() -> None:
    finding = b.only(b.machine(packages=torch("2.5.1", "", build_string="cpu_generic_py311_h1234567_0")))
    assert finding.fix.commands == ('conda install "pytorch=*=*cuda*"',)
    assert any("cpu_generic" in str(item.value) for item in finding.evidence)


def test_builds_for_other_devices_and_onnx_runtime_are_meant_so() -> None:
    rocm = b.build("torch", "2.9.0+rocm6.4", "", other_platform="hip")
    onnx = b.build("onnxruntime", "1.20.0", "")
    assert b.ids(b.machine(packages=b.installed(rocm, onnx))) == []


def test_tensorflow_on_windows_is_sent_to_wsl2() -> None:
    machine = b.machine(host=b.host(system="Windows"), packages=b.installed(b.build("tensorflow", "2.12.0", "")))
    finding = next(f for f in [b.only(msgspec.structs.replace(machine, kernel_driver=b.NONE))])
    assert finding.id == "cpu-only-wheel"
    assert "WSL2" in finding.fix.text


@pytest.mark.parametrize("name", ["jax", "paddle", "mxnet"])
def test_frameworks_that_others_bring_along_are_a_note(name: str) -> None:
    finding = b.only(b.machine(packages=b.installed(b.build(name, "1.0", ""))))
    assert (finding.id, finding.severity) == ("cpu-only-wheel", Severity.NOTE)


def test_a_cpu_build_that_was_asked_is_told_once() -> None:
    failed = b.asked(
        failed=b.step("device-count", detail="AssertionError: Torch not compiled with CUDA enabled"), built_with_cuda=""
    )
    machine = b.machine(packages=torch("2.9.0", ""), frameworks=b.frameworks(failed))
    assert b.ids(machine) == ["cpu-only-wheel"]


# jax-plugin-load-failure


def jax(plugin: str = "0.11.2", **more: str) -> Packages:
    return b.installed(b.build("jax", "0.11.2", "13", package="jaxlib"), also={"jax-cuda13-plugin": plugin, **more})


NO_BACKEND = b.step("device-count", detail="RuntimeError: Unknown backend: 'cuda' requested")


def test_a_plugin_of_another_release_is_a_warning() -> None:
    finding = b.only(b.machine(packages=jax("0.10.0")))
    assert (finding.id, finding.severity) == ("jax-plugin-load-failure", Severity.WARNING)
    assert "0.10.0" in finding.summary
    assert b.ids(b.machine(packages=jax("0.11.2.post1"))) == []


def test_a_plugin_of_another_release_with_which_jax_works_is_nothing() -> None:
    assert b.ids(b.machine(packages=jax("0.10.0"), frameworks=b.frameworks(b.asked("jax")))) == []


def test_jax_without_a_gpu_beside_its_plugin_is_an_error_in_its_own_words() -> None:
    said = ("INFO: hello", "Jax plugin configuration error: Exception when calling jax_plugins.xla_cuda13.initialize()")
    failed = b.asked("jax", NO_BACKEND, built_with_cuda=b.NONE, said=said)
    finding = b.only(b.machine(packages=jax(), frameworks=b.frameworks(failed)))
    assert (finding.id, finding.severity, finding.confidence) == ("jax-plugin-load-failure", Severity.ERROR, "proven")
    assert "xla_cuda13" in finding.summary


def test_jax_that_was_told_to_use_the_cpu_has_no_failed_plugin() -> None:
    failed = b.asked("jax", NO_BACKEND, built_with_cuda=b.NONE)
    machine = b.machine(packages=jax(), frameworks=b.frameworks(failed), environment=b.environment(JAX_PLATFORMS="cpu"))
    assert not b.fires("jax-plugin-load-failure", machine)


def test_a_plugin_that_the_driver_is_too_old_for_is_told_as_that() -> None:
    failed = b.asked("jax", NO_BACKEND, built_with_cuda=b.NONE)
    assert b.ids(with_driver("12.4", "550.144.03", jax(), frameworks=b.frameworks(failed))) == ["driver-too-old"]


# framework-device-count-bug


def test_counts_that_differ_are_a_warning_with_the_variable() -> None:
    machine = b.machine(
        frameworks=b.frameworks(b.asked(device_count=2)), environment=b.environment(PYTORCH_NVML_BASED_CUDA_CHECK="1")
    )
    finding = b.only(machine)
    assert (finding.id, finding.confidence) == ("framework-device-count-bug", "proven")
    assert "unset PYTORCH_NVML_BASED_CUDA_CHECK" in finding.fix.commands


def test_fewer_devices_of_tensorflow_and_a_count_of_none_are_no_bug_of_the_count() -> None:
    two = b.driver(b.driver_device(), b.driver_device(1))
    small = b.frameworks(b.asked("tensorflow", device_count=1))
    assert b.ids(b.machine(driver=two, frameworks=small)) == []
    none = b.frameworks(b.asked(failed=b.step("device-count", detail="x"), device_count=0))
    assert not b.fires("framework-device-count-bug", b.machine(frameworks=none))


# tegra-wrong-build

ORIN = "NVIDIA Jetson AGX Orin Developer Kit"


def on_orin(packages: Packages, model: str = ORIN, **sections: object) -> Machine:
    told = {
        "host": b.host(jetson_model=model, architecture="aarch64"),
        "pci": b.pci(),
        "kernel_driver": b.no_kernel_driver(),
        "nvml": b.NONE,
        "driver": b.driver(b.driver_device(name="Orin", capability="8.7"), cuda="12.6"),
        "ladder": b.ladder(b.nvml_failed(12)),
        "toolkits": b.toolkit("12.6"),
        "packages": packages,
    }
    return b.machine(**(told | sections))


def test_a_cpu_wheel_on_a_jetson_is_the_wrong_build_and_not_only_a_cpu_wheel() -> None:
    finding = b.only(on_orin(torch("2.9.0+cpu", "")))
    assert (finding.id, finding.severity) == ("tegra-wrong-build", Severity.ERROR)
    assert "Orin" in finding.summary
    assert finding.consequences == ("cpu-only-wheel",)


def test_a_wheel_for_arm_servers_on_a_jetson_is_a_warning_until_it_failed() -> None:
    finding = b.only(on_orin(torch("2.9.0+cu126", "12.6")))
    assert (finding.id, finding.severity) == ("tegra-wrong-build", Severity.WARNING)


@pytest.mark.parametrize("version", ["2.3.0a0+6ddf5cf85e.nv24.04", "2.8.0"])
def test_builds_for_jetson_get_no_finding(version: str) -> None:
    assert b.ids(on_orin(torch(version, "12.6"))) == []


def test_a_thor_runs_the_wheels_for_servers() -> None:
    thor = b.driver(b.driver_device(name="Thor", capability="11.0"))
    machine = on_orin(torch("2.9.0+cu130", "13.0"), "NVIDIA Jetson AGX Thor", driver=thor, toolkits=b.toolkit("13.0"))
    assert b.ids(machine) == []


def test_a_jetson_wheel_on_an_arm_server_is_told_by_the_library_that_it_misses() -> None:
    server = b.host(architecture="aarch64")
    packages = torch("1.13.0a0+d0d6b1f2.nv22.10", "11.4")
    missing = "OSError: libcurand.so.10: cannot open shared object file: No such file or directory"
    failed = b.frameworks(b.asked(failed=b.step("import", detail=missing), built_with_cuda=b.NONE))
    finding = b.only(b.machine(host=server, packages=packages, frameworks=failed))
    assert finding.id == "tegra-wrong-build"
    assert "libcurand.so.10" in finding.summary
    assert b.ids(b.machine(host=server, packages=packages)) == []


# legacy-python2-package


def test_a_module_that_the_parser_refuses_is_a_warning_and_a_fork_is_not() -> None:
    old = LegacyModule(name="gnumpy", path="/site/gnumpy.py", syntax_error="line 36: Missing parentheses")
    finding = b.only(b.machine(packages=b.installed(legacy=(old,))))
    assert (finding.id, finding.severity, finding.confidence) == ("legacy-python2-package", Severity.WARNING, "proven")
    assert "line 36" in finding.summary
    assert "python -m pip install cupy-cuda13x" in finding.fix.commands
    fork = msgspec.structs.replace(old, syntax_error="")
    assert b.ids(b.machine(packages=b.installed(legacy=(fork,)))) == []


# mixed-cuda-packages


def with_wheels(*builds: Build, **wheels: str) -> Machine:
    return b.machine(packages=b.installed(*builds, also={name.replace("_", "-"): v for name, v in wheels.items()}))


def test_wheels_of_two_cuda_releases_for_one_file_are_a_warning() -> None:
    finding = b.only(with_wheels(nvidia_cudnn_cu11="9.1.0.70", nvidia_cudnn_cu12="9.10.2.21"))
    assert (finding.id, finding.severity) == ("mixed-cuda-packages", Severity.WARNING)
    assert finding.fix.commands == ("python -m pip uninstall -y nvidia-cudnn-cu11 nvidia-cudnn-cu12",)
    assert b.ids(with_wheels(nvidia_nccl_cu12="2.27.3", nvidia_nccl_cu13="2.27.7")) == ["mixed-cuda-packages"]


def test_wheels_of_two_cuda_releases_that_keep_apart_get_no_finding() -> None:
    apart = {
        "nvidia_cublas": "13.1.0.3",
        "nvidia_cublas_cu12": "12.8.4.1",
        "nvidia_cublas_cu11": "11.11.3.6",
        "nvidia_cudnn_cu12": "9.10.2.21",
        "nvidia_cudnn_cu11": "8.9.6.50",
        "nvidia_cuda_nvcc_cu12": "12.9.86",
        "nvidia_nccl_cu13": "2.27.7",
    }
    assert b.ids(with_wheels(**apart)) == []


def test_onnx_runtime_with_and_without_gpu_own_one_folder() -> None:
    finding = b.only(with_wheels(onnxruntime="1.20.0", onnxruntime_gpu="1.20.0"))
    assert finding.id == "mixed-cuda-packages"
    assert finding.fix.commands[-1] == "python -m pip install onnxruntime-gpu"


# python-packages-incompatible


def test_an_unmet_pin_of_a_framework_is_no_error_of_numba_s() -> None:
    clash = msgspec.structs.replace(b.CLASH, package="torch", requires="nvidia-cudnn-cu12==9.1.0.70", found="9.5.0.50")
    finding = b.only(b.machine(packages=b.packages(clash)))
    assert (finding.id, finding.severity) == ("python-packages-incompatible", Severity.NOTE)
    assert not any("numba" in command for command in finding.fix.commands)
    assert b.ids(b.machine(packages=b.packages(clash), frameworks=b.frameworks(b.asked()))) == []


def test_parts_of_one_framework_that_do_not_fit_are_a_warning() -> None:
    clash = msgspec.structs.replace(b.CLASH, package="jax", requires="jaxlib<=0.11.2,>=0.11.2", found="0.10.0")
    assert b.only(b.machine(packages=b.packages(clash))).severity is Severity.WARNING


# framework-cannot-use-gpu


def test_a_framework_that_fails_for_another_reason_is_told_in_its_own_words() -> None:
    words = "RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"
    failed = b.asked(failed=b.step("operation", detail=words), said=("a line", "the last line"))
    finding = b.only(b.machine(frameworks=b.frameworks(failed)))
    assert (finding.id, finding.severity, finding.confidence) == ("framework-cannot-use-gpu", Severity.ERROR, "proven")
    assert "CUDNN_STATUS_NOT_INITIALIZED" in finding.summary
    assert any(item.value == "the last line" for item in finding.evidence)


@pytest.mark.parametrize(("state", "words"), [("timed out", "did not come back"), ("crashed", "crashed")])
def test_a_hang_and_a_crash_are_told(state: str, words: str) -> None:
    failed = b.asked(failed=b.step("operation", state, detail="matrix product"))
    assert words in b.only(b.machine(frameworks=b.frameworks(failed))).summary


def test_a_wrong_result_is_told_as_that() -> None:
    failed = b.asked(failed=b.step("operation", detail="ArithmeticError: 1 of 1024 elements are wrong"))
    assert "wrong result" in b.only(b.machine(frameworks=b.frameworks(failed))).summary


def test_an_import_that_fails_without_a_trace_of_cuda_is_a_warning() -> None:
    failed = b.asked("jax", b.step("import", detail="ModuleNotFoundError: No module named 'ml_dtypes'"))
    assert b.only(b.machine(frameworks=b.frameworks(failed))).severity is Severity.WARNING


def test_where_no_context_could_be_made_the_frameworks_are_not_blamed() -> None:
    failed = b.asked(failed=b.step("device-count", detail="No CUDA GPUs are available"))
    machine = b.machine(ladder=b.stopped(b.cuda_failed(999)), frameworks=b.frameworks(failed))
    assert "framework-cannot-use-gpu" not in b.ids(machine)


def test_frameworks_that_work_get_no_finding() -> None:
    assert b.ids(b.machine(frameworks=b.frameworks(b.asked(), b.asked("jax"), b.asked("cupy")))) == []


# The table of wheels.


def test_every_row_of_the_table_has_its_source_and_is_found() -> None:
    for first, last, cuda, processor, sm, ptx, key, certainty in rows("torch_wheels.tsv"):
        assert legend("torch_wheels.tsv")[key]
        assert certainty in ("certain", "likely")
        for release in (first, last):
            wheel = torch_wheel(f"{release}.0+cu{cuda.replace('.', '')}", cuda, processor)
            assert wheel is not None
            assert len(wheel.targets) == len(sm.split()) + len(ptx.split())


def test_no_two_rows_of_the_table_speak_of_one_wheel() -> None:
    seen = set()
    for first, last, cuda, processor, *_ in rows("torch_wheels.tsv"):
        numbers = [tuple(map(int, release.split("."))) for release in (first, last)]
        for major, minor in [(2, n) for n in range(20)] + [(1, n) for n in range(20)]:
            if numbers[0] <= (major, minor) <= numbers[1]:
                assert (major, minor, cuda, processor) not in seen
                seen.add((major, minor, cuda, processor))


@pytest.mark.parametrize(
    ("targets", "capability", "runs"),
    [
        (("sm_80",), (8, 9), True),
        (("sm_89",), (8, 6), False),
        (("sm_80",), (9, 0), False),
        (("compute_80",), (9, 0), True),
        (("sm_90a",), (9, 0), True),
        (("sm_100a",), (10, 3), False),
        (("sm_100f",), (10, 3), True),
        (("compute_90a",), (10, 0), False),
        (("nonsense",), (9, 0), False),
    ],
)
def test_what_runs_on_what(targets: tuple[str, ...], capability: tuple[int, int], runs: bool) -> None:
    assert runs_on(targets, capability) is runs


def test_the_wheel_that_is_advised_fits_the_card_and_the_driver() -> None:
    assert fitting_torch((9, 0), (13, 0), "x86_64") == ("2.14", "13.0")
    assert fitting_torch((7, 0), (13, 0), "x86_64") == ("2.14", "12.6")
    assert fitting_torch((9, 0), (12, 2), "x86_64") == ("2.14", "12.6")
    assert fitting_torch((12, 0), (12, 8), "x86_64") == ("2.11", "12.8")
    assert fitting_torch((3, 5), (11, 4), "x86_64") is None


# The sentence at the head of the report.


def test_frameworks_that_computed_are_named_in_the_answer() -> None:
    worked = b.frameworks(b.asked(), b.asked("jax"))
    assert "torch and jax used it too" in summary_sentence(b.machine(frameworks=worked), ())
    left_out = b.step("kernel-compile", "not reached", detail="--quick: it was left out")
    quick = b.machine(frameworks=worked, ladder=b.stopped(left_out))
    assert "torch and jax computed on it" in summary_sentence(quick, ())
    assert "not proven" in summary_sentence(b.machine(ladder=b.stopped(left_out)), ())


def test_a_framework_that_was_asked_is_judged_without_the_list_of_packages() -> None:
    failed = b.asked(failed=b.step("operation", detail=NO_IMAGE))
    assert b.ids(b.machine(packages=b.NONE, frameworks=b.frameworks(failed))) == ["arch-not-in-binary"]
