"""Build the files of a machine under a folder, as `--sysroot` reads them.

`MachineTree` writes one thing at a time; the functions below it make whole machines:

    tree = laptop_with_nouveau(tmp_path)
    Root(tree.root)
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

OPEN_MODULE = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {}  Release Build  (dvs-builder@U22-I3-AE18-33-2)\n"
)
PROPRIETARY_MODULE = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Sun May 12 19:39:15 UTC 2024\n"
COMPILER = "GCC version:  gcc version 13.3.0 (Ubuntu 13.3.0-6ubuntu2~24.04)\n"


class Port(NamedTuple):
    """One PCI port or device with a link: speeds as sysfs writes them, widths in lanes."""

    address: str
    speed: str
    width: int
    max_speed: str
    max_width: int


class MachineTree:
    """A folder that is filled with the files of a machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = str(folder)
        folder.mkdir(parents=True, exist_ok=True)

    def host_path(self, path: str) -> Path:
        return self.folder / path.lstrip("/")

    def write(self, path: str, content: str | bytes = "") -> None:
        place = self.host_path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)

    def link(self, path: str, target: str) -> None:
        place = self.host_path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)

    def files(self) -> list[str]:
        """Return the paths of all regular files in the tree."""
        return sorted(
            "/" + os.path.relpath(os.path.join(folder, name), self.root)
            for folder, _, names in os.walk(self.root)
            for name in names
            if not os.path.islink(os.path.join(folder, name))
        )

    def linux(self, kernel: str, *, os_release: str, cpu: str = "Intel(R) Xeon(R)", cpus: int = 4) -> None:
        self.write("/proc/sys/kernel/osrelease", kernel + "\n")
        self.write("/etc/os-release", os_release)
        self.write("/proc/cpuinfo", "".join(f"processor\t: {i}\nmodel name\t: {cpu}\n\n" for i in range(cpus)))
        self.write("/proc/meminfo", "MemTotal:       16303428 kB\nMemFree:          201232 kB\n")
        self.write("/proc/1/cgroup", "0::/init.scope\n")
        self.write("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
        self.write("/etc/group", "root:x:0:\nvideo:x:44:\n")
        for folder in ("sys/module", "sys/bus/pci/devices", "dev", "usr/lib", f"usr/lib/modules/{kernel}"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        if not self.host_path("/lib").exists():
            self.link("/lib", "usr/lib")

    def pci_device(
        self,
        chain: Sequence[Port],
        *,
        device_id: str,
        driver: str | None,
        vendor: str = "10de",
        class_code: str = "030000",
        power_state: str = "D0",
        numa_node: int = -1,
    ) -> None:
        """Write a device behind its ports; the chain begins at the root port and ends at the device."""
        folder = "/sys/devices/pci" + chain[0].address[:7]
        for port in chain:
            folder = f"{folder}/{port.address}"
            self.write(f"{folder}/current_link_speed", port.speed + "\n")
            self.write(f"{folder}/current_link_width", f"{port.width}\n")
            self.write(f"{folder}/max_link_speed", port.max_speed + "\n")
            self.write(f"{folder}/max_link_width", f"{port.max_width}\n")
            if not self.host_path(f"{folder}/vendor").exists():
                self.write(f"{folder}/vendor", "0x8086\n")
                self.write(f"{folder}/class", "0x060400\n")
        self.write(f"{folder}/vendor", f"0x{vendor}\n")
        self.write(f"{folder}/device", f"0x{device_id}\n")
        self.write(f"{folder}/class", f"0x{class_code}\n")
        self.write(f"{folder}/power_state", power_state + "\n")
        self.write(f"{folder}/numa_node", f"{numa_node}\n")
        if driver is not None:
            (self.folder / "sys/bus/pci/drivers" / driver).mkdir(parents=True, exist_ok=True)
            self.link(f"{folder}/driver", _up(folder) + f"bus/pci/drivers/{driver}")
        self.link(f"/sys/bus/pci/devices/{chain[-1].address}", "../../.." + folder.removeprefix("/sys"))

    def loaded_module(self, release: str, *, flavour: str = "open") -> None:
        line = OPEN_MODULE if flavour == "open" else PROPRIETARY_MODULE
        self.write("/proc/driver/nvidia/version", line.format(release) + COMPILER)
        self.write("/sys/module/nvidia/version", release + "\n")

    def elf_library(self, path: str, *, machine: int = 62, bits: int = 64) -> None:
        """Write the head of an ELF library (machine 62 is x86-64, 183 aarch64)."""
        head = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1, 1]) + bytes(9) + struct.pack("<HH", 3, machine)
        self.write(path, head + bytes(44))

    def driver_libraries(self, release: str, folder: str = "/usr/lib/x86_64-linux-gnu") -> None:
        for name in ("libcuda.so", "libnvidia-ml.so"):
            self.elf_library(f"{folder}/{name}.{release}")
            self.link(f"{folder}/{name}.1", f"{name}.{release}")
            self.link(f"{folder}/{name}", f"{name}.1")

    def loader_cache(self, entries: Sequence[tuple[str, str]], *, flags: int = 0x0303, old_entries: int = 0) -> None:
        """Write /etc/ld.so.cache with (soname, path), behind `old_entries` entries of the older format if any."""
        strings = b""
        offsets = []
        base = 48 + 24 * len(entries)
        for soname, path in entries:
            offsets.append((base + len(strings), base + len(strings) + len(soname) + 1))
            strings += soname.encode() + b"\0" + path.encode() + b"\0"
        new = b"glibc-ld.so.cache1.1" + struct.pack("<II", len(entries), len(strings)) + bytes(20)
        new += b"".join(struct.pack("<iIIIQ", flags, name, path, 0, 0) for name, path in offsets) + strings
        old = b""
        if old_entries:
            old = b"ld.so-1.7.0\0" + struct.pack("<I", old_entries) + bytes(12 * old_entries)
            old += bytes(-len(old) % 8)
        self.write("/etc/ld.so.cache", old + new)

    def toolkit(self, folder: str, version: str) -> None:
        """Write a toolkit as NVIDIA's installer lays it out."""
        major = version.partition(".")[0]
        self.write(
            f"{folder}/version.json", f'{{\n "cuda" : {{\n  "name" : "CUDA SDK",\n  "version" : "{version}"\n }}\n}}'
        )
        self.write(f"{folder}/bin/nvcc", b"\x7fELF")
        self.elf_library(f"{folder}/nvvm/lib64/libnvvm.so.4.0.0")
        self.link(f"{folder}/nvvm/lib64/libnvvm.so.4", "libnvvm.so.4.0.0")
        self.write(f"{folder}/nvvm/libdevice/libdevice.10.bc", b"BC")
        self.link(f"{folder}/lib64", "targets/x86_64-linux/lib")
        for name in ("libnvrtc", "libnvJitLink", "libcudart"):
            self.elf_library(f"{folder}/targets/x86_64-linux/lib/{name}.so.{version}")
            self.link(f"{folder}/targets/x86_64-linux/lib/{name}.so.{major}", f"{name}.so.{version}")

    def library(self, folder: str, name: str, version: str) -> None:
        """Write a library and the link that programs ask for: `libcudnn.so.8` to `libcudnn.so.8.9.7`."""
        real = f"{name.partition('.so')[0]}.so.{version}"
        self.elf_library(f"{folder}/{real}")
        if real != name:
            self.link(f"{folder}/{name}", real)

    def cudnn(self, folder: str, version: str) -> None:
        """Write cuDNN as its archive lays it out."""
        self.library(f"{folder}/lib", f"libcudnn.so.{version.partition('.')[0]}", version)
        numbers = zip(("MAJOR", "MINOR", "PATCHLEVEL"), version.split("."), strict=True)
        header = "".join(f"#define CUDNN_{part} {number}\n" for part, number in numbers)
        self.write(f"{folder}/include/cudnn_version.h", header)

    def host_config(self, toolkit: str, *, gcc: int, clang: int, msvc: int = 1950) -> None:
        """Write the header in which a toolkit says which host compilers it takes, as far as it is read."""
        self.write(
            f"{toolkit}/include/crt/host_config.h",
            f"#if defined(__GNUC__)\n\n#if __GNUC__ > {gcc}\n\n#error -- unsupported GNU version! ...\n\n"
            f"#endif /* __GNUC__ > {gcc} */\n\n#if defined(__HORIZON__)\n#if (__clang_major__ >= 3) || (0)\n"
            "#error -- unsupported HOS clang version!\n#endif\n#endif\n"
            f"#if (__clang_major__ >= {clang}) || (__clang_major__ < 3) || ((__clang_major__ == 3))\n"
            "#error -- unsupported clang version! ...\n#endif\n#endif\n#if defined(_WIN32)\n"
            f"#if _MSC_VER < 1910 || _MSC_VER >= {msvc}\n#error -- unsupported\n",
        )

    def gcc(self, major: str, *, usual: bool = True) -> None:
        """Write gcc and g++ of a major version as Debian does; `usual` makes them the one named gcc."""
        for name in ("gcc", "g++"):
            self.write(f"/usr/bin/x86_64-linux-gnu-{name}-{major}", b"\x7fELF")
            self.link(f"/usr/bin/{name}-{major}", f"x86_64-linux-gnu-{name}-{major}")
            if usual:
                self.link(f"/usr/bin/{name}", f"{name}-{major}")
        self.write(f"/usr/lib/gcc/x86_64-linux-gnu/{major}/cc1plus", b"\x7fELF")

    def distribution(self, site: str, name: str, version: str, requires: Sequence[str] = ()) -> None:
        """Write the metadata of an installed Python package."""
        headers = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
        headers += [f"Requires-Dist: {requirement}" for requirement in requires]
        text = "\n".join(headers) + "\n\nRequires-Dist: numpy<1 is what a description may say\n"
        self.write(f"{site}/{name.replace('-', '_')}-{version}.dist-info/METADATA", text)

    def wheels_cu13(self, site: str, version: str = "13.0.88") -> None:
        for name in ("nvidia-nvvm", "nvidia-cuda-nvrtc", "nvidia-nvjitlink"):
            self.distribution(site, name, version)
        self.elf_library(f"{site}/nvidia/cu13/lib/libnvvm.so.4")
        self.elf_library(f"{site}/nvidia/cu13/lib/libnvrtc.so.13")
        self.elf_library(f"{site}/nvidia/cu13/lib/libnvJitLink.so.13")
        self.write(f"{site}/nvidia/cu13/nvvm/libdevice/libdevice.10.bc", b"BC")

    def wheels_cu12(self, site: str, version: str = "12.9.86") -> None:
        for name in ("nvidia-cuda-nvcc-cu12", "nvidia-cuda-nvrtc-cu12", "nvidia-nvjitlink-cu12"):
            self.distribution(site, name, version)
        self.elf_library(f"{site}/nvidia/cuda_nvcc/nvvm/lib64/libnvvm.so")
        self.write(f"{site}/nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc", b"BC")
        self.elf_library(f"{site}/nvidia/cuda_nvrtc/lib/libnvrtc.so.12")
        self.elf_library(f"{site}/nvidia/nvjitlink/lib/libnvJitLink.so.12")


