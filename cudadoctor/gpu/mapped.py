"""Which library files this process has really loaded."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing

_RELEASE = re.compile(r"\.so\.(\d{2,4}\.\d+(?:\.\d+)*)$")

_CUDA = re.compile(r"lib(cuda|cudart|cudnn|cublas|cublasLt|nvvm|nvrtc|nvJitLink|nvptxcompiler)\.so\b")


def mapped_path(stem: str) -> Known[str] | Missing:
    """Return the real path of the mapped file whose name starts with `stem` and a dot (`libcuda`).

    Source: /proc/self/maps, so Linux only.
    """
    try:
        path = next((path for path in _mapped() if os.path.basename(path).startswith(stem + ".")), None)
    except OSError as error:
        return Missing(f"/proc/self/maps could not be read: {error.strerror}")
    return Missing(f"no file named {stem} is mapped") if path is None else Known(path, "/proc/self/maps")


def mapped_files(stems: tuple[str, ...]) -> dict[str, str]:
    """Return the real paths of mapped files of these names, by name (`libcublas`), the first of each."""
    found: dict[str, str] = {}
    for stem in stems:
        path = mapped_path(stem)
        if isinstance(path, Known):
            found[stem] = path.value
    return found


def mapped_libraries() -> tuple[str, ...]:
    """Return the real paths of all CUDA libraries that this process has mapped, in the order of the first mapping.

    Source: /proc/self/maps, so nothing elsewhere than on Linux.
    """
    try:
        return tuple(dict.fromkeys(path for path in _mapped() if _CUDA.match(os.path.basename(path))))
    except OSError:
        return ()


def _mapped() -> Iterator[str]:
    """Yield the path of each mapping that has one."""
    with open("/proc/self/maps", encoding="utf-8", errors="backslashreplace") as maps:
        for line in maps:
            fields = line.rstrip("\n").split(maxsplit=5)
            if len(fields) == 6:
                yield fields[5]


def mapped_release(path: Known[str] | Missing) -> Known[str] | Missing:
    """Return the driver release in a library's file name: `580.159.04` of `libcuda.so.580.159.04`."""
    if isinstance(path, Missing):
        return path
    match = _RELEASE.search(path.value)
    if match is None:
        return Missing(f"the file name {os.path.basename(path.value)} has no release in it")
    return Known(match.group(1), f"file name of {path.value}")
