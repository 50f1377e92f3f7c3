"""Gather the NVIDIA kernel module: loaded or not, of which release, and which module files are on the disk."""

from __future__ import annotations

import re

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.kernel_driver import KernelDriver, ModuleFile
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.root import Root, shown

_MODULE = "/sys/module/nvidia"
_VERSION = "/proc/driver/nvidia/version"
_PARAMETERS = "/proc/driver/nvidia/params"
_WANTED = frozenset(
    {
        "ModifyDeviceFiles",
        "DeviceFileUID",
        "DeviceFileGID",
        "DeviceFileMode",
        "EnableGpuFirmware",
        "PreserveVideoMemoryAllocations",
        "DynamicPowerManagement",
        "OpenRmEnableUnsupportedGpus",
        "RmProfilingAdminOnly",
    }
)
_DPKG_STATUS = "/var/lib/dpkg/status"
_PACMAN = "/var/lib/pacman/local"
_SOURCES = "/usr/src"
# dpkg's status file of a full desktop has 5 to 10 MB, modules.dep of a distribution kernel under 1 MB.
_LARGE_FILE_BYTES = 32 << 20
_MAX_KERNELS = 64

_RELEASE = re.compile(r"(?<![\w.])(\d{2,4}\.\d{1,4}(?:\.\d{1,4})*)(?![\w.])")
# Debian renames what it builds, so that several branches fit on one disk: nvidia-current, nvidia-current-open,
# nvidia-tesla-470, nvidia-legacy-390xx; modprobe's configuration leads from nvidia to one of them.
_NAMES = r"nvidia(?:-(?:current(?:-open)?|tesla(?:-\d{3})?(?:-open)?|legacy-\d{3}xx))?"
_MODULE_FILE = re.compile(rf"{_NAMES}\.ko(\.(xz|zst|gz))?")

# Where installers put nvidia.ko under /lib/modules/<kernel>: DKMS, the .run file, distribution packages, L4T.
# modules.dep is asked first; this is for a kernel where depmod did not run.
_MODULE_FOLDERS = (
    "updates/dkms",
    "updates",
    "updates/cuda",
    "updates/opensrc-disp",
    "extra",
    "extra/nvidia",
    "extra/drivers/video/nvidia",
    "extra/opensrc-disp",
    "weak-updates",
    "weak-updates/nvidia",
    "weak-updates/updates",
    "extramodules",
    "kernel/drivers/video",
    "kernel/drivers/video/nvidia",
    "video",
    "misc",
)


@never_raises
def gather(root: Root) -> KernelDriver | Missing:
    """Gather the kernel driver section."""
    if root.system != "Linux":
        return Missing(f"the driver of {root.system} is not under /sys/module")
    return KernelDriver(
        loaded=_loaded(root),
        loaded_release=_loaded_release(root),
        flavour=_flavour(root),
        module_files=_module_files(root),
        package_release=_package_release(root),
        parameters=_parameters(root),
    )


def _parameters(root: Root) -> Fact[tuple[str, ...]]:
    """Read the options that the loaded module runs with; of the many, those that a rule or a reader asks for."""
    text = root.read(_PARAMETERS, 1 << 14)
    if isinstance(text, Missing):
        return text
    found = (re.fullmatch(r"(\w{1,64}): (\d{1,12})", line.strip()) for line in text.splitlines())
    return Known(tuple(match[0] for match in found if match and match[1] in _WANTED), _PARAMETERS)


def _loaded(root: Root) -> Fact[bool]:
    if root.exists(_MODULE):
        return Known(True, _MODULE)
    if root.exists(_VERSION):
        return Known(True, _VERSION)
    names = root.listdir("/sys/module")
    return names if isinstance(names, Missing) else Known(False, f"there is no {_MODULE}")


def _version_line(root: Root) -> str | Missing:
    """Return the line that names the module; the others in that file name the compiler, with a version of its own."""
    text = root.read(_VERSION, 4096)
    if isinstance(text, Missing):
        return text
    for line in text.splitlines():
        if line.startswith("NVRM version:"):
            return line
    return Missing(f"{_VERSION} has no line 'NVRM version:'")


def _loaded_release(root: Root) -> Fact[str]:
    line = _version_line(root)
    match = None if isinstance(line, Missing) else _RELEASE.search(line)
    if match:
        return Known(match[1], _VERSION)
    path = f"{_MODULE}/version"
    text = root.read(path, 256)
    if isinstance(text, str) and _RELEASE.fullmatch(text):
        return Known(text, path)
    if isinstance(line, Missing):
        return line
    return Missing(f"{_VERSION} names no release")


def _flavour(root: Root) -> Fact[str]:
    line = _version_line(root)
    if isinstance(line, str) and "Kernel Module" in line:
        return Known("open" if "Open Kernel Module" in line else "proprietary", _VERSION)
    path = f"{_MODULE}/taint"
    taint = root.read(path, 64)
    if isinstance(taint, str):
        # The kernel marks itself with P where a module's licence is not a free one.
        return Known("proprietary" if "P" in taint else "open", path)
    return line if isinstance(line, Missing) else Missing(f"{_VERSION} does not say")


