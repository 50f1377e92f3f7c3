"""The host, and the variables that may be shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.host import Host
from cudadoctor.probes import environment, host
from cudadoctor.probes.root import Root
from tests.probes.machine_tree import FEDORA, MachineTree

OVERLAY = "500 400 0:50 / / rw,relatime master:1 - overlay overlay rw,lowerdir={}\n"


def gather(tree: MachineTree, environ: dict[str, str] | None = None) -> Host:
    section = host.gather(Root(tree.root), environ)
    assert isinstance(section, Host)
    return section


@pytest.fixture
def tree(tmp_path: Path) -> MachineTree:
    made = MachineTree(tmp_path)
    made.linux("6.14.0-63.fc42.x86_64", os_release=FEDORA, cpu="AMD Ryzen 9 7950X", cpus=3)
    return made


def test_this_machine_is_told_without_a_reason_missing() -> None:
    section = host.gather(Root())
    assert isinstance(section, Host)
    assert known(section.python_version) == sys.version.partition(" ")[0].rstrip("+")
    assert (known(section.memory_total_bytes) or 0) > 1 << 27


def test_a_tree_is_told_by_its_files(tree: MachineTree) -> None:
    section = gather(tree)
    assert section.system == Known("Linux", "--sysroot: a tree with the files of a Linux system")
    assert known(section.kernel_release) == "6.14.0-63.fc42.x86_64"
    assert known(section.distribution) == "Fedora Linux 42 (Workstation Edition)"
    assert known(section.distribution_family) == "fedora"
    assert known(section.cpu_name) == "AMD Ryzen 9 7950X"
    assert known(section.cpu_count) == 3
    assert known(section.memory_total_bytes) == 16303428 * 1024
    assert known(section.wsl) is False
    assert isinstance(section.python_version, Missing)


def test_the_family_lists_the_own_id_first(tree: MachineTree) -> None:
    tree.write("/etc/os-release", "ID=pop\nID_LIKE='ubuntu debian'\nPRETTY_NAME=\"Pop!_OS 22.04 LTS\"\n")
    assert known(gather(tree).distribution_family) == "pop ubuntu debian"


def _cores(*cores: tuple[str, str]) -> str:
    """Return /proc/cpuinfo as kernels for Arm write it."""
    return "\n\n".join(
        f"processor\t: {number}\nFeatures\t: {'fp asimd ' * 60}\nCPU implementer\t: {implementer}\n"
        f"CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: {part}\nCPU revision\t: 1"
        for number, (implementer, part) in enumerate(cores)
    )


@pytest.mark.parametrize(
    ("cores", "name"),
    [
        ([("0x41", "0xd4f")] * 72, "Neoverse-V2"),
        ([("0x41", "0xd87")] * 10 + [("0x41", "0xd85")] * 10, "Cortex-A725 and Cortex-X925"),
        ([("0x4e", "0x003")] * 2 + [("0x41", "0xd07")] * 4, "Denver 2 and Cortex-A57"),
        ([("0x70", "0x662")] * 4, "core 0x70/0x662"),
    ],
)
def test_an_arm_processor_is_named_by_its_cores(tree: MachineTree, cores: list[tuple[str, str]], name: str) -> None:
    tree.write("/proc/cpuinfo", _cores(*cores))
    assert gather(tree).cpu_name == Known(name, "/proc/cpuinfo")


def test_an_architecture_is_no_name_of_a_processor(tree: MachineTree) -> None:
    text = _cores(("0x41", "0xd42"))
    tree.write("/proc/cpuinfo", text.replace("Features", "model name\t: ARMv8 Processor rev 1 (v8l)\nFeatures"))
    assert known(gather(tree).cpu_name) == "Cortex-A78AE"
    tree.write("/proc/cpuinfo", text.replace("Features", "model name\t: Neoverse-N1 of a cloud\nFeatures"))
    assert known(gather(tree).cpu_name) == "Neoverse-N1 of a cloud"


def test_numbers_that_are_none_name_no_processor(tree: MachineTree) -> None:
    tree.write("/proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\nCPU revision\t: 0\n")
    assert gather(tree).cpu_name == Missing("/proc/cpuinfo names no model")


def test_online_cpus_are_counted_over_gaps(tree: MachineTree) -> None:
    tree.write("/sys/devices/system/cpu/online", "0-3,8,10-11\n")
    assert known(gather(tree).cpu_count) == 7


@pytest.mark.parametrize(
    ("path", "content", "runtime"),
    [
        ("/.dockerenv", "", "docker"),
        ("/run/.containerenv", "", "podman"),
        ("/proc/1/cgroup", "12:devices:/kubepods/burstable/pod1/2\n", "kubernetes"),
        ("/proc/1/cgroup", "0::/system.slice/docker-0a1b.scope\n", "docker"),
        ("/proc/self/mountinfo", OVERLAY.format("/var/lib/docker/overlay2/l/A"), "docker"),
        ("/proc/self/mountinfo", OVERLAY.format("/home/a/.local/share/containers/storage/overlay/l/A"), "podman"),
        ("/proc/self/mountinfo", "500 400 8:1 / / rw - ext4 /dev/sda1 rw\n", ""),
        ("/proc/1/cgroup", "0::/init.scope\n", ""),
    ],
)
def test_containers_are_told_by_the_marks_of_their_runtimes(
    tree: MachineTree, path: str, content: str, runtime: str
) -> None:
    tree.write(path, content)
    assert known(gather(tree).container) == runtime


def test_kubernetes_and_the_variable_container_come_first(tree: MachineTree) -> None:
    tree.write("/.dockerenv")
    assert known(gather(tree, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}).container) == "kubernetes"
    assert known(gather(tree, {"container": "systemd-nspawn"}).container) == "systemd-nspawn"


def variables(environ: dict[str, str]) -> dict[str, str]:
    section = environment.gather(Root(), environ)
    assert isinstance(section, Environment)
    return section.variables


def test_only_listed_variables_are_gathered() -> None:
    environ = {
        "CUDA_VISIBLE_DEVICES": "",
        "NUMBA_ENABLE_CUDASIM": "1",
        "PATH": "/bin",
        "HOME": "/root",
        "CUDA_HOME": "/opt",
    }
    assert variables(environ) == {"CUDA_HOME": "/opt", "CUDA_VISIBLE_DEVICES": "", "NUMBA_ENABLE_CUDASIM": "1"}


@pytest.mark.parametrize(
    "name", ["NVIDIA_API_KEY", "CUDA_TOKEN", "CUDA_REPO_PASSWORD", "NUMBA_CUDA_SECRET", "CUDA_SSH_KEY"]
)
def test_names_of_secrets_are_left_out(name: str) -> None:
    assert variables({name: "hunter2"}) == {}


def test_credentials_in_urls_are_masked() -> None:
    masked = variables({"CUDA_MIRROR": "https://me:p@ss@host/x http://token@host ftp://host/a@b"})["CUDA_MIRROR"]
    assert masked == "https://***@host/x http://***@host ftp://host/a@b"


def test_long_values_are_cut_with_a_note() -> None:
    value = variables({"LD_LIBRARY_PATH": "x" * 5000})["LD_LIBRARY_PATH"]
    assert value.endswith("... (cut: 5000 characters)")
    assert len(value) < 4200


def test_variables_of_this_process_are_not_those_of_a_tree(tmp_path: Path) -> None:
    assert isinstance(environment.gather(Root(str(tmp_path))), Missing)


def test_wsl2_with_a_kernel_of_the_users_own_is_told_by_its_folder(tree: MachineTree) -> None:
    assert known(gather(tree).wsl) is False
    tree.write("/run/WSL/1_interop", "")
    assert gather(tree).wsl == Known(True, "/run/WSL")