def _up(folder: str) -> str:
    """Return the `../` that lead from a folder under /sys to /sys."""
    return "../" * (folder.count("/") - 1)


UBUNTU = 'PRETTY_NAME="Ubuntu 24.04.2 LTS"\nNAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n'
FEDORA = 'NAME="Fedora Linux"\nVERSION="42 (Workstation Edition)"\nID=fedora\n'


def laptop_with_nouveau(folder: Path) -> MachineTree:
    """A laptop with a GeForce GT 750M that nouveau holds; no NVIDIA driver."""
    tree = MachineTree(folder)
    tree.linux("6.8.0-60-generic", os_release=UBUNTU, cpu="Intel(R) Core(TM) i7-4700MQ CPU @ 2.40GHz", cpus=8)
    tree.pci_device(
        [
            Port("0000:00:01.0", "2.5 GT/s PCIe", 16, "8.0 GT/s PCIe", 16),
            Port("0000:01:00.0", "2.5 GT/s PCIe", 16, "8.0 GT/s PCIe", 16),
        ],
        device_id="0fe4",
        driver="nouveau",
        class_code="030200",
    )
    tree.write("/sys/module/nouveau/refcnt", "4\n")
    return tree


def server_with_narrow_uplink(folder: Path) -> MachineTree:
    """A server whose H100 has Gen5 x16 to its switch, and the switch Gen4 x8 to the processor."""
    tree = MachineTree(folder)
    tree.linux("6.8.0-60-generic", os_release=UBUNTU, cpu="AMD EPYC 9554 64-Core Processor", cpus=16)
    tree.pci_device(
        [
            Port("0000:00:01.1", "16.0 GT/s PCIe", 8, "32.0 GT/s PCIe", 16),
            Port("0000:01:00.0", "16.0 GT/s PCIe", 8, "32.0 GT/s PCIe", 16),
            Port("0000:02:00.0", "32.0 GT/s PCIe", 16, "32.0 GT/s PCIe", 16),
            Port("0000:03:00.0", "32.0 GT/s PCIe", 16, "32.0 GT/s PCIe", 16),
        ],
        device_id="2331",
        driver="nvidia",
        class_code="030200",
        numa_node=0,
    )
    tree.loaded_module("580.159.04")
    tree.driver_libraries("580.159.04")
    libraries = "/usr/lib/x86_64-linux-gnu"
    tree.loader_cache([(name, f"{libraries}/{name}") for name in ("libnvidia-ml.so.1", "libcuda.so.1", "libcuda.so")])
    tree.write("/usr/lib/modules/6.8.0-60-generic/updates/dkms/nvidia.ko.zst", b"\x28\xb5\x2f\xfd")
    tree.write("/usr/lib/modules/6.8.0-60-generic/modules.dep", "updates/dkms/nvidia.ko.zst:\n")
    tree.write(
        "/var/lib/dpkg/status",
        "Package: libc6\nStatus: install ok installed\nVersion: 2.39-0ubuntu8\n\n"
        "Package: libnvidia-compute-580\nStatus: install ok installed\nVersion: 580.159.04-0ubuntu0.24.04.1\n\n",
    )
    tree.toolkit("/usr/local/cuda-13.0", "13.0.88")
    tree.link("/usr/local/cuda", "/etc/alternatives/cuda")
    tree.link("/etc/alternatives/cuda", "/usr/local/cuda-13.0")
    for name in ("nvidiactl", "nvidia0", "nvidia-uvm"):
        tree.write(f"/dev/{name}")
    return tree


