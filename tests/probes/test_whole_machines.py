"""All probes on whole machines: what each finds, and that nothing in a file makes one raise or hang."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.libraries import Libraries
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.pci import Pci
from cudadoctor.facts.toolkits import Toolkits
from cudadoctor.probes import (
    compilers,
    containers,
    cuda_libraries,
    device_nodes,
    environment,
    host,
    kernel_driver,
    libraries,
    packages,
    pci,
    scheduler,
    services,
    toolkits,
)
from cudadoctor.probes.root import Root
from tests.probes.machine_tree import (
    MACHINES,
    MachineTree,
    jetson,
    laptop_with_nouveau,
    machine_without_card,
    server_with_narrow_uplink,
    wsl2,
)

SITE = "/opt/python/site-packages"


def gather_all(tree: MachineTree) -> Machine:
    """Gather every section that files decide, with the search for packages inside the tree."""
    root = Root(tree.root)
    found_host = host.gather(root)
    environ = {
        "CUDA_HOME": "/usr/local/cuda",
        "LD_LIBRARY_PATH": "/usr/local/cuda/lib64",
        "PATH": "/usr/local/cuda/bin",
    }
    found = toolkits.gather(root, environ, [SITE])
    return Machine(
        host=found_host,
        containers=containers.gather(root, found_host, environ),
        scheduler=scheduler.gather(root, environ),
        services=services.gather(root, found_host, environ),
        environment=environment.gather(root),
        pci=pci.gather(root),
        kernel_driver=kernel_driver.gather(root),
        device_nodes=device_nodes.gather(root),
        libraries=libraries.gather(root, environ),
        toolkits=found,
        cuda_libraries=cuda_libraries.gather(root, found, environ, [SITE]),
        compilers=compilers.gather(root, found, environ),
        packages=packages.gather(root, [SITE]),
    )


def test_laptop_whose_card_nouveau_holds(tmp_path: Path) -> None:
    root = Root(laptop_with_nouveau(tmp_path).root)
    bus = pci.gather(root)
    assert isinstance(bus, Pci)
    (card,) = bus.devices
    assert known(card.name) == "GeForce GT 750M"
    assert (known(card.architecture), known(card.compute_capability)) == ("Kepler", "3.0")
    assert known(card.bound_driver) == "nouveau"
    assert known(card.numa_node) is None
    module = kernel_driver.gather(root)
    assert isinstance(module, KernelDriver)
    assert known(module.loaded) is False
    assert module.module_files == ()
    section = libraries.gather(root)
    assert isinstance(section, Libraries)
    assert section.files == ()


def test_server_whose_switch_has_a_narrow_uplink(tmp_path: Path) -> None:
    root = Root(server_with_narrow_uplink(tmp_path).root)
    bus = pci.gather(root)
    assert isinstance(bus, Pci)
    (card,) = bus.devices
    assert known(card.name) == "NVIDIA H100 PCIe"
    # From the device to the root port: the narrow link is the one above the switch.
    assert [(hop.address, known(hop.current_speed_gt_s), known(hop.current_width)) for hop in card.path] == [
        ("0000:03:00.0", 32.0, 16),
        ("0000:02:00.0", 32.0, 16),
        ("0000:01:00.0", 16.0, 8),
        ("0000:00:01.1", 16.0, 8),
    ]
    assert [known(hop.max_width) for hop in card.path] == [16, 16, 16, 16]
    module = kernel_driver.gather(root)
    assert isinstance(module, KernelDriver)
    assert module.loaded_release == Known("580.159.04", "/proc/driver/nvidia/version")
    assert known(module.flavour) == "open"
    assert module.package_release == Known("580.159.04", "/var/lib/dpkg/status: libnvidia-compute-580")
    assert [file.path for file in module.module_files] == ["/lib/modules/6.8.0-60-generic/updates/dkms/nvidia.ko.zst"]
    found = libraries.gather(root)
    assert isinstance(found, Libraries)
    assert [(file.soname, known(file.release), file.found_via) for file in found.files] == [
        ("libcuda.so.1", "580.159.04", "ld.so.cache"),
        ("libnvidia-ml.so.1", "580.159.04", "ld.so.cache"),
    ]
    kits = toolkits.gather(root)
    assert isinstance(kits, Toolkits)
    assert [(kit.root, known(kit.version)) for kit in kits.found] == [("/usr/local/cuda-13.0", "13.0")]


def test_machine_without_a_card_has_an_empty_bus_and_not_a_missing_one(tmp_path: Path) -> None:
    bus = pci.gather(Root(machine_without_card(tmp_path).root))
    assert bus == Pci(devices=(), source="/sys/bus/pci/devices", nvswitches=Known(0, "/sys/bus/pci/devices"))


def test_wsl2_is_told_by_its_kernel_and_its_libraries_carry_no_release(tmp_path: Path) -> None:
    root = Root(wsl2(tmp_path).root)
    machine = host.gather(root)
    assert isinstance(machine, Host)
    assert known(machine.wsl) is True
    found = libraries.gather(root)
    assert isinstance(found, Libraries)
    assert [(file.real_path, known(file.release)) for file in found.files] == [
        ("/usr/lib/wsl/lib/libcuda.so.1.1", None),
        ("/usr/lib/wsl/lib/libnvidia-ml.so.1", None),
    ]
    nodes = device_nodes.gather(root)
    assert not isinstance(nodes, Missing)
    assert [(node.path, node.error) for node in nodes.nodes] == [("/dev/dxg", Missing("--sysroot: not opened"))]


def test_jetson_is_told_by_its_board(tmp_path: Path) -> None:
    root = Root(jetson(tmp_path).root)
    machine = host.gather(root)
    assert isinstance(machine, Host)
    assert known(machine.jetson_model) == "NVIDIA Jetson AGX Orin Developer Kit"
    assert isinstance(machine.cpu_name, Missing)
    module = kernel_driver.gather(root)
    assert isinstance(module, KernelDriver)
    assert known(module.loaded_release) == "540.4.0"
    assert [file.kernel_release for file in module.module_files] == ["5.15.148-tegra"]


@pytest.mark.parametrize("make", MACHINES)
def test_an_empty_tree_and_every_machine_give_sections_that_write_to_json(
    tmp_path: Path, make: Callable[[Path], MachineTree]
) -> None:
    import msgspec

    for machine in (gather_all(make(tmp_path / "full")), gather_all(MachineTree(tmp_path / "empty"))):
        assert msgspec.json.decode(msgspec.json.encode(machine), type=Machine) == machine
    assert str(tmp_path) not in msgspec.json.encode(machine).decode()


@pytest.fixture(scope="module")
def full_tree(tmp_path_factory: pytest.TempPathFactory) -> MachineTree:
    """One tree with something for every probe to read."""
    tree = server_with_narrow_uplink(tmp_path_factory.mktemp("machine") / "tree")
    tree.wheels_cu13(SITE)
    tree.wheels_cu12(SITE)
    tree.distribution(SITE, "numba-cuda", "0.30.4", ["numba>=0.60.0", "cuda-core<2.0.0,>=0.5.1; python_version > '3'"])
    tree.distribution(SITE, "numba", "0.68.1", ["numpy<2.6,>=1.22"])
    tree.distribution(SITE, "numpy", "2.5.0")
    tree.cudnn("/opt/cudnn", "8.9.7")
    tree.loader_cache([("libcudnn.so.8", "/opt/cudnn/lib/libcudnn.so.8"), ("libcuda.so.1", "/usr/lib/libcuda.so.1")])
    tree.host_config("/usr/local/cuda-13.0", gcc=15, clang=20)
    tree.gcc("13")
    tree.write("/etc/nv_tegra_release", "# R36 (release), REVISION: 4.3")
    tree.write("/proc/device-tree/model", "NVIDIA Jetson")
    tree.write("/sys/devices/system/cpu/online", "0-15\n")
    tree.write("/proc/self/mountinfo", "22 1 0:21 / / rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l\n")
    return tree


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_in_any_file_make_a_probe_raise(full_tree: MachineTree, data: st.DataObject) -> None:
    import msgspec

    paths = data.draw(st.lists(st.sampled_from(full_tree.files()), min_size=1, max_size=4, unique=True))
    before = {path: full_tree.host_path(path).read_bytes() for path in paths}
    try:
        for path in paths:
            noise = data.draw(st.binary(max_size=200))
            keep = data.draw(st.integers(0, len(before[path])))
            full_tree.write(path, data.draw(st.sampled_from([noise, before[path][:keep] + noise])))
        machine = gather_all(full_tree)
    finally:
        for path, content in before.items():
            full_tree.write(path, content)
    assert msgspec.json.decode(msgspec.json.encode(machine), type=Machine) == machine
    # The guard is the last resort; what files may hold must be understood before it.
    reasons = [s.reason for s in (machine.host, machine.pci, machine.kernel_driver) if isinstance(s, Missing)]
    sections = (
        machine.device_nodes,
        machine.libraries,
        machine.toolkits,
        machine.cuda_libraries,
        machine.compilers,
        machine.packages,
    )
    assert [*reasons, *(s.reason for s in sections if isinstance(s, Missing))] == []


@pytest.mark.parametrize("what", ["fifo", "folder", "loop", "nothing"])
def test_anything_in_place_of_a_file_is_survived(full_tree: MachineTree, what: str) -> None:
    for path in full_tree.files():
        place, aside = full_tree.host_path(path), full_tree.folder.parent / "aside"
        shutil.move(place, aside)
        try:
            if what == "fifo":
                os.mkfifo(place)
            elif what == "folder":
                place.mkdir()
            elif what == "loop":
                place.symlink_to(place.name)
            machine = gather_all(full_tree)
        finally:
            if place.is_dir() and not place.is_symlink():
                place.rmdir()
            elif place.is_symlink() or place.exists():
                place.unlink()
            shutil.move(aside, place)
        for section in (machine.host, machine.pci, machine.kernel_driver, machine.toolkits, machine.packages):
            assert not isinstance(section, Missing), (path, section)


def test_files_that_may_not_be_read_are_reasons(full_tree: MachineTree, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by chmod: the tests may run as root, who may read everything.
    def refuse(*_arguments: object, **_named: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    machine = gather_all(full_tree)
    assert isinstance(machine.host, Host)
    assert machine.host.memory_total_bytes == Missing("/proc/meminfo: Permission denied")
    assert isinstance(machine.kernel_driver, KernelDriver)
    assert machine.kernel_driver.loaded_release == Missing("/proc/driver/nvidia/version: Permission denied")
