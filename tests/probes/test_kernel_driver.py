"""The loaded module's release and flavour, the module files, and the package's release."""

from __future__ import annotations

from pathlib import Path

import pytest

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.probes import kernel_driver
from cudadoctor.probes.root import Root
from tests.probes.machine_tree import MachineTree

KERNEL = "/usr/lib/modules/6.8.0-60-generic"


@pytest.fixture
def tree(tmp_path: Path) -> MachineTree:
    made = MachineTree(tmp_path)
    made.linux("6.8.0-60-generic", os_release="ID=ubuntu\n")
    return made


def gather(tree: MachineTree) -> KernelDriver:
    section = kernel_driver.gather(Root(tree.root))
    assert isinstance(section, KernelDriver)
    return section


@pytest.mark.parametrize(
    ("line", "release", "flavour"),
    [
        ("NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024", "535.183.01", "proprietary"),
        ("NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (a@b.1.2)", "580.159.04", "open"),
        ("NVIDIA UNIX x86_64 Kernel Module  340.108  Wed Dec 11 11:06:58 PST 2019", "340.108", "proprietary"),
        ("NVIDIA UNIX Open Kernel Module for x86_64  555.58  Release Build  (portage@localhost)", "555.58", "open"),
    ],
)
def test_all_components_of_the_release_are_read(tree: MachineTree, line: str, release: str, flavour: str) -> None:
    tree.write(
        "/proc/driver/nvidia/version", f"NVRM version: {line}\nGCC version:  gcc version 13.3.0 (Ubuntu 13.3.0)\n"
    )
    section = gather(tree)
    assert known(section.loaded) is True
    assert known(section.loaded_release) == release
    assert known(section.flavour) == flavour


def test_the_compilers_version_is_not_taken_for_the_drivers(tree: MachineTree) -> None:
    tree.write("/proc/driver/nvidia/version", "GCC version:  gcc version 13.3.0\n")
    assert isinstance(gather(tree).loaded_release, Missing)


def test_the_options_of_the_loaded_module_are_read_and_no_other_text(tree: MachineTree) -> None:
    text = 'ResmanDebugLevel: 4294967295\nDeviceFileMode: 432\nEnableGpuFirmware: 18\nRegistryDwords: "secret=1"\n'
    tree.write("/proc/driver/nvidia/params", text + "DeviceFileGID: many\n")
    section = gather(tree)
    assert known(section.parameters) == ("DeviceFileMode: 432", "EnableGpuFirmware: 18")
    assert (section.parameter("EnableGpuFirmware"), section.parameter("DeviceFileGID")) == ("18", None)


def test_sysfs_serves_where_proc_does_not(tree: MachineTree) -> None:
    tree.write("/sys/module/nvidia/version", "580.159.04\n")
    tree.write("/sys/module/nvidia/taint", "OE\n")
    section = gather(tree)
    assert (known(section.loaded_release), known(section.flavour)) == ("580.159.04", "open")


def test_without_sys_module_it_is_not_known_whether_the_module_is_loaded(tmp_path: Path) -> None:
    section = kernel_driver.gather(Root(str(tmp_path)))
    assert isinstance(section, KernelDriver)
    assert isinstance(section.loaded, Missing)


@pytest.mark.parametrize(
    "place",
    [
        "updates/dkms/nvidia.ko.zst",
        "extra/nvidia.ko.xz",
        "kernel/nvidia-580/nvidia.ko",
        "kernel/drivers/video/nvidia.ko",
        "updates/dkms/nvidia-current.ko",
        "updates/dkms/nvidia-current-open.ko.xz",
        "updates/dkms/nvidia-tesla-470.ko",
    ],
)
def test_module_files_are_found_where_installers_put_them(tree: MachineTree, place: str) -> None:
    tree.write(f"{KERNEL}/{place}", "x")
    (file,) = gather(tree).module_files
    assert file.kernel_release == "6.8.0-60-generic"
    assert file.path == f"/lib/modules/6.8.0-60-generic/{place}"


def test_modules_dep_leads_to_any_folder_but_only_to_files_that_are_there(tree: MachineTree) -> None:
    table = "odd/place/nvidia.ko.xz: kernel/video.ko\ngone/nvidia.ko:\nx/nvidia-uvm.ko: odd/place/nvidia.ko.xz\n"
    tree.write(f"{KERNEL}/modules.dep", table)
    assert gather(tree).module_files == ()
    tree.write(f"{KERNEL}/odd/place/nvidia.ko.xz", "x")
    assert [file.path for file in gather(tree).module_files] == ["/lib/modules/6.8.0-60-generic/odd/place/nvidia.ko.xz"]


def test_the_module_that_debian_renames_is_found_and_its_companions_are_not_taken_for_it(tree: MachineTree) -> None:
    companions = ("nvidia-current-uvm", "nvidia-current-drm", "nvidia-uvm", "nvidiafb", "nvidia-fs", "nvidia-peermem")
    for name in companions:
        tree.write(f"{KERNEL}/updates/dkms/{name}.ko", "x")
    assert gather(tree).module_files == ()
    tree.write(f"{KERNEL}/updates/dkms/nvidia-current.ko", "x")
    tree.write(
        f"{KERNEL}/modules.dep", "".join(f"updates/dkms/{name}.ko:\n" for name in (*companions, "nvidia-current"))
    )
    (file,) = gather(tree).module_files
    assert file.path == "/lib/modules/6.8.0-60-generic/updates/dkms/nvidia-current.ko"


def test_a_module_of_another_kernel_keeps_that_kernels_release(tree: MachineTree) -> None:
    tree.write("/usr/lib/modules/6.8.0-57-generic/updates/dkms/nvidia.ko", "x")
    assert [file.kernel_release for file in gather(tree).module_files] == ["6.8.0-57-generic"]


def test_only_installed_packages_count_and_the_newest_wins(tree: MachineTree) -> None:
    rows = [
        ("libnvidia-compute-590", "deinstall ok config-files", "590.48.01-0ubuntu1"),
        ("libnvidia-compute-580", "install ok installed", "580.95.05-0ubuntu0.24.04.1"),
        ("libnvidia-compute-580-server", "install ok installed", "580.159.04-0ubuntu0.24.04.1"),
        ("libc6", "install ok installed", "2.39-0ubuntu8"),
    ]
    text = "".join(f"Package: {name}\nStatus: {status}\nVersion: {version}\n\n" for name, status, version in rows)
    tree.write("/var/lib/dpkg/status", text + "Package: x\nDescription: y\n Package: libnvidia-compute-1\n")
    assert known(gather(tree).package_release) == "580.159.04"


@pytest.mark.parametrize(
    ("path", "release"),
    [
        ("/var/lib/pacman/local/nvidia-utils-580.105.08-4/desc", "580.105.08"),
        ("/usr/src/nvidia-open-570.124.06/dkms.conf", "570.124.06"),
        ("/usr/src/linux-headers-6.8.0-60/Makefile", None),
    ],
)
def test_other_packages_are_told_by_folder_names(tree: MachineTree, path: str, release: str | None) -> None:
    tree.write(path, "x")
    assert known(gather(tree).package_release) == release