def machine_without_card(folder: Path) -> MachineTree:
    """A machine with an Intel display controller and no NVIDIA device."""
    tree = MachineTree(folder)
    tree.linux("6.14.0-63.fc42.x86_64", os_release=FEDORA)
    tree.pci_device([Port("0000:00:02.0", "Unknown", 0, "Unknown", 0)], device_id="9a49", driver="i915", vendor="8086")
    return tree


def wsl2(folder: Path) -> MachineTree:
    """Ubuntu in WSL2: no NVIDIA device on PCI, the driver's libraries come from Windows."""
    tree = MachineTree(folder)
    tree.linux("5.15.167.4-microsoft-standard-WSL2", os_release=UBUNTU)
    for name in ("libcuda.so.1.1", "libnvidia-ml.so.1"):
        tree.elf_library(f"/usr/lib/wsl/lib/{name}")
    tree.link("/usr/lib/wsl/lib/libcuda.so.1", "libcuda.so.1.1")
    tree.loader_cache([(name, f"/usr/lib/wsl/lib/{name}") for name in ("libnvidia-ml.so.1", "libcuda.so.1")])
    tree.write("/dev/dxg")
    return tree


def jetson(folder: Path) -> MachineTree:
    """A Jetson Orin with JetPack 6."""
    tree = MachineTree(folder)
    tree.linux("5.15.148-tegra", os_release=UBUNTU)
    tree.write("/proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 62.50\nCPU implementer\t: 0x41\n\n")
    tree.write("/proc/device-tree/model", b"NVIDIA Jetson AGX Orin Developer Kit\0")
    tree.write("/etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\n")
    tree.write(
        "/proc/driver/nvidia/version",
        "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release Build  (buildbrain@mobile-u64)\n",
    )
    (folder / "sys/module/nvidia").mkdir()
    tree.write("/usr/lib/modules/5.15.148-tegra/updates/opensrc-disp/nvidia.ko", b"\x7fELF")
    nvidia = "/usr/lib/aarch64-linux-gnu/nvidia"
    tree.elf_library(f"{nvidia}/libcuda.so.1.1", machine=183)
    tree.link(f"{nvidia}/libcuda.so.1", "libcuda.so.1.1")
    tree.loader_cache([("libcuda.so.1", f"{nvidia}/libcuda.so.1")], flags=0x0A03)
    return tree


MACHINES = (laptop_with_nouveau, server_with_narrow_uplink, machine_without_card, wsl2, jetson)
