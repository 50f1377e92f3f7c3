"""Which NVVM and NVRTC numba-cuda would load, told from files.

numba-cuda 0.30 leaves the search to cuda.pathfinder 1.9 (`load_nvidia_dynamic_lib`), whose order for each library
is: CUDA wheels in site-packages, CONDA_PREFIX, the dynamic loader, CUDA_PATH before CUDA_HOME. Each library is
searched for on its own, so NVVM and NVRTC may come from two toolkits. /usr/local/cuda is not looked at, except that
a libcudart or libnvrtc that the dynamic loader finds leads to the NVVM of its toolkit
(`ctk_root_canary_anchor_libnames` there, `_get_nvvm` in numba_cuda/numba/cuda/cuda_paths.py).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

import msgspec

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.probes.loader import Cache, candidates
from cudadoctor.probes.root import Root, shown

_ORDER = "order of cuda.pathfinder 1.9"


class Library(msgspec.Struct, frozen=True, kw_only=True):
    """How pathfinder looks for one library (its descriptor_catalog.py)."""

    name: str
    linux: tuple[str, ...]
    windows: tuple[str, ...]
    wheels_linux: tuple[str, ...]
    wheels_windows: tuple[str, ...]
    under_root_linux: tuple[str, ...] = ("lib64", "lib")
    under_root_windows: tuple[str, ...] = ("bin/x64", "bin")


NVVM = Library(
    name="libnvvm",
    linux=("libnvvm.so.4", "libnvvm.so"),
    windows=("nvvm70.dll", "nvvm64_40_0.dll", "nvvm64.dll"),
    wheels_linux=("nvidia/cu13/lib", "nvidia/cuda_nvcc/nvvm/lib64"),
    wheels_windows=("nvidia/cu13/bin/x86_64", "nvidia/cu13/bin", "nvidia/cuda_nvcc/nvvm/bin"),
    under_root_linux=("nvvm/lib64",),
    under_root_windows=("nvvm/bin/x64", "nvvm/bin"),
)
NVRTC = Library(
    name="libnvrtc",
    linux=("libnvrtc.so.13", "libnvrtc.so.12"),
    windows=("nvrtc64_130_0.dll", "nvrtc64_120_0.dll"),
    wheels_linux=("nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib"),
    wheels_windows=("nvidia/cu13/bin/x86_64", "nvidia/cu13/bin", "nvidia/cuda_nvrtc/bin"),
)
_CUDART = ("libcudart.so.13", "libcudart.so.12")


class _Search:
    """The places to search, on one machine."""

    def __init__(self, root: Root, environ: Mapping[str, str], sites: Sequence[str]) -> None:
        self.root, self.environ, self.sites = root, environ, sites
        self.windows = root.system == "Windows"
        self.cache = Cache(root)

    def find(self, library: Library) -> tuple[str, str] | None:
        """Return (path, how it was found), or None."""
        for rel_dir in library.wheels_windows if self.windows else library.wheels_linux:
            for folder in self.sites:
                path = self._named(library, os.path.join(folder, *rel_dir.split("/")))
                if path is not None:
                    return path, "CUDA wheels"
        conda = self.environ.get("CONDA_PREFIX")
        if conda:
            path = self.under(library, os.path.join(conda, "Library") if self.windows else conda)
            if path is not None:
                return path, "CONDA_PREFIX"
        path = self.by_loader(library.windows if self.windows else library.linux)
        if path is not None:
            return path, "the dynamic loader"
        for variable in ("CUDA_PATH", "CUDA_HOME"):
            if self.environ.get(variable):
                path = self.under(library, self.environ[variable])
                # The first that is set decides, whether the library is there or not.
                return None if path is None else (path, variable)
        return None

    def under(self, library: Library, folder: str) -> str | None:
        """Return the library in a toolkit's own layout."""
        for rel_dir in library.under_root_windows if self.windows else library.under_root_linux:
            path = self._named(library, os.path.join(folder, *rel_dir.split("/")))
            if path is not None:
                return path
        return None

    def by_loader(self, names: Sequence[str]) -> str | None:
        """Return what the dynamic loader would find."""
        for name in names:
            if self.windows:
                for folder in self.environ.get("PATH", "").split(os.pathsep)[:512]:
                    if folder and self.root.is_file(os.path.join(folder, name)):
                        return os.path.join(folder, name)
                continue
            for path, _ in candidates(self.root, self.environ, name, self.cache):
                return path
        return None

    def _named(self, library: Library, folder: str) -> str | None:
        for name in library.windows if self.windows else library.linux:
            path = os.path.join(folder, name)
            if self.root.is_file(path):
                return path
        return None


