"""Gather the host: operating system, processor, memory, Python, and what kind of machine it is."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

from cudadoctor.facts.base import Fact, Known, Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.probes import macos
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.root import Root, shown
from cudadoctor.tables.cpu_names import cpu_name

_OTHER_MACHINE = Missing("--sysroot: that of this process says nothing about that machine")
_DEVICE_TREE_MODELS = ("/proc/device-tree/model", "/sys/firmware/devicetree/base/model")
_OF_WSL = ("/run/WSL", "/proc/sys/fs/binfmt_misc/WSLInterop")
_TEGRA_RELEASE = "/etc/nv_tegra_release"
# The head of /proc/cpuinfo names the processor; the kernel makes the rest of it, core by core, only if it is read.
_CPUINFO_HEAD_BYTES = 4096
_CPUINFO_MOST_BYTES = 1 << 20


@never_raises
def gather(root: Root, environ: Mapping[str, str] | None = None) -> Host | Missing:
    """Gather the host section.

    Args:
        root: The machine's files.
        environ: The variables to go by, this process's own by default, and none for another machine's files.
    """
    variables = root.variables(environ)
    distribution, family = _distribution(root)
    kernel_release = _kernel_release(root)
    return Host(
        system=_system(root),
        kernel_release=kernel_release,
        architecture=_architecture(root),
        distribution=distribution,
        distribution_family=family,
        cpu_name=_cpu_name(root),
        cpu_count=_cpu_count(root),
        memory_total_bytes=_memory_total_bytes(root),
        python_version=_python_version(root),
        container=_container(root, variables),
        wsl=_wsl(root, kernel_release),
        jetson_model=_jetson_model(root),
    )


def _system(root: Root) -> Fact[str]:
    if root.is_live:
        return Known(root.system or sys.platform, "sys.platform")
    if root.system == "Darwin":
        return Known("Darwin", "--sysroot: a tree with the files of macOS")
    if any(root.exists(path) for path in ("/etc/os-release", "/usr/lib/os-release", "/proc/version", "/lib/modules")):
        return Known("Linux", "--sysroot: a tree with the files of a Linux system")
    return Missing("--sysroot: the tree has none of the files of a Linux system")


def _kernel_release(root: Root) -> Fact[str]:
    if root.is_live and os.name == "posix":
        return Known(os.uname().release, "uname")
    if root.is_live:
        import platform

        return Known(platform.version(), "platform.version")
    path = "/proc/sys/kernel/osrelease"
    release = root.read(path)
    if isinstance(release, str) and release:
        return Known(release, path)
    version = root.read("/proc/version")
    match = re.match(r"Linux version (\S+)", version) if isinstance(version, str) else None
    if match:
        return Known(match[1], "/proc/version")
    return release if isinstance(release, Missing) else Missing(f"{path} is empty")


def _architecture(root: Root) -> Fact[str]:
    if root.is_live:
        if os.name == "posix":
            return Known(os.uname().machine, "uname")
        import platform

        return Known(platform.machine(), "platform.machine")
    loaders = {
        "x86_64": ("/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
        "aarch64": ("/lib/ld-linux-aarch64.so.1", "/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1"),
    }
    for architecture, paths in loaders.items():
        for path in paths:
            if root.exists(path):
                return Known(architecture, path)
    return Missing("--sysroot: the tree has no program loader that tells it")


def _distribution(root: Root) -> tuple[Fact[str], Fact[str]]:
    """Return the distribution's name and the ids of its family."""
    if root.system == "Darwin":
        number = macos.version(root)
        if isinstance(number, Missing):
            return number, Known("macos", "sys.platform")
        return Known(f"macOS {number.value}", number.source), Known("macos", number.source)
    if root.system == "Windows":
        import platform

        release, version, *_ = platform.win32_ver()
        return Known(f"Windows {release} ({version})", "platform.win32_ver"), Known("windows", "platform.win32_ver")
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        text = root.read(path)
        if isinstance(text, str) and text:
            values = _os_release(text)
            pretty = values.get("PRETTY_NAME") or " ".join(
                values[key] for key in ("NAME", "VERSION") if values.get(key)
            )
            ids = " ".join(values[key] for key in ("ID", "ID_LIKE") if values.get(key))
            return (
                Known(pretty, path) if pretty else Missing(f"{path} has no name"),
                Known(ids, path) if ids else Missing(f"{path} has no ID"),
            )
    missing = Missing("there is no readable /etc/os-release")
    return missing, missing


