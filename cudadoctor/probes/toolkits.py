"""Gather the CUDA toolkits: every one that was found, and the one that numba-cuda would use."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.toolkits import Toolkit, Toolkits
from cudadoctor.probes.architectures import architectures
from cudadoctor.probes.distributions import installed
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.host_limits import host_limits
from cudadoctor.probes.numba_choice import choose
from cudadoctor.probes.root import Root, shown
from cudadoctor.probes.toolkit_folders import TARGETS, TOOLKIT_VARIABLES, python_site_folders, toolkit_folders
from cudadoctor.tables.reader import major_minor

_NO_FOLDER = "the folder does not exist"
"""The reason in every fact of a toolkit that a variable names but that is not there."""

_HEADER_BYTES = 1 << 18  # CUDA_VERSION stands in the first 20 kB of cuda.h
LIBRARY_FOLDERS = ("lib64", "lib", *(f"targets/{target}-linux/lib" for target in TARGETS))

# Folders in which a component may be, relative to the toolkit's root, and its file names there.
_NVVM = (
    (
        "nvvm/lib64",
        "lib",
        "lib64",
        "nvvm/lib",
        "lib/x86_64-linux-gnu",
        "lib/aarch64-linux-gnu",
        "nvvm/bin",
        "nvvm/bin/x64",
        "bin/x86_64",
        "bin",
    ),
    r"libnvvm\.so(\.\d+)*|libnvvm(\.\d+)*\.dylib|nvvm\d*(_\d+_\d+)?\.dll",
)
_LIBDEVICE = (
    ("nvvm/libdevice", "lib/nvidia-cuda-toolkit/libdevice", "Library/nvvm/libdevice"),
    r"libdevice(\.compute_\d+)?\.10\.bc",
)
_NVRTC = (
    (*LIBRARY_FOLDERS, "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "bin", "bin/x64", "bin/x86_64"),
    r"libnvrtc\.so(\.\d+)+|libnvrtc(\.\d+)*\.dylib|nvrtc64_\d+_\d+\.dll",
)
_NVJITLINK = (
    (*LIBRARY_FOLDERS, "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "bin", "bin/x64", "bin/x86_64"),
    r"libnvJitLink\.so(\.\d+)+|nvJitLink_\d+_\d+\.dll",
)

# The wheels of CUDA 12 and before have a folder each under nvidia/, those of CUDA 13 share nvidia/cu13.
_WHEELS_BEFORE_13 = {
    "nvcc": (("cuda_nvcc/bin",), r"nvcc(\.exe)?"),
    "libnvvm": (("cuda_nvcc/nvvm/lib64", "cuda_nvcc/nvvm/bin"), _NVVM[1]),
    "libdevice": (("cuda_nvcc/nvvm/libdevice",), _LIBDEVICE[1]),
    "nvrtc": (("cuda_nvrtc/lib", "cuda_nvrtc/bin"), _NVRTC[1]),
    "nvjitlink": (("nvjitlink/lib", "nvjitlink/bin"), _NVJITLINK[1]),
}
_TOOLKIT = {
    "nvcc": (("bin",), r"nvcc(\.exe)?"),
    "libnvvm": _NVVM,
    "libdevice": _LIBDEVICE,
    "nvrtc": _NVRTC,
    "nvjitlink": _NVJITLINK,
}
# The compiler's version comes first: NVVM decides which PTX the driver must understand.
_WHEELS = ("nvidia-nvvm", "nvidia-cuda-nvcc", "nvidia-cuda-nvrtc", "nvidia-nvjitlink")
Parts = Mapping[str, "tuple[tuple[str, ...], str]"]


@never_raises
def gather(
    root: Root, environ: Mapping[str, str] | None = None, site_folders: Sequence[str] | None = None
) -> Toolkits | Missing:
    """Gather the toolkits section.

    Args:
        root: The machine's files.
        environ: The variables to go by, this process's own by default, and none for another machine's files.
        site_folders: Where Python packages are installed, this process's own by default.
    """
    variables = root.variables(environ)
    sites = list(site_folders) if site_folders is not None else python_site_folders() if root.is_live else []
    by_real_path: dict[str, Toolkit] = {}
    for path, found_via in toolkit_folders(root, variables):
        real_path = root.resolve(path)
        seen = by_real_path.get(real_path)
        via = found_via if found_via == path or real_path == path else f"{found_via} ({shown(path)})"
        if seen is None:
            by_real_path[real_path] = _describe(root, real_path, via, _TOOLKIT)
        elif via not in seen.found_via.split(", "):
            by_real_path[real_path] = msgspec.structs.replace(seen, found_via=f"{seen.found_via}, {via}")
    # A variable that names no folder is a fact; a folder that was only tried and is no toolkit is not.
    found = [kit for kit in by_real_path.values() if _has_parts(kit) or kit.found_via.startswith(TOOLKIT_VARIABLES)]
    found += _of_wheels(root, sites)
    if not root.is_live and environ is None and site_folders is None:
        reason = "--sysroot: the variables and packages that decide it are not those of that machine"
        return Toolkits(found=tuple(found), selected_root=Missing(reason))
    if root.system == "Darwin":
        return Toolkits(found=tuple(found), selected_root=Missing("numba has no CUDA on macOS any more"))
    roots = [kit.root for kit in found if _has_parts(kit)]
    return Toolkits(found=tuple(found), selected_root=choose(root, variables, sites, roots))


def as_mapped(section: Toolkits | Missing, mapped: Fact[tuple[str, ...]]) -> Toolkits | Missing:
    """Return the section with the toolkit whose libnvvm a process really mapped as the selected one.

    Without such a process, or where its file lies in none of the toolkits, it stays the one that was told from files.
    """
    if isinstance(section, Missing) or isinstance(mapped, Missing):
        return section
    for path in mapped.value:
        above = [kit.root for kit in section.found if path.startswith(kit.root.rstrip("/") + "/")]
        if os.path.basename(path).startswith("libnvvm.so") and above:
            selected = Known(max(above, key=len), f"{path} in {mapped.source}")
            return msgspec.structs.replace(section, selected_root=selected)
    return section


def _of_wheels(root: Root, sites: Sequence[str]) -> Iterator[Toolkit]:
    for folder in sites:
        base = os.path.join(folder, "nvidia")
        names = root.listdir(base)
        if isinstance(names, Missing):
            continue
        versions = {d.name: d.version for d in installed(root, [folder]) if d.name.startswith("nvidia-")}
        for name in names:
            if re.fullmatch(r"cu\d\d", name):
                version = _wheel(versions, _WHEELS)
                kit = _describe(root, os.path.join(base, name), "CUDA wheels", _TOOLKIT, version)
                if _has_parts(kit):
                    yield kit
        if any(name in names for name in ("cuda_nvcc", "cuda_nvrtc", "nvjitlink")):
            version = _wheel(versions, [f"{name}-cu{major}" for major in (12, 11) for name in _WHEELS])
            kit = _describe(root, base, "CUDA wheels", _WHEELS_BEFORE_13, version)
            if _has_parts(kit):
                yield kit


def _wheel(versions: Mapping[str, str], names: Sequence[str]) -> Fact[str]:
    """Return the toolkit version of the first of these wheels that is installed."""
    for name in names:
        version = major_minor(versions.get(name, ""))
        if version is not None:
            return Known(version, f"{name} {versions[name]}")
    return Missing(f"none of the wheels {', '.join(names)} is installed")


def _describe(root: Root, folder: str, found_via: str, parts: Parts, version: Fact[str] | None = None) -> Toolkit:
    if not root.is_dir(folder):
        missing = Missing(_NO_FOLDER)
        facts: dict[str, Any] = dict.fromkeys(parts, missing)
        return Toolkit(root=shown(folder), found_via=found_via, version=missing, architectures=missing, **facts)
    facts = {name: _part(root, folder, places, pattern) for name, (places, pattern) in parts.items()}
    version = version if version is not None else _version(root, folder, facts)
    kit = Toolkit(
        root=shown(folder),
        found_via=found_via,
        version=version,
        architectures=architectures(root, folder, version),
        **facts,
    )
    return host_limits(root, folder, kit)


def _has_parts(kit: Toolkit) -> bool:
    return any(isinstance(fact, Known) for fact in (kit.nvcc, kit.libnvvm, kit.nvrtc, kit.nvjitlink))


def _part(root: Root, folder: str, places: Sequence[str], pattern: str) -> Fact[str]:
    for place in places:
        path = os.path.join(folder, *place.split("/"))
        names = root.listdir(path)
        if isinstance(names, Missing):
            continue
        matching = [name for name in names if re.fullmatch(pattern, name)]
        # The shortest is the soname's link (libnvrtc.so.13), the longest the file behind it.
        for name in sorted(matching, key=lambda name: (len(name), name)):
            if root.is_file(os.path.join(path, name)):
                return Known(shown(os.path.join(path, name)), shown(path))
    return Missing(f"it is not in {shown(folder)}")


def _version(root: Root, folder: str, parts: Mapping[str, Fact[str]]) -> Fact[str]:
    path = os.path.join(folder, "version.json")
    text = root.read(path)
    # Written by NVIDIA's installer in one way only; for one number json need not be imported.
    match = (
        re.search(r'"cuda"\s*:\s*\{[^{}]{0,500}?"version"\s*:\s*"(\d+\.\d+)', text) if isinstance(text, str) else None
    )
    if match:
        return Known(match[1], shown(path))
    path = os.path.join(folder, "version.txt")
    text = root.read(path, 4096)
    match = re.search(r"CUDA Version (\d+\.\d+)", text) if isinstance(text, str) else None
    if match:
        return Known(match[1], shown(path))
    for place in ("include", *(f"targets/{target}-linux/include" for target in TARGETS)):
        path = os.path.join(folder, *place.split("/"), "cuda.h")
        text = root.read(path, _HEADER_BYTES)
        match = re.search(r"#define CUDA_VERSION (\d{4,6})\b", text) if isinstance(text, str) else None
        if match:
            number = int(match[1])
            return Known(f"{number // 1000}.{number % 1000 // 10}", shown(path))
    nvrtc = parts["nvrtc"]
    if isinstance(nvrtc, Known):
        real_name = os.path.basename(root.resolve(nvrtc.value))
        match = re.fullmatch(r"libnvrtc\.so\.(\d+\.\d+)(\.\d+)?", real_name)
        if match:
            return Known(match[1], shown(real_name))
    match = re.fullmatch(r"(?:cuda-|CUDA-|v)(\d+\.\d+)", os.path.basename(folder))
    return Known(match[1], "the folder's name") if match else Missing("no file of the toolkit tells it")