def choose(root: Root, environ: Mapping[str, str], sites: Sequence[str], roots: Sequence[str]) -> Fact[str]:
    """Return the root of the toolkit whose NVVM numba-cuda would load; its source names both libraries.

    Args:
        root: The machine's files.
        environ: The variables of the process that would import numba.
        sites: Its site-packages folders, in pathfinder's order.
        roots: The roots of the toolkits that were found.
    """
    search = _Search(root, environ, sites)
    nvvm, nvrtc = search.find(NVVM), search.find(NVRTC)
    if nvvm is None:
        nvvm = _beside_cudart(search) or _beside_nvrtc(search, nvrtc)
    if nvvm is None or nvrtc is None:
        seen = [f"{name} is at {shown(hit[0])}" for name, hit in (("libnvvm", nvvm), ("libnvrtc", nvrtc)) if hit]
        lacking = [name for name, hit in (("libnvvm", nvvm), ("libnvrtc", nvrtc)) if not hit]
        reason = f"numba-cuda would find no {' and no '.join(lacking)} ({_ORDER})"
        return Missing("; ".join([reason, *seen]))
    source = f"{_ORDER}: libnvvm by {nvvm[1]} at {shown(nvvm[0])}, libnvrtc by {nvrtc[1]} at {shown(nvrtc[0])}"
    return Known(_root_of(root, nvvm[0], roots), source)


def _beside_cudart(search: _Search) -> tuple[str, str] | None:
    cudart = None if search.windows else search.by_loader(_CUDART)
    if cudart is None:
        return None
    folder, name = os.path.split(os.path.dirname(cudart))
    if name not in ("lib64", "lib"):
        return None
    if os.path.basename(os.path.dirname(folder)) == "targets":
        folder = os.path.dirname(os.path.dirname(folder))
    path = search.under(NVVM, folder)
    return None if path is None else (path, "the toolkit of libcudart")


def _beside_nvrtc(search: _Search, nvrtc: tuple[str, str] | None) -> tuple[str, str] | None:
    if nvrtc is None or nvrtc[1] != "the dynamic loader":
        return None
    if search.environ.get("CUDA_HOME") or search.environ.get("CUDA_PATH"):
        return None
    folder = os.path.dirname(search.root.resolve(nvrtc[0]))
    while folder != os.path.dirname(folder):
        if search.root.is_dir(os.path.join(folder, "nvvm")):
            path = search.under(NVVM, folder)
            return None if path is None else (path, "the toolkit of libnvrtc")
        folder = os.path.dirname(folder)
    return None


def _root_of(root: Root, path: str, roots: Sequence[str]) -> str:
    """Return the longest root that the library lies under, else the folder that would be its toolkit's."""
    real_path = shown(root.resolve(path))
    for place in (shown(path), real_path):
        above = [kit for kit in roots if place.startswith(kit.rstrip("/\\") + os.sep)]
        if above:
            return max(above, key=len)
    return re.sub(r"[/\\](nvvm[/\\])?(lib64|lib|bin)([/\\]x64|[/\\]x86_64)?$", "", os.path.dirname(real_path))