def _os_release(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, found, value = line.strip().partition("=")
        if found and not key.startswith("#"):
            values[key] = re.sub(r"\\(.)", r"\1", value.strip().strip("\"'")).strip()
    return values


def _cpu_name(root: Root) -> Fact[str]:
    if root.system != "Linux":
        if not root.is_live:
            return _OTHER_MACHINE
        import platform

        name = platform.processor()
        return Known(name, "platform.processor") if name else Missing("the system does not tell it")
    path = "/proc/cpuinfo"
    text = root.read(path, _CPUINFO_HEAD_BYTES)
    if isinstance(text, Missing):
        return text
    # Arm kernels give the numbers of each core; the device tree names the board.
    whole = root.read(path, _CPUINFO_MOST_BYTES) if "CPU implementer" in text else text
    name = cpu_name(whole) if isinstance(whole, str) else ""
    return Known(name, path) if name else Missing(f"{path} names no model")


def _cpu_count(root: Root) -> Fact[int]:
    if root.is_live:
        count = os.cpu_count()
        return Known(count, "os.cpu_count") if count else Missing("the system does not tell it")
    path = "/sys/devices/system/cpu/online"
    text = root.read(path)
    if isinstance(text, str) and re.fullmatch(r"\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*", text):
        spans = [part.partition("-") for part in text.split(",")]
        return Known(sum(int(last or first) - int(first) + 1 for first, _, last in spans), path)
    path = "/proc/cpuinfo"
    text = root.read(path)
    if isinstance(text, Missing):
        return text
    counted = len(re.findall(r"^processor\s*:", text, re.MULTILINE))
    return Known(counted, path) if counted else Missing(f"{path} lists no processor")


def _memory_total_bytes(root: Root) -> Fact[int]:
    if root.system != "Linux":
        if not root.is_live:
            return _OTHER_MACHINE
        import psutil

        return Known(int(psutil.virtual_memory().total), "psutil.virtual_memory")
    path = "/proc/meminfo"
    text = root.read(path)
    if isinstance(text, Missing):
        return text
    match = re.search(r"^MemTotal:\s*(\d{1,15}) kB", text, re.MULTILINE)
    return Known(int(match[1]) * 1024, path) if match else Missing(f"{path} has no MemTotal")


def _python_version(root: Root) -> Fact[str]:
    if not root.is_live:
        return _OTHER_MACHINE
    version = sys.version_info
    suffix = "" if version.releaselevel == "final" else f"{version.releaselevel[0]}{version.serial}"
    return Known(f"{version.major}.{version.minor}.{version.micro}{suffix}", "sys.version_info")


def _container(root: Root, environ: Mapping[str, str]) -> Fact[str]:
    """Return the runtime's name; the marks are those that the runtimes leave themselves."""
    if root.system != "Linux":
        return Known("", f"{root.system} is not looked at")
    if "KUBERNETES_SERVICE_HOST" in environ:
        return Known("kubernetes", "KUBERNETES_SERVICE_HOST")
    for variable, name in (("APPTAINER_CONTAINER", "apptainer"), ("SINGULARITY_CONTAINER", "singularity")):
        if variable in environ:
            return Known(name, variable)
    if environ.get("container"):
        return Known(shown(environ["container"]), "the variable container")
    for path, name in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman"), ("/.singularity.d", "apptainer")):
        if root.exists(path):
            return Known(name, path)
    path = "/run/systemd/container"
    text = root.read(path, 256)
    if isinstance(text, str) and text:
        return Known(text, path)
    path = "/proc/1/cgroup"
    groups = root.read(path)
    if isinstance(groups, str):
        for pattern, name in _CGROUP_MARKS:
            if re.search(pattern, groups):
                return Known(name, path)
    path = "/proc/self/mountinfo"
    mounts = root.read(path)
    if isinstance(mounts, str):
        for mark, name in _OVERLAY_MARKS:
            if mark in _root_overlay(mounts):
                return Known(name, path)
    if isinstance(groups, Missing) and isinstance(mounts, Missing):
        return groups
    return Known("", "no mark of a container runtime")


_CGROUP_MARKS = (
    (r"[/:-]kubepods", "kubernetes"),
    (r"[/:-]docker[/-]", "docker"),
    (r"[/:-]libpod[/-]", "podman"),
    (r"[/:-]containerd|/cri-containerd", "containerd"),
    (r"/lxc[./]", "lxc"),
)
# With cgroup v2 a container sees "0::/" only, but its root is an overlay kept in the runtime's own folder.
_OVERLAY_MARKS = (("/containers/storage/", "podman"), ("/docker/", "docker"), ("/io.containerd.", "containerd"))


def _root_overlay(mounts: str) -> str:
    """Return the options of an overlay mounted at /, "" where there is none."""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        if before.split(" ")[4:5] == ["/"] and after.startswith("overlay "):
            return after
    return ""


def _wsl(root: Root, kernel_release: Fact[str]) -> Fact[bool]:
    if root.system != "Linux":
        return Known(False, "sys.platform")
    # A kernel that users build for WSL2 themselves may have any name.
    for path in _OF_WSL:
        if root.exists(path):
            return Known(True, path)
    if isinstance(kernel_release, Missing):
        return kernel_release
    text = known(kernel_release) or ""
    return Known("microsoft" in text.lower() or "wsl" in text.lower(), kernel_release.source)


def _jetson_model(root: Root) -> Fact[str]:
    for path in _DEVICE_TREE_MODELS:
        model = root.read(path, 256)
        if isinstance(model, str) and re.search(r"\b(nvidia|jetson|tegra)\b", model, re.IGNORECASE):
            return Known(model, path)
    release = root.read(_TEGRA_RELEASE, 1024)
    if isinstance(release, str):
        return Known(f"a Jetson ({release.partition(',')[0].strip('# ')})", _TEGRA_RELEASE)
    return Missing(f"this is no Jetson: no NVIDIA board in {_DEVICE_TREE_MODELS[0]}, no {_TEGRA_RELEASE}")
