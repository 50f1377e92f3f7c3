"""Gather the driver's user-space libraries: all of them, in the order in which the loader would try them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.libraries import EMPTY_FILE, NOT_ON_SEARCH_PATH, Libraries, LibraryFile, NamedLibrary, NamedState
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.loader import Cache, candidates, is_loadable
from cudadoctor.probes.root import Root, shown
from cudadoctor.probes.toolkit_folders import TARGETS

_SONAMES = ("libcuda.so.1", "libnvidia-ml.so.1")
# numba-cuda asks for "libcuda.so" before "libcuda.so.1", so a toolkit's stub of that name on the path is loaded.
_LINKER_NAME = "libcuda.so"

# Where the libraries are on machines whose loader does not look there: WSL, containers, toolkits, Jetson, NixOS.
_OTHER_FOLDERS = (
    "/usr/lib/wsl/lib",
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu/nvidia/current",
    "/usr/lib64/nvidia",
    "/run/opengl-driver/lib",
)
_TOOLKIT_FOLDERS = (
    "compat",
    "compat/lib",
    "lib64/stubs",
    "lib/stubs",
    *(f"targets/{target}-linux/lib/stubs" for target in TARGETS),
)
_DRIVER_VARIABLES = ("NUMBA_CUDA_DRIVER", "NUMBAPRO_CUDA_DRIVER")
_LIBCUDA = re.compile(r"libcuda\.so")
# libcuda.so.1.1 of WSL and Jetson carries no release; releases began far above 10.
_RELEASE = re.compile(r"\.so\.(\d{2,4}\.\d{1,4}(?:\.\d{1,4})*)")


@never_raises
def gather(root: Root, environ: Mapping[str, str] | None = None) -> Libraries | Missing:
    """Gather the libraries section.

    Args:
        root: The machine's files.
        environ: The variables to go by, this process's own by default, and none for another machine's files.
    """
    if root.system != "Linux":
        return Missing(f"the loader of {root.system} is not looked at")
    variables = root.variables(environ)
    files: dict[tuple[str, str], LibraryFile] = {}
    for soname, path, found_via in _all(root, variables):
        real_path = root.resolve(path)
        # The name for linkers is usually a link to the same file, which then says nothing new.
        if soname == _LINKER_NAME and (_SONAMES[0], real_path) in files:
            continue
        if (soname, real_path) not in files:
            files[soname, real_path] = LibraryFile(
                soname=soname,
                path=shown(path),
                real_path=shown(real_path),
                release=_release(root, real_path),
                found_via=found_via,
            )
    named: tuple[NamedLibrary, ...] | Missing = tuple(_named(root, variables))
    if not root.is_live and environ is None:
        named = Missing("--sysroot: the variables of this process are not those of that machine")
    return Libraries(files=tuple(files.values()), named=named)


def _named(root: Root, environ: Mapping[str, str]) -> Iterator[NamedLibrary]:
    for name in _DRIVER_VARIABLES:
        if environ.get(name):
            path = environ[name]
            yield NamedLibrary(variable=name, path=shown(path), state=_state(root, path))


def _state(root: Root, path: str) -> NamedState:
    """Say what is at the path that a variable names as libcuda."""
    if path == "0":
        return "switched off"
    path = os.path.abspath(path)
    if not root.is_file(path):
        return "missing"
    head = root.read_bytes(path, 20)
    if isinstance(head, bytes) and not head:
        return "empty"
    if isinstance(head, bytes) and head[:4] != b"\x7fELF":
        return "no library"
    if not is_loadable(root, path):
        return "of another architecture"
    real_path = root.resolve(path)
    if any("stubs" in place.split("/") for place in (path, real_path)):
        return "a stub"
    named = any(_LIBCUDA.match(os.path.basename(place)) for place in (path, real_path))
    return "a driver library" if named else "another library"


def _all(root: Root, environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    cache = Cache(root)
    for soname in (*_SONAMES, _LINKER_NAME):
        for path, found_via in candidates(root, environ, soname, cache):
            yield soname, path, found_via
    for folder in _folders_off_the_path(root):
        for soname in (*_SONAMES, _LINKER_NAME):
            path = f"{folder}/{soname}"
            if is_loadable(root, path):
                yield soname, path, NOT_ON_SEARCH_PATH


def _folders_off_the_path(root: Root) -> list[str]:
    names = root.listdir("/usr/local")
    toolkits = [f"/usr/local/{name}" for name in names if name.startswith("cuda")] if isinstance(names, list) else []
    return [
        *_OTHER_FOLDERS,
        *(f"{kit}/{folder}" for kit in [*toolkits[:32], "/opt/cuda"] for folder in _TOOLKIT_FOLDERS),
    ]


def _release(root: Root, real_path: str) -> Fact[str]:
    found = root.stat(real_path)
    if not isinstance(found, Missing) and found.st_size == 0:
        return Missing(EMPTY_FILE)
    match = _RELEASE.search(real_path.rpartition("/")[2])
    return Known(match[1], "the file's name") if match else Missing("the file's name has no release in it")
