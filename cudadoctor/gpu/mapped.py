"""Which library file this process really loaded."""

from __future__ import annotations

import os
import re

from cudadoctor.facts.base import Known, Missing

_RELEASE = re.compile(r"\.so\.(\d{2,4}\.\d+(?:\.\d+)*)$")

_CUDA = re.compile(r"lib(cuda|cudart|cudnn|cublas|cublasLt|nvvm|nvrtc|nvJitLink|nvptxcompiler)\.so\b")


def mapped_path(stem: str) -> Known[str] | Missing:
    """Return the real path of the mapped file whose name starts with `stem` and a dot (`libcuda`).

    Source: /proc/self/maps, so Linux only.
    """
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="backslashreplace") as maps:
            for line in maps:
                fields = line.rstrip("\n").split(maxsplit=5)
                if len(fields) == 6 and os.path.basename(fields[5]).startswith(stem + "."):
                    return Known(fields[5], "/proc/self/maps")
    except OSError as error:
        return Missing(f"/proc/self/maps could not be read: {error.strerror}")
    return Missing(f"no file named {stem} is mapped")


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
    found: dict[str, None] = {}
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="backslashreplace") as maps:
            for line in maps:
                fields = line.rstrip("\n").split(maxsplit=5)
                if len(fields) == 6 and _CUDA.match(os.path.basename(fields[5])):
                    found.setdefault(fields[5])
    except OSError:
        return ()
    return tuple(found)


def mapped_release(path: Known[str] | Missing) -> Known[str] | Missing:
    """Return the driver release in a library's file name: `580.159.04` of `libcuda.so.580.159.04`."""
    if isinstance(path, Missing):
        return path
    match = _RELEASE.search(path.value)
    if match is None:
        return Missing(f"the file name {os.path.basename(path.value)} has no release in it")
    return Known(match.group(1), f"file name of {path.value}")
