"""Gather the CUDA libraries that programs load: all copies, in the order in which a program would come to them.

The loader finds a library by its name in LD_LIBRARY_PATH, then in its cache (Windows: PATH). Wheels and conda packages
find theirs by a path that is written into the libraries, and toolkits lie there for whoever asks; so these come last.
Folders are listed, not walked, and the toolkits are those that were found before.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.cuda_libraries import CudaLibraries, CudaLibrary
from cudadoctor.facts.toolkits import Toolkit, Toolkits
from cudadoctor.probes.distributions import installed
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.loader import DEFAULT_FOLDERS, Cache, is_loadable, variable_folders
from cudadoctor.probes.root import Root, shown
from cudadoctor.probes.toolkit_folders import own_conda, python_site_folders
from cudadoctor.probes.toolkits import LIBRARY_FOLDERS

WHEELS = "CUDA wheels"

# Library: the wheel that brings it, its folder under nvidia/ before CUDA 13.
_WHEELS = {
    "libcudnn": ("nvidia-cudnn", "cudnn"),
    "libcudart": ("nvidia-cuda-runtime", "cuda_runtime"),
    "libcublas": ("nvidia-cublas", "cublas"),
    "libcublasLt": ("nvidia-cublas", "cublas"),
    "libnvJitLink": ("nvidia-nvjitlink", "nvjitlink"),
    "libnvrtc": ("nvidia-cuda-nvrtc", "cuda_nvrtc"),
}
_SUFFIXES = ("", "-cu11", "-cu12", "-cu13")
_WHEEL_NAMES = frozenset(f"{wheel}{suffix}" for wheel, _ in _WHEELS.values() for suffix in _SUFFIXES)
_STEMS = "|".join(stem.removeprefix("lib") for stem in _WHEELS)
_NAMES = {
    "Linux": rf"lib({_STEMS})\.so\.(\d+(?:\.\d+)*)",
    "Darwin": rf"lib({_STEMS})\.(\d+(?:\.\d+)*)\.dylib",
    "Windows": rf"(?i)({_STEMS})(?:64)?_(\d+)(?:_\d+)?\.dll",
}
_BY_LOWER_CASE = {stem.removeprefix("lib").lower(): stem for stem in _WHEELS}
_LIBRARY_FOLDERS_WINDOWS = ("bin/x64", "bin")
_VERSION_OF_TOOLKIT = ("libcudart", "libnvJitLink", "libnvrtc")
_FOLDERS_OF_A_VARIABLE = 64
_CUDNN_HEADERS = ("cudnn_version.h", "cudnn_version_v9.h", "cudnn_version_v8.h")


@never_raises
def gather(
    root: Root,
    toolkits: Toolkits | Missing,
    environ: Mapping[str, str] | None = None,
    sites: Sequence[str] | None = None,
) -> CudaLibraries | Missing:
    """Gather the CUDA libraries section.

    Args:
        root: The machine's files.
        toolkits: The toolkits that were found.
        environ: The variables to go by, this process's own by default, and none for another machine's files.
        sites: Where Python packages are installed, by default everywhere that this process imports from.
    """
    variables = root.variables(environ)
    if sites is None:
        # Packages may lie in any folder of the search path: PYTHONPATH, or the system's behind a virtual environment.
        sites = _unique([*python_site_folders(), *filter(os.path.isabs, sys.path)]) if root.is_live else []
    search = _Search(root, toolkits.found if isinstance(toolkits, Toolkits) else ())
    found: dict[tuple[str, str], CudaLibrary] = {}
    for file in _all(search, variables, sites):
        found.setdefault((file.name, file.real_path), file)
    return CudaLibraries(files=tuple(found.values()), source="search path, wheels, conda, toolkits")


def _all(search: _Search, variables: Mapping[str, str], sites: Sequence[str]) -> Iterator[CudaLibrary]:
    root = search.root
    if root.system == "Linux":
        for folder in _unique(variable_folders(variables)):
            yield from search.folder(folder, "LD_LIBRARY_PATH")
        cache = Cache(root)
        for name, path in cache.named(tuple(f"{stem}.so." for stem in _WHEELS)):
            yield from search.file(path, name, "ld.so.cache")
        for folder in () if cache.is_there else DEFAULT_FOLDERS:
            yield from search.folder(folder, f"default folder {folder}")
    else:
        name = "PATH" if root.system == "Windows" else "DYLD_LIBRARY_PATH"
        for folder in _unique(variables.get(name, "").split(os.pathsep)):
            if os.path.isabs(folder):
                yield from search.folder(folder, name)
    for site in sites:
        yield from _of_wheels(search, site)
        yield from search.folder(os.path.join(site, "torch", "lib"), "torch")
    for prefix in _unique([variables.get("CONDA_PREFIX", ""), own_conda(root) or ""]):
        folder = os.path.join(prefix, "Library", "bin") if root.system == "Windows" else os.path.join(prefix, "lib")
        yield from search.folder(folder, "CONDA_PREFIX")
    for toolkit in search.toolkits:
        yield from _of_toolkit(search, toolkit)


def _of_wheels(search: _Search, site: str) -> Iterator[CudaLibrary]:
    base = os.path.join(site, "nvidia")
    names = search.root.listdir(base)
    if isinstance(names, Missing):
        return
    versions: dict[str, list[str]] = {}
    for package in installed(search.root, [site], _WHEEL_NAMES.__contains__):
        wheel = next(name for name, _ in _WHEELS.values() if re.fullmatch(rf"{name}(-cu1\d)?", package.name))
        versions.setdefault(wheel, []).append(package.version)
    wanted = {folder for _, folder in _WHEELS.values()}
    for name in names:
        if name not in wanted and not re.fullmatch(r"cu\d\d", name):
            continue
        for place in ("bin/x86_64", "bin") if search.windows else ("lib",):
            folder = os.path.join(base, name, *place.split("/"))
            yield from search.folder(folder, WHEELS, versions)


def _of_toolkit(search: _Search, toolkit: Toolkit) -> Iterator[CudaLibrary]:
    """Yield what lies in a toolkit's own folders, and its libnvvm and libdevice, which were found before."""
    if toolkit.found_via == WHEELS:
        via = WHEELS
    else:
        via = "toolkit"
        places = _LIBRARY_FOLDERS_WINDOWS if search.windows else LIBRARY_FOLDERS
        # Distributions that install toolkits into /usr have them in the loader's cache.
        for place in places if toolkit.root not in ("/usr", "/") else ():
            yield from search.folder(os.path.join(toolkit.root, *place.split("/")), via)
    for library, fact in (("libnvvm", toolkit.libnvvm), ("libdevice", toolkit.libdevice)):
        if isinstance(fact, Known):
            yield CudaLibrary(
                base_name=library,
                name=os.path.basename(fact.value),
                path=fact.value,
                real_path=shown(search.root.resolve(fact.value)),
                version=toolkit.version,
                found_via=via,
            )


