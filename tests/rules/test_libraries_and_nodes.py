"""The user-space half of the driver, containers, and the device nodes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cudadoctor.facts.machine import Machine
from cudadoctor.rules.libraries.foreign import WITHOUT_DRIVER_FOLDERS
from tests.rules import build as b

OLD, NEW = "570.124.04", "570.124.06"
COMPAT = "/usr/local/cuda/compat/libcuda.so.575.57.08"


def changed(base: Machine = b.HEALTHY, **sections: object) -> Machine:
    return b.msgspec.structs.replace(base, **sections)


# driver-library-mismatch


def mismatched(step, **sections: object) -> Machine:
    told = {
        "kernel_driver": b.kernel_driver(release=OLD),
        "libraries": b.libraries(b.driver_file(release=NEW), b.driver_file("libnvidia-ml.so.1", NEW)),
        "nvml": b.NONE,
        "driver": b.NONE,
        "toolkits": b.toolkit("12.8"),
        "ladder": b.stopped(step, b.cuda_failed(803)),
    }
    return changed(**(told | sections))


def test_a_mismatch_tells_all_three_components_of_both_halves() -> None:
    finding = b.only(mismatched(b.nvml_failed(18, "NVML_ERROR_LIB_RM_VERSION_MISMATCH")))
    assert finding.id == "driver-library-mismatch"
    assert finding.confidence == "proven"
    assert OLD in finding.summary
    assert NEW in finding.summary
    assert "sudo reboot" in finding.fix.commands
    assert finding.consequences == ("driver-call-failed",)


def test_a_mismatch_is_told_without_any_release() -> None:
    machine = mismatched(b.nvml_failed(18), pci=b.pci(), kernel_driver=b.NONE, libraries=b.NONE)
    assert b.only(machine).id == "driver-library-mismatch"


def test_a_mismatch_with_the_package_of_the_running_kernel_is_reinstalled_not_rebooted() -> None:
    machine = mismatched(b.nvml_failed(18), kernel_driver=b.kernel_driver(release=OLD, package=OLD))
    fix = b.only(machine).fix
    assert "left over" in fix.text
    assert any("nvidia-uninstall" in command for command in fix.commands)


def behind(first: b.LibraryFile, soname: str = "libcuda.so.1") -> object:
    """Return a library of the kernel's release behind one of another."""
    return b.libraries(first, b.driver_file(soname, OLD))


def test_a_mismatch_by_a_folder_in_the_variable_is_mended_there_and_not_by_a_reboot() -> None:
    ml = "libnvidia-ml.so.1"
    foreign = b.driver_file(ml, NEW, folder="/opt/old/lib", found_via="LD_LIBRARY_PATH")
    fix = b.only(mismatched(b.nvml_failed(18), libraries=behind(foreign, ml))).fix
    assert "/opt/old/lib/libnvidia-ml.so.570.124.06 before it, by LD_LIBRARY_PATH" in fix.text
    assert len(fix.commands) == 1
    assert "sudo reboot" not in fix.commands
    cached = b.driver_file(ml, NEW, folder="/usr/lib64")
    fix = b.only(mismatched(b.nvml_failed(18), libraries=behind(cached, ml))).fix
    assert "Remove the installation" in fix.text
    assert "sudo reboot" not in fix.commands


