"""Rules about what NVML says of memory, errors, licences and processes, and about jobs, WSL2 and packages."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cudadoctor.facts.machine import Machine
from cudadoctor.facts.packages import Package, Packages
from cudadoctor.facts.toolkits import Toolkit, Toolkits
from cudadoctor.findings import Severity
from tests.rules import build as b

GIB = 2**30


def with_gpu(**values: Any) -> Machine:
    return b.machine(nvml=b.nvml(b.nvml_device(**values)))


def with_packages(*installed: tuple[str, str], **sections: Any) -> Machine:
    found = tuple(Package(name=name, version=version) for name, version in installed)
    return b.machine(packages=Packages(installed=found, clashes=(), source="importlib.metadata"), **sections)


# ecc-uncorrectable, row-remap-pending, gpu-needs-reset


def test_uncorrectable_errors_since_the_driver_was_loaded_are_a_warning_while_all_works() -> None:
    finding = b.only(with_gpu(ecc_uncorrectable_volatile=3))
    assert (finding.id, finding.severity) == ("ecc-uncorrectable", Severity.WARNING)
    assert "3 uncorrectable" in finding.summary


def test_uncorrectable_errors_of_the_past_get_no_finding() -> None:
    assert b.ids(with_gpu(ecc_uncorrectable_aggregate=7, remapped_rows_uncorrectable=1)) == []


def test_error_214_is_an_error_and_explains_the_reset_that_the_driver_asks_for() -> None:
    gpu = b.nvml_device(ecc_uncorrectable_volatile=1, remap_pending=True, recovery_action="reset the GPU")
    finding = b.only(b.machine(nvml=b.nvml(gpu), ladder=b.stopped(b.cuda_failed(214, at="copy"))))
    assert (finding.id, finding.severity) == ("ecc-uncorrectable", Severity.ERROR)
    assert {"row-remap-pending", "gpu-needs-reset", "driver-call-failed"} <= set(finding.consequences)


def test_an_xid_of_memory_counts_only_where_the_card_cannot_count_itself() -> None:
    log = b.kernel_log(b.xid(48))
    assert b.ids(b.machine(kernel_log=log)) == []
    uncounted = b.nvml(b.nvml_device(ecc_uncorrectable_volatile=b.NONE))
    assert b.ids(b.machine(kernel_log=log, nvml=uncounted)) == ["ecc-uncorrectable"]


def test_a_pending_remap_is_a_warning_and_a_failed_one_an_error() -> None:
    pending, failed = b.only(with_gpu(remap_pending=True)), b.only(with_gpu(remap_failed=True))
    assert (pending.id, pending.severity) == ("row-remap-pending", Severity.WARNING)
    assert (failed.id, failed.severity) == ("row-remap-pending", Severity.ERROR)


def test_rows_that_were_remapped_get_no_finding() -> None:
    assert b.ids(with_gpu(remapped_rows_correctable=2)) == []


def test_the_recovery_action_is_told_with_the_command_for_that_gpu() -> None:
    finding = b.only(with_gpu(index=3, recovery_action="reset the GPU"))
    assert finding.id == "gpu-needs-reset"
    assert finding.fix.commands == ("sudo nvidia-smi --gpu-reset -i 3",)


# vgpu-unlicensed, confidential-compute-not-ready


def test_a_virtual_gpu_without_licence_explains_that_it_is_busy() -> None:
    gpu = b.nvml_device(virtualization="vgpu", vgpu_licence="unlicensed")
    finding = b.only(b.machine(nvml=b.nvml(gpu), ladder=b.stopped(b.cuda_failed(46, at="context"))))
    assert (finding.id, finding.severity) == ("vgpu-unlicensed", Severity.ERROR)


def test_a_licensed_virtual_gpu_gets_no_finding() -> None:
    assert b.ids(with_gpu(virtualization="vgpu", vgpu_licence="licensed")) == []


def test_802_in_confidential_compute_mode_is_not_blamed_on_the_fabric() -> None:
    nvml = b.nvml(b.nvml_device(), confidential_compute=True, confidential_compute_ready=False)
    machine = b.machine(nvml=nvml, ladder=b.stopped(b.cuda_failed(802)))
    finding = b.only(machine)
    assert finding.id == "confidential-compute-not-ready"
    assert "fabric-manager-not-running" in finding.consequences


def test_802_with_a_ready_gpu_is_blamed_on_the_fabric() -> None:
    nvml = b.nvml(b.nvml_device(), confidential_compute=True, confidential_compute_ready=True)
    assert b.only(b.machine(nvml=nvml, ladder=b.stopped(b.cuda_failed(802)))).id == "fabric-manager-not-running"


# memory-held-by-other-process


def test_memory_that_nobody_owns_is_a_warning() -> None:
    finding = b.only(with_gpu(memory_used_bytes=60 * GIB))
    assert (finding.id, finding.severity, finding.confidence) == (
        "memory-held-by-other-process",
        Severity.WARNING,
        "possible",
    )


def test_memory_that_a_neighbour_of_a_container_may_hold_is_only_a_note() -> None:
    used = b.nvml(b.nvml_device(memory_used_bytes=60 * GIB))
    finding = b.only(b.machine(nvml=used, host=b.host(container="docker")))
    assert (finding.id, finding.severity) == ("memory-held-by-other-process", Severity.NOTE)


@pytest.mark.parametrize("values", [{"mig_enabled": True}, {"name": "NVIDIA GH200 480GB"}])
def test_memory_of_mig_instances_and_of_the_host_has_no_owner_that_nvml_names(values: dict[str, Any]) -> None:
    assert b.ids(with_gpu(memory_used_bytes=60 * GIB, **values)) == []


def test_memory_that_a_listed_process_owns_gets_no_finding() -> None:
    used = {"memory_used_bytes": 60 * GIB, "processes": (b.process(4001, 59 * GIB),), "compute_processes": 1}
    assert b.ids(with_gpu(**used)) == []


def test_running_out_of_memory_on_a_gpu_that_others_fill_is_an_error() -> None:
    gpu = b.nvml_device(memory_used_bytes=79 * GIB, processes=(b.process(4001, 78 * GIB),), compute_processes=1)
    finding = b.only(b.machine(nvml=b.nvml(gpu), ladder=b.stopped(b.cuda_failed(2, at="context"))))
    assert (finding.id, finding.severity) == ("memory-held-by-other-process", Severity.ERROR)


def test_running_out_of_memory_on_an_empty_gpu_is_not_blamed_on_others() -> None:
    assert b.ids(b.machine(ladder=b.stopped(b.cuda_failed(2, at="context")))) == ["driver-call-failed"]


def test_processes_whose_memory_is_not_told_get_no_finding() -> None:
    assert b.ids(with_gpu(memory_used_bytes=60 * GIB, processes=(b.process(4001, None),))) == []


# no-gpu-allocated

NO_DEVICE = b.stopped(b.nvml_failed(9), b.cuda_failed(100))


def test_a_slurm_job_without_gpus_on_a_node_that_hides_them_is_told_so() -> None:
    machine = b.machine(scheduler=b.scheduler("slurm", "17", gpus=""), nvml=b.NONE, driver=b.NONE, ladder=NO_DEVICE)
    finding = b.only(machine)
    assert (finding.id, finding.confidence) == ("no-gpu-allocated", "supported")
    assert "Slurm job 17" in finding.summary


@pytest.mark.parametrize(
    ("system", "word"),
    [("pbs", "qsub"), ("lsf", "bsub"), ("sge", "qrsh"), ("kubernetes", "kubectl"), ("colab", "")],
)
def test_other_systems_are_told_apart_and_get_a_command_of_their_own(system: str, word: str) -> None:
    machine = b.machine(scheduler=b.scheduler(system, "17", gpus=""), nvml=b.NONE, driver=b.NONE, ladder=NO_DEVICE)
    finding = b.only(machine)
    assert finding.id == "no-gpu-allocated"
    assert word in " ".join(finding.fix.commands)


def test_device_rules_of_the_job_that_leave_the_gpus_out_are_shown() -> None:
    job = b.scheduler("slurm", "17", gpus="", rules=("c 1:3 rwm", "c 136:* rwm"))
    fenced = b.only(b.machine(scheduler=job, nvml=b.NONE, driver=b.NONE, ladder=NO_DEVICE))
    assert "2, none for 195:*" in [item.value for item in fenced.evidence]
    free = b.scheduler("slurm", "17", gpus="", rules=("a *:* rwm",))
    open_ = b.only(b.machine(scheduler=free, nvml=b.NONE, driver=b.NONE, ladder=NO_DEVICE))
    assert not any("cgroup" in item.name for item in open_.evidence)


def test_a_slurm_job_with_gpus_is_not() -> None:
    job = b.scheduler("slurm", "17", gpus="0")
    assert not b.fires("no-gpu-allocated", b.machine(scheduler=job, nvml=b.NONE, driver=b.NONE, ladder=NO_DEVICE))


def test_a_pod_that_tells_nothing_of_gpus_is_not() -> None:
    pod = b.scheduler("kubernetes", gpus=b.NONE)
    assert not b.fires("no-gpu-allocated", b.machine(scheduler=pod, nvml=b.NONE, driver=b.NONE, ladder=NO_DEVICE))


def test_a_slurm_job_that_sees_a_gpu_without_asking_gets_no_finding() -> None:
    assert b.ids(b.machine(scheduler=b.scheduler("slurm", "17", gpus=""))) == []


# wsl-linux-driver-inside, wsl-libcuda-path

WSL = {"host": b.host(wsl=True), "pci": b.pci(), "device_nodes": b.nodes(b.node("/dev/dxg"))}
LENT = b.driver_file(release=b.NONE, folder="/usr/lib/wsl/lib")
LENT_OFF_PATH = b.driver_file(release=b.NONE, folder="/usr/lib/wsl/lib", found_via="not on the search path")


def test_a_linux_driver_in_wsl2_that_sees_no_device_is_told_to_go() -> None:
    machine = b.machine(
        **WSL,
        kernel_driver=b.no_kernel_driver(),
        libraries=b.libraries(b.driver_file(), LENT),
        driver=b.driver(count=b.NONE),
        ladder=b.stopped(b.cuda_failed(100)),
    )
    assert "wsl-linux-driver-inside" in b.ids(machine)


def test_the_library_that_windows_lends_is_no_linux_driver() -> None:
    machine = b.machine(
        **WSL,
        libraries=b.libraries(LENT),
        driver=b.driver(count=b.NONE, path="/usr/lib/wsl/lib/libcuda.so.1.1", release=b.NONE),
        ladder=b.stopped(b.cuda_failed(100)),
    )
    assert not b.fires("wsl-linux-driver-inside", machine)


@pytest.mark.parametrize(("file", "told"), [(LENT_OFF_PATH, True), (LENT, False)])
def test_the_lent_library_is_missed_only_where_the_loader_does_not_look(file: Any, told: bool) -> None:
    machine = b.machine(
        **WSL,
        kernel_driver=b.no_kernel_driver(),
        libraries=b.libraries(file),
        nvml=b.NONE,
        driver=b.NONE,
        ladder=b.stopped(b.nvml_failed(12), b.step("libcuda", detail="libcuda.so.1: cannot open shared object file")),
    )
    assert ("wsl-libcuda-path" in b.ids(machine)) is told


# toolkit-path-wrong


def stale(found_via: str) -> Toolkits:
    missing = dict.fromkeys(("version", "nvcc", "libnvvm", "libdevice", "nvrtc", "nvjitlink", "architectures"), b.NONE)
    kit = Toolkit(root="/usr/local/cuda-9.0", found_via=found_via, **missing)
    return Toolkits(found=(kit, *b.toolkit().found), selected_root=b.fact("/t"))


def test_a_variable_that_names_a_removed_toolkit_is_a_warning_while_kernels_compile() -> None:
    machine = b.machine(environment=b.environment(CUDA_HOME="/usr/local/cuda-9.0"), toolkits=stale("CUDA_HOME"))
    finding = b.only(machine)
    assert (finding.id, finding.severity) == ("toolkit-path-wrong", Severity.WARNING)
    assert "unset CUDA_HOME" in finding.fix.commands


def test_a_variable_that_names_a_removed_toolkit_explains_a_compiler_that_is_not_found() -> None:
    failed = b.stopped(b.step("kernel-compile", detail="NvvmSupportError: libNVVM cannot be found"))
    variables = b.environment(CUDA_HOME="/usr/local/cuda-9.0")
    finding = b.only(b.machine(environment=variables, toolkits=stale("CUDA_HOME"), ladder=failed))
    assert (finding.id, finding.severity) == ("toolkit-path-wrong", Severity.ERROR)
    assert "nvvm-not-found" in finding.consequences


def test_a_variable_that_names_a_toolkit_gets_no_finding() -> None:
    (kit,) = b.toolkit().found
    named = Toolkits(found=(msgspec.structs.replace(kit, found_via="CUDA_HOME"),), selected_root=b.fact("/t"))
    assert b.ids(b.machine(environment=b.environment(CUDA_HOME="/t"), toolkits=named)) == []


def elsewhere(variable: str, value: str, **sections: object) -> Machine:
    return b.machine(environment=b.environment(**{variable: value}), toolkits=stale(variable), **sections)


def test_variables_of_other_programs_are_looked_at_too() -> None:
    xla = b.only(elsewhere("XLA_FLAGS", "--xla_gpu_cuda_data_dir=/usr/local/cuda-9.0"))
    assert (xla.id, xla.severity) == ("toolkit-path-wrong", Severity.WARNING)
    assert "libdevice" in xla.summary
    old = b.only(elsewhere("NUMBAPRO_NVVM", "/usr/local/cuda-9.0/nvvm/lib64/libnvvm.so"))
    assert (old.id, old.severity) == ("toolkit-path-wrong", Severity.NOTE)


def test_a_variable_that_numba_does_not_read_hides_no_compiler_that_is_not_found() -> None:
    failed = b.stopped(b.step("kernel-compile", detail="NvvmSupportError: libNVVM cannot be found"))
    assert b.ids(elsewhere("NUMBAPRO_NVVM", "/usr/local/cuda-9.0/nvvm", ladder=failed)) == ["nvvm-not-found"]


def test_a_folder_with_the_runtime_alone_is_no_finding_until_a_compilation_fails_there() -> None:
    runtime = b.cuda_libraries(b.copy("libcudart.so.9.0", "9.0.176", folder="/usr/local/cuda-9.0/lib64"))
    assert b.ids(elsewhere("CUDA_HOME", "/usr/local/cuda-9.0", cuda_libraries=runtime)) == []
    failed = b.stopped(b.step("kernel-compile", detail="NvvmSupportError: libNVVM cannot be found"))
    machine = elsewhere("CUDA_HOME", "/usr/local/cuda-9.0", cuda_libraries=runtime, ladder=failed)
    assert b.only(machine).severity is Severity.ERROR


def test_windows_is_told_how_to_unset_a_variable_there() -> None:
    windows = b.host(system="Windows", architecture="AMD64")
    commands = b.only(elsewhere("CUDA_PATH", "C:\\CUDA\\v9.0", host=windows)).fix.commands
    assert commands[0] == "Remove-Item Env:CUDA_PATH"


# cpu-only-wheel, mixed-cuda-packages


def test_a_cpu_build_of_torch_on_a_machine_with_a_gpu_is_a_warning() -> None:
    finding = b.only(with_packages(("torch", "2.9.0+cpu")))
    assert (finding.id, finding.severity) == ("cpu-only-wheel", Severity.WARNING)
    assert any("whl/cu130" in command for command in finding.fix.commands)


def test_a_cuda_build_of_torch_gets_no_finding() -> None:
    assert b.ids(with_packages(("torch", "2.9.0+cu130"))) == []


def test_a_cpu_build_of_torch_on_a_machine_without_a_gpu_is_right() -> None:
    machine = with_packages(("torch", "2.9.0+cpu"), pci=b.pci(), nvml=b.NONE, driver=b.NONE)
    assert not b.fires("cpu-only-wheel", machine)


def test_jax_without_a_plugin_is_a_note_and_with_one_nothing() -> None:
    finding = b.only(with_packages(("jaxlib", "0.8.0")))
    assert (finding.id, finding.severity) == ("cpu-only-wheel", Severity.NOTE)
    assert b.ids(with_packages(("jaxlib", "0.8.0"), ("jax-cuda13-plugin", "0.8.0"))) == []


def test_two_packages_of_cupy_are_a_warning_and_one_is_not() -> None:
    finding = b.only(with_packages(("cupy-cuda12x", "13.6.0"), ("cupy-cuda13x", "13.6.0")))
    assert finding.id == "mixed-cuda-packages"
    assert "python -m pip uninstall -y cupy-cuda12x cupy-cuda13x" in finding.fix.commands
    assert b.ids(with_packages(("cupy-cuda13x", "13.6.0"))) == []
