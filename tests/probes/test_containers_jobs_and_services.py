"""Container engines, jobs and services, as files and variables tell of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.containers import Containers
from cudadoctor.facts.host import Host
from cudadoctor.facts.scheduler import Scheduler
from cudadoctor.facts.services import Services
from cudadoctor.probes import containers, host, scheduler, services
from cudadoctor.probes.root import Root
from tests.probes.machine_tree import UBUNTU, MachineTree


@pytest.fixture
def tree(tmp_path: Path) -> MachineTree:
    made = MachineTree(tmp_path)
    made.linux("6.8.0-60-generic", os_release=UBUNTU)
    return made


def host_of(tree: MachineTree) -> Host:
    section = host.gather(Root(tree.root))
    assert isinstance(section, Host)
    return section


def engines(tree: MachineTree, **environ: str) -> Containers:
    section = containers.gather(Root(tree.root), host_of(tree), environ)
    assert isinstance(section, Containers)
    return section


def job(tree: MachineTree, **environ: str) -> Scheduler:
    section = scheduler.gather(Root(tree.root), environ)
    assert isinstance(section, Scheduler)
    return section


def daemons(tree: MachineTree, **environ: str) -> Services:
    section = services.gather(Root(tree.root), host_of(tree), environ)
    assert isinstance(section, Services)
    return section


# containers


def test_docker_with_its_toolkit_is_read_from_files(tree: MachineTree) -> None:
    tree.write("/usr/bin/docker", b"\x7fELF")
    tree.write("/usr/bin/nvidia-ctk", b"\x7fELF")
    tree.write("/etc/docker/daemon.json", '{"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}}')
    tree.write("/etc/cdi/nvidia.yaml", "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\n")
    tree.write("/etc/cdi/other.yaml", "kind: vendor.com/device\n")
    found = engines(tree)
    assert [(engine.name, engine.path, engine.origin) for engine in found.engines] == [
        ("docker", "/usr/bin/docker", "package")
    ]
    assert (known(found.daemon), known(found.runtimes)) == ("system", ("nvidia",))
    assert (found.toolkit_files, found.cdi_specs) == (("/usr/bin/nvidia-ctk",), ("/etc/cdi/nvidia.yaml",))


def test_docker_from_snap_is_told_by_its_folder(tree: MachineTree) -> None:
    tree.write("/usr/bin/snap", b"\x7fELF")
    tree.link("/snap/bin/docker", "/usr/bin/snap")
    assert known(engines(tree).daemon) == "snap"


def test_a_script_that_calls_podman_is_podman(tree: MachineTree) -> None:
    tree.write("/usr/bin/docker", '#!/bin/sh\nexec /usr/bin/podman "$@"\n')
    (engine,) = engines(tree).engines
    assert engine.name == "podman"
    assert isinstance(engines(tree).daemon, Missing)


@pytest.mark.parametrize(
    ("variable", "value", "daemon"),
    [
        ("DOCKER_HOST", "unix:///run/user/1000/docker.sock", "rootless"),
        ("DOCKER_HOST", "ssh://someone@elsewhere", "remote"),
        ("DOCKER_CONTEXT", "desktop-linux", "desktop"),
        ("DOCKER_CONTEXT", "default", "system"),
    ],
)
def test_variables_say_whom_docker_talks_to(tree: MachineTree, variable: str, value: str, daemon: str) -> None:
    tree.write("/usr/bin/docker", b"\x7fELF")
    found = engines(tree, **{variable: value}).daemon
    assert known(found) == daemon
    assert "elsewhere" not in str(found)


def test_without_an_engine_nothing_else_is_looked_for(tree: MachineTree) -> None:
    tree.write("/usr/bin/nvidia-ctk", b"\x7fELF")
    assert engines(tree).toolkit_files == ()


def test_inside_a_container_the_engine_is_not_looked_for(tree: MachineTree) -> None:
    tree.write("/.dockerenv")
    tree.write("/usr/bin/docker", b"\x7fELF")
    assert isinstance(containers.gather(Root(tree.root), host_of(tree), {}), Missing)


@pytest.mark.parametrize("text", ["{", "[]", '{"runtimes": 3}', '{"runtimes": {"\\ud800": {}}}'])
def test_a_damaged_configuration_is_survived(tree: MachineTree, text: str) -> None:
    tree.write("/usr/bin/docker", b"\x7fELF")
    tree.write("/etc/docker/daemon.json", text)
    assert known(engines(tree).runtimes) in (None, (), ("\\ud800",))


# scheduler


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, ("", "", None)),
        ({"SLURM_JOB_ID": "17", "SLURM_JOB_GPUS": "0"}, ("slurm", "17", "0")),
        ({"SLURM_JOB_ID": "17", "SLURM_GPUS_ON_NODE": "0"}, ("slurm", "17", "")),
        ({"SLURM_JOB_ID": "17", "SLURM_GPUS_ON_NODE": "2"}, ("slurm", "17", "2")),
        ({"PBS_JOBID": "9.head", "CUDA_VISIBLE_DEVICES": "GPU-1"}, ("pbs", "9", "GPU-1")),
        ({"PBS_JOBID": "9.head", "PBS_GPUFILE": "/var/spool/gpus"}, ("pbs", "9", "gpu0")),
        ({"PBS_JOBID": "9.head"}, ("pbs", "9", "")),
        ({"LSB_JOBID": "5", "CUDA_VISIBLE_DEVICES1": "3"}, ("lsf", "5", "3")),
        ({"LSB_JOBID": "5", "CUDA_VISIBLE_DEVICES": ""}, ("lsf", "5", "")),
        ({"SGE_ROOT": "/opt/sge", "JOB_ID": "4", "SGE_HGR_gpu": "gpu1"}, ("sge", "4", "gpu1")),
        ({"JOB_ID": "4"}, ("", "", None)),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "NVIDIA_VISIBLE_DEVICES": "void"}, ("kubernetes", "", "")),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "NVIDIA_VISIBLE_DEVICES": "all"}, ("kubernetes", "", None)),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "NVIDIA_VISIBLE_DEVICES": "GPU-1"}, ("kubernetes", "", "GPU-1")),
        ({"COLAB_GPU": "0"}, ("colab", "", "")),
        ({"COLAB_GPU": "1"}, ("colab", "", "1")),
    ],
)
def test_a_job_is_told_by_the_variables_of_its_system(
    tree: MachineTree, environ: dict[str, str], told: tuple[str, str, str | None]
) -> None:
    tree.write("/var/spool/gpus", "node1-gpu0\n")
    section = job(tree, **environ)
    assert (section.system, section.job, known(section.gpus)) == told


def test_device_rules_are_read_where_cgroup_v1_shows_them(tree: MachineTree) -> None:
    tree.write("/proc/self/cgroup", "5:devices:/slurm/uid_1/job_17\n0::/x\n")
    path = "/sys/fs/cgroup/devices/slurm/uid_1/job_17/devices.list"
    tree.write(path, "c 1:3 rwm\nc 195:255 rw\n")
    assert job(tree).device_rules == Known(("c 1:3 rwm", "c 195:255 rw"), path)
    tree.write("/proc/self/cgroup", "0::/system.slice/job\n")
    assert "v2" in str(job(tree).device_rules)


def test_the_variables_of_this_process_are_not_those_of_another_machine(tree: MachineTree) -> None:
    assert isinstance(scheduler.gather(Root(tree.root)), Missing)


# services


def test_daemons_are_told_by_their_process_numbers(tree: MachineTree) -> None:
    tree.write("/run/nvidia-persistenced/nvidia-persistenced.pid", "812\n")
    tree.write("/tmp/nvidia-mps/control")
    tree.write("/tmp/nvidia-mps/nvidia-cuda-mps-control.pid", "900")
    tree.write("/proc/812/comm", "nvidia-persiste\n")
    section = daemons(tree)
    assert known(section.persistence_daemon) is True
    assert known(section.mps_control) is False  # there is no process 900
    tree.write("/proc/900/comm", "nvidia-cuda-mps\n")
    assert known(daemons(tree).mps_control) is True


def test_mps_is_looked_for_where_the_variable_says(tree: MachineTree) -> None:
    section = daemons(tree, CUDA_MPS_PIPE_DIRECTORY="/scratch/mps")
    assert (section.mps_pipe_directory, known(section.mps_control)) == ("/scratch/mps", False)


UNIT = "nvidia-fabricmanager.service"


def test_fabric_manager_is_told_by_unit_and_control_group(tree: MachineTree) -> None:
    assert known(daemons(tree).fabric_manager) == "not installed"
    tree.write(f"/usr/lib/systemd/system/{UNIT}", "[Unit]\n")
    assert isinstance(daemons(tree).fabric_manager, Missing)  # no control group is to be seen
    tree.write("/sys/fs/cgroup/system.slice/ssh.service/cgroup.procs", "1\n")
    assert known(daemons(tree).fabric_manager) == "installed"
    tree.link(f"/etc/systemd/system/multi-user.target.wants/{UNIT}", f"/usr/lib/systemd/system/{UNIT}")
    assert known(daemons(tree).fabric_manager) == "enabled but not running"
    tree.write(f"/sys/fs/cgroup/system.slice/{UNIT}/cgroup.procs", "700\n")
    assert known(daemons(tree).fabric_manager) == "running"


def test_the_release_of_fabric_manager_is_that_of_its_package(tree: MachineTree) -> None:
    tree.write(f"/usr/lib/systemd/system/{UNIT}", "[Unit]\n")
    tree.write(
        "/var/lib/dpkg/status",
        "Package: a\nVersion: 1.0\n\nPackage: nvidia-fabricmanager-580\nStatus: install ok installed\n"
        "Version: 580.159.04-1ubuntu1\n\nPackage: z\nVersion: 2.0\n",
    )
    assert known(daemons(tree).fabric_manager_release) == "580.159.04"
    tree.write("/var/lib/dpkg/status", "Package: nvidia-fabricmanager-580\nStatus: x\n\nPackage: z\nVersion: 580.1\n")
    assert isinstance(daemons(tree).fabric_manager_release, Missing)


def test_inside_a_container_the_hosts_services_are_not_judged(tree: MachineTree) -> None:
    tree.write("/.dockerenv")
    section = daemons(tree)
    assert isinstance(section.fabric_manager, Missing)
    assert isinstance(section.persistence_daemon, Missing)
