"""Gather the driver's user-space libraries: all of them, in the order in which the loader would try them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.libraries import Libraries, LibraryFile
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.loader import Cache, candidates, is_loadable
from cudadoctor.probes.root import Root, shown

NOT_ON_SEARCH_PATH = "not on the search path"

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
    "/usr/lib64/nvidia",
    "/run/opengl-driver/lib",
)
_TOOLKIT_FOLDERS = ("compat", "compat/lib", "lib64/stubs", "lib/stubs", "targets/x86_64-linux/lib/stubs")
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
    return Libraries(files=tuple(files.values()))


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
        return Missing("the file is empty")
    match = _RELEASE.search(real_path.rpartition("/")[2])
    return Known(match[1], "the file's name") if match else Missing("the file's name has no release in it")