def _module_files(root: Root) -> tuple[ModuleFile, ...]:
    files: dict[str, ModuleFile] = {}
    for base in ("/lib/modules", "/usr/lib/modules"):
        kernels = root.listdir(base)
        if isinstance(kernels, Missing):
            continue
        for kernel in kernels[-_MAX_KERNELS:]:
            for path in _of_kernel(root, f"{base}/{kernel}"):
                files.setdefault(root.resolve(path), ModuleFile(kernel_release=shown(kernel), path=shown(path)))
    return tuple(files.values())


def _of_kernel(root: Root, folder: str) -> list[str]:
    found = _from_modules_dep(root, folder)
    if found:
        return found
    places = list(_MODULE_FOLDERS)
    # Ubuntu's signed modules are in a folder that carries the branch: kernel/nvidia-580/nvidia.ko.
    names = root.listdir(f"{folder}/kernel")
    if not isinstance(names, Missing):
        places += [f"kernel/{name}" for name in names if name.startswith("nvidia")][:16]
    found = []
    for place in places:
        files = root.listdir(f"{folder}/{place}")
        for name in () if isinstance(files, Missing) else files:
            if _MODULE_FILE.fullmatch(name) and root.is_file(f"{folder}/{place}/{name}"):
                found.append(f"{folder}/{place}/{name}")
    return found


def _from_modules_dep(root: Root, folder: str) -> list[str]:
    """Return the files of the module nvidia that modprobe knows of and that are really there."""
    table = root.read_bytes(f"{folder}/modules.dep", _LARGE_FILE_BYTES)
    if isinstance(table, Missing):
        return []
    found: list[str] = []
    position = table.find(b"/nvidia")
    while position >= 0 and len(found) < 8:
        start = table.rfind(b"\n", 0, position) + 1
        end = table.find(b"\n", position)
        # What a module depends on stands after the colon.
        name, colon, _ = table[start : len(table) if end < 0 else end].partition(b":")
        if colon and len(name) < 4096:
            relative = name.decode("utf-8", "surrogateescape")
            path = relative if relative.startswith("/") else f"{folder}/{relative}"
            if _MODULE_FILE.fullmatch(path.rpartition("/")[2]) and root.is_file(path):
                found.append(path)
        position = -1 if end < 0 else table.find(b"/nvidia", end)
    return found


def _package_release(root: Root) -> Fact[str]:
    """Return the newest release among the installed driver packages, as far as a file read tells it."""
    for ask in (_from_dpkg, _from_pacman, _from_sources):
        release = ask(root)
        if release is not None:
            return release
    return Missing(f"no driver package in {_DPKG_STATUS} or {_PACMAN}, no /usr/src/nvidia-<release>; rpm is not asked")


def _newest(releases: list[tuple[str, str]]) -> Known[str] | None:
    """Return the highest of (release, source)."""
    best = max(releases, key=lambda pair: tuple(int(part) for part in pair[0].split(".")), default=None)
    return None if best is None else Known(best[0], best[1])


def _from_dpkg(root: Root) -> Known[str] | None:
    status = root.read_bytes(_DPKG_STATUS, _LARGE_FILE_BYTES)
    if isinstance(status, Missing):
        return None
    found: list[tuple[str, str]] = []
    # libnvidia-compute-580 holds libcuda.so.1 on Ubuntu and in NVIDIA's own repository, libcuda1 on Debian.
    for prefix in (b"libnvidia-compute-", b"libcuda1\n", b"nvidia-driver-cuda\n"):
        position = status.find(b"Package: " + prefix)
        while position >= 0 and len(found) < 64:
            end = status.find(b"\n\n", position)
            paragraph = status[position : min(position + 16384, len(status) if end < 0 else end)].decode(
                "utf-8", "replace"
            )
            name = paragraph.partition("\n")[0].removeprefix("Package: ")
            version = re.search(r"^Version: (?:\d+:)?(\d{2,4}(?:\.\d{1,4})+)", paragraph, re.MULTILINE)
            starts_a_line = position == 0 or status[position - 1 : position] == b"\n"
            if starts_a_line and version and re.search(r"^Status: \S+ \S+ installed$", paragraph, re.MULTILINE):
                found.append((version[1], f"{_DPKG_STATUS}: {name}"))
            position = status.find(b"Package: " + prefix, position + 1)
    return _newest(found)


def _from_pacman(root: Root) -> Known[str] | None:
    names = root.listdir(_PACMAN)
    if isinstance(names, Missing):
        return None
    matches = (
        re.fullmatch(r"(nvidia(?:-\d+xx)?-utils)-(?:\d+:)?(\d{2,4}(?:\.\d{1,4})+)-[\w.]+", name) for name in names
    )
    return _newest([(match[2], f"{_PACMAN}: {match[1]}") for match in matches if match])


def _from_sources(root: Root) -> Known[str] | None:
    """Read the folder names of DKMS sources: nvidia-580.159.04, nvidia-open-580.159.04, nvidia-current-535.183.01."""
    names = root.listdir(_SOURCES)
    if isinstance(names, Missing):
        return None
    matches = (re.fullmatch(r"nvidia-(?:[a-z]\w*-){0,3}(\d{2,4}(?:\.\d{1,4})+)", name) for name in names)
    return _newest([(match[1], f"{_SOURCES}/{match[0]}") for match in matches if match])