def test_the_command_takes_only_folders_with_a_driver_library_out_of_the_variable(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("plain", "cuda", "ml", "last")]
    for folder, name in zip(folders, ("libz.so", "libcuda.so.1", "libnvidia-ml.so.1", "libm.so"), strict=True):
        folder.mkdir()
        (folder / name).write_text("")
    script = f'{WITHOUT_DRIVER_FOLDERS}; echo "$LD_LIBRARY_PATH"'
    told = {"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": ":".join(map(str, folders))}
    run = subprocess.run(["/bin/sh", "-c", script], env=told, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"{folders[0]}:{folders[3]}"


def test_804_on_bare_metal_after_an_update_is_a_mismatch() -> None:
    machine = mismatched(b.nvml_failed(18), ladder=b.stopped(b.nvml_failed(999), b.cuda_failed(804)))
    assert b.ids(machine) == ["driver-library-mismatch"]


def test_a_mismatch_under_a_sysroot_is_told_from_files_alone() -> None:
    finding = b.only(mismatched(b.nvml_failed(18), ladder=b.not_asked()))
    assert (finding.id, finding.confidence) == ("driver-library-mismatch", "supported")


def test_equal_releases_are_no_mismatch() -> None:
    same = b.libraries(b.driver_file(release=OLD), b.driver_file("libnvidia-ml.so.1", OLD))
    assert b.ids(mismatched(b.nvml_failed(18), libraries=same, ladder=b.not_asked())) == []


# compat-libs-mismatch, forward-compat-unsupported-gpu


def foreign(code: int, path: str = COMPAT, **sections: object) -> Machine:
    told = {
        "driver": b.driver(count=b.NONE, cuda=b.NONE, path=path, release="575.57.08"),
        "ladder": b.stopped(b.cuda_failed(code)),
    }
    return changed(**(told | sections))


def test_803_with_a_compat_libcuda_is_a_compat_mismatch() -> None:
    finding = b.only(foreign(803))
    assert (finding.id, finding.confidence) == ("compat-libs-mismatch", "proven")
    assert "575.57.08" in finding.summary
    assert b.RELEASE in finding.summary


def test_803_with_nvml_refused_too_is_the_driver_s_own_mismatch() -> None:
    both = foreign(803, nvml=b.NONE, ladder=b.stopped(b.nvml_failed(18), b.cuda_failed(803)))
    assert b.ids(both) == ["driver-library-mismatch"]


def test_803_in_a_container_whose_image_brings_a_libcuda_is_a_compat_mismatch() -> None:
    own = b.driver_file()
    old = b.driver_file(release="535.54.03", folder="/usr/local/lib", found_via="LD_LIBRARY_PATH")
    fix = b.only(foreign(803, old.real_path, libraries=b.libraries(old, own))).fix
    assert fix.text.startswith("Take /usr/local/lib/libcuda.so.1 off the search path (it is found by LD_LIBRARY_PATH)")
    assert fix.commands == (WITHOUT_DRIVER_FOLDERS,)
    image = foreign(803, "/usr/lib/x86_64-linux-gnu/libcuda.so.575.57.08", host=b.host(container="docker"))
    assert b.ids(image) == ["compat-libs-mismatch"]


def test_804_with_a_compat_libcuda_is_forward_compatibility_refused() -> None:
    finding = b.only(foreign(804, nvml=b.nvml(b.nvml_device(name="GeForce GTX 1650"))))
    assert (finding.id, finding.confidence) == ("forward-compat-unsupported-gpu", "proven")
    assert any("GTX 1650" in str(evidence.value) for evidence in finding.evidence)


@pytest.mark.parametrize("code", [802, 999])
def test_other_codes_are_neither_of_the_two(code: int) -> None:
    machine = foreign(code)
    assert not b.fires("compat-libs-mismatch", machine)
    assert not b.fires("forward-compat-unsupported-gpu", machine)


# stub-libcuda-loaded


STUB = b.driver_file(release=b.NONE, folder="/usr/local/cuda/lib64/stubs", found_via="LD_LIBRARY_PATH")


def test_error_34_is_the_stub() -> None:
    machine = changed(driver=b.NONE, libraries=b.libraries(STUB, b.driver_file()), ladder=b.stopped(b.cuda_failed(34)))
    finding = b.only(machine)
    assert finding.id == "stub-libcuda-loaded"
    assert "/usr/local/cuda/lib64/stubs" in finding.summary


def test_a_stub_of_the_linker_name_is_found_when_only_numba_takes_it() -> None:
    linker = b.msgspec.structs.replace(STUB, soname="libcuda.so", path="/opt/stubs/libcuda.so")
    files = b.libraries(*b.BOTH_LIBRARIES.files, linker)
    machine = changed(libraries=files, ladder=b.stopped(b.cuda_failed(34, at="kernel-compile")))
    assert "/opt/stubs/libcuda.so" in b.only(machine).summary


def test_a_stub_that_comes_first_under_a_sysroot_is_told_from_files() -> None:
    machine = changed(nvml=b.NONE, driver=b.NONE, libraries=b.libraries(STUB), ladder=b.not_asked())
    assert b.ids(machine) == ["stub-libcuda-loaded"]


def test_a_stub_that_comes_second_is_none() -> None:
    files = b.libraries(*b.BOTH_LIBRARIES.files, STUB)
    machine = changed(nvml=b.NONE, driver=b.NONE, libraries=files, ladder=b.not_asked())
    assert b.ids(machine) == []


# libcuda-missing, container-driver-capabilities

NO_LIBCUDA = b.step("libcuda", call="dlopen libcuda", detail="libcuda.so.1: cannot open shared object file")


def without_libcuda(**sections: object) -> Machine:
    told = {
        "driver": b.NONE,
        "libraries": b.libraries(b.driver_file("libnvidia-ml.so.1")),
        "ladder": b.stopped(NO_LIBCUDA),
    }
    return changed(**(told | sections))


def test_libcuda_is_missing_where_nvml_works() -> None:
    finding = b.only(without_libcuda())
    assert finding.id == "libcuda-missing"
    assert "sudo apt-get install -y libnvidia-compute-580" in finding.fix.commands


def test_libcuda_that_is_there_and_cannot_be_loaded_is_told_apart() -> None:
    finding = b.only(without_libcuda(libraries=b.BOTH_LIBRARIES))
    assert finding.id == "libcuda-missing"
    assert "cannot be loaded" in finding.summary


def test_libcuda_is_missing_where_only_the_kernel_module_is_loaded() -> None:
    machine = without_libcuda(nvml=b.NONE, libraries=b.libraries(), ladder=b.NO_DRIVER_ANSWERS)
    assert b.ids(machine) == ["libcuda-missing"]


def test_in_a_container_the_capabilities_are_to_blame() -> None:
    machine = without_libcuda(
        host=b.host(container="docker"), environment=b.environment(NVIDIA_DRIVER_CAPABILITIES="utility")
    )
    finding = b.only(machine)
    assert finding.id == "container-driver-capabilities"
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in finding.fix.commands[0]


def test_outside_a_container_the_capabilities_are_not_to_blame() -> None:
    assert not b.fires("container-driver-capabilities", without_libcuda())


# container-no-gpu-flag, container-ldcache-stale


def in_container(runtime: str = "docker", **sections: object) -> Machine:
    told = {"host": b.host(container=runtime), "kernel_driver": b.kernel_driver(modules=())}
    return changed(b.DRIVERLESS, **(told | sections))


def test_a_container_without_nodes_and_libraries_was_started_without_a_gpu() -> None:
    finding = b.only(in_container())
    assert (finding.id, finding.confidence) == ("container-no-gpu-flag", "proven")
    assert "docker run --rm --gpus all" in finding.fix.commands[0]
    assert not any("install" in command or "apt" in command for command in finding.fix.commands)


@pytest.mark.parametrize(
    ("runtime", "word"), [("podman", "podman run"), ("kubernetes", "kubectl"), ("apptainer", "--nv")]
)
def test_each_container_runtime_has_its_own_fix(runtime: str, word: str) -> None:
    assert any(word in command for command in b.only(in_container(runtime)).fix.commands)


def test_a_privileged_container_has_nodes_but_no_libraries() -> None:
    finding = b.only(in_container(device_nodes=b.ALL_NODES))
    assert finding.id == "container-no-gpu-flag"
    assert "--privileged" in finding.cause


def test_a_container_on_a_host_without_a_card_has_no_gpu_at_all() -> None:
    machine = in_container(pci=b.pci(), kernel_driver=b.no_kernel_driver())
    assert b.ids(machine) == ["no-nvidia-gpu-active"]


def test_the_container_flag_is_not_blamed_outside_a_container() -> None:
    assert not b.fires("container-no-gpu-flag", b.DRIVERLESS)


def test_mounted_libraries_that_the_loader_does_not_find_are_a_stale_cache() -> None:
    mounted = {"folder": "/usr/local/nvidia/lib64", "found_via": "not on the search path"}
    files = b.libraries(b.driver_file(**mounted), b.driver_file("libnvidia-ml.so.1", **mounted))
    finding = b.only(in_container(device_nodes=b.ALL_NODES, libraries=files))
    assert finding.id == "container-ldcache-stale"
    assert 'export LD_LIBRARY_PATH="/usr/local/nvidia/lib64:$LD_LIBRARY_PATH"' in finding.fix.commands


def test_an_empty_file_in_the_place_of_a_library_is_no_library() -> None:
    empty = b.driver_file("libnvidia-ml.so.1", b.Missing("the file is empty"))
    assert b.ids(in_container(device_nodes=b.ALL_NODES, libraries=b.libraries(empty))) == ["container-no-gpu-flag"]


# device-node-permission, container-cgroup-lost, uvm-node-missing


def closed(error: str, **sections: object) -> Machine:
    found = (
        b.node("/dev/nvidiactl", error, mode="crw-rw----", owner="root:video"),
        b.node("/dev/nvidia0", error, mode="crw-rw----", owner="root:video"),
    )
    told = {
        "nvml": b.NONE,
        "driver": b.NONE,
        "device_nodes": b.nodes(*found),
        "ladder": b.stopped(b.nvml_failed(4), b.cuda_failed(100)),
    }
    return changed(**(told | sections))


def test_nodes_of_the_group_video_are_joined_by_their_group() -> None:
    finding = b.only(closed("EACCES"))
    assert finding.id == "device-node-permission"
    assert 'sudo usermod -aG video "$USER"' in finding.fix.commands


def test_an_owner_from_the_machine_never_gets_into_a_command() -> None:
    hostile = b.nodes(b.node("/dev/nvidiactl", "EACCES", owner="root:x; rm -rf ~"))
    commands = b.only(closed("EACCES", device_nodes=hostile)).fix.commands
    assert not any("rm -rf" in command for command in commands)


def test_nodes_that_are_closed_while_cuda_works_are_no_finding() -> None:
    assert b.ids(changed(device_nodes=b.nodes(*b.ALL_NODES.nodes, b.node("/dev/nvidia1", "EACCES")))) == []


def test_eperm_in_a_container_is_a_lost_cgroup() -> None:
    machine = closed("EPERM", host=b.host(container="docker"), ladder=b.stopped(b.nvml_failed(999), b.cuda_failed(999)))
    assert b.ids(machine) == ["container-cgroup-lost"]


def test_eperm_outside_a_container_is_no_lost_cgroup() -> None:
    assert b.ids(closed("EPERM")) == ["device-node-permission"]


@pytest.mark.parametrize("code", [999, 304])
def test_999_or_304_without_the_uvm_node_is_that_node(code: int) -> None:
    bare = b.nodes(b.node("/dev/nvidiactl"), b.node("/dev/nvidia0"))
    finding = b.only(changed(driver=b.NONE, device_nodes=bare, ladder=b.stopped(b.cuda_failed(code))))
    assert finding.id == "uvm-node-missing"
    assert "sudo nvidia-modprobe -c 0 -u" in finding.fix.commands


def test_an_option_of_the_module_reaches_it_under_debians_name_too() -> None:
    for family, names in (("debian", "for m in nvidia nvidia-current"), ("ubuntu debian", "options nvidia NVreg_")):
        nodes = b.nodes(b.node("/dev/nvidiactl", "EACCES", mode="crw-------"))
        commands = b.only(closed("", device_nodes=nodes, host=b.host(distribution_family=family))).fix.commands
        assert any(names in command and "NVreg_DeviceFileMode=0666" in command for command in commands)


def test_the_mode_that_the_module_gives_its_nodes_is_evidence() -> None:
    module = b.msgspec.structs.replace(b.kernel_driver(), parameters=b.fact(("DeviceFileMode: 432",)))
    shown = {item.name: item.value for item in b.only(closed("EACCES", kernel_driver=module)).evidence}
    assert shown["DeviceFileMode"] == "0660"


def test_999_with_the_uvm_node_is_a_failed_call() -> None:
    assert b.ids(changed(driver=b.NONE, ladder=b.stopped(b.cuda_failed(999)))) == ["driver-call-failed"]


def test_a_libcuda_is_called_newer_only_if_it_is() -> None:
    assert "is newer than driver 535.54.03" in b.only(foreign(804, nvml=b.nvml(release="535.54.03"))).summary
    assert "newer" not in b.only(foreign(804, nvml=b.nvml(release="575.57.08"))).summary