class _Search:
    """One machine's folders; each is listed once."""

    def __init__(self, root: Root, toolkits: Sequence[Toolkit]) -> None:
        self.root, self.toolkits = root, toolkits
        self.windows = root.system == "Windows"
        self.pattern = re.compile(_NAMES.get(root.system or "", _NAMES["Linux"]))
        self._seen: set[str] = set()

    def folder(
        self,
        folder: str,
        found_via: str,
        wheels: Mapping[str, Sequence[str]] | None = None,
    ) -> Iterator[CudaLibrary]:
        """Yield the libraries of a folder, each file under the shortest of its names."""
        real = self.root.resolve(folder)
        if real in self._seen:
            return
        self._seen.add(real)
        names = self.root.listdir(real)
        if isinstance(names, Missing):
            return
        by_file: dict[str, str] = {}
        for name in sorted(
            (name for name in names if self.pattern.fullmatch(name)), key=lambda name: (len(name), name)
        ):
            path = os.path.join(folder, name)
            if is_loadable(self.root, path):
                by_file.setdefault(self.root.resolve(path), name)
        for name in by_file.values():
            yield from self.file(os.path.join(folder, name), name, found_via, wheels)

    def file(
        self,
        path: str,
        name: str,
        found_via: str,
        wheels: Mapping[str, Sequence[str]] | None = None,
    ) -> Iterator[CudaLibrary]:
        """Yield one file, if its name is that of a library that is looked for."""
        match = self.pattern.fullmatch(name)
        if match is None or not is_loadable(self.root, path):
            return
        library = _BY_LOWER_CASE[match[1].lower()]
        real_path = self.root.resolve(path)
        yield CudaLibrary(
            base_name=library,
            name=name,
            path=shown(path),
            real_path=shown(real_path),
            version=self._version(library, match[2], real_path, wheels),
            found_via=found_via,
        )

    def _version(
        self,
        library: str,
        number: str,
        real_path: str,
        wheels: Mapping[str, Sequence[str]] | None,
    ) -> Fact[str]:
        """Return the version that the file's own name, its wheel, cuDNN's header or the toolkit tells."""
        real = self.pattern.fullmatch(os.path.basename(real_path))
        # libcudart.so.11.0 is a name that all of CUDA 11 have; the file behind it says which.
        if real is not None and real[2].count(".") >= (2 if library == "libcudart" else 1):
            return Known(real[2], "the file's name")
        if wheels is not None:
            wheel = _WHEELS[library][0]
            major = number[:-1] if self.windows and len(number) == 3 else number.partition(".")[0]
            fitting = {version for version in wheels.get(wheel, ()) if version.partition(".")[0] == major}
            if len(fitting) == 1:
                return Known(fitting.pop(), f"version of the wheel {wheel}")
            return Missing(f"{len(fitting) or 'no'} installed wheels {wheel} are of version {major}")
        if library == "libcudnn":
            return self._cudnn_of_header(real_path)
        if library in _VERSION_OF_TOOLKIT:
            above = [kit for kit in self.toolkits if real_path.startswith(kit.root.rstrip("/\\") + os.sep)]
            if above and above[0].root != "/usr":
                return above[0].version
        return Missing("the file's name has no version in it")

    def _cudnn_of_header(self, real_path: str) -> Fact[str]:
        """Read cuDNN's header in the folder `include` beside the library's own."""
        above = os.path.dirname(os.path.dirname(real_path))
        for name in _CUDNN_HEADERS:
            path = os.path.join(above, "include", name)
            text = self.root.read(path, 1 << 16)
            if isinstance(text, Missing):
                continue
            numbers = [re.search(rf"#define CUDNN_{part}\s+(\d+)", text) for part in ("MAJOR", "MINOR", "PATCHLEVEL")]
            if all(numbers):
                return Known(".".join(match[1] for match in numbers if match), shown(path))
        return Missing("neither the file's name nor a header beside it tells a version")


def _unique(folders: Iterable[str]) -> list[str]:
    return [folder for folder in dict.fromkeys(folders) if folder][:_FOLDERS_OF_A_VARIABLE]
