"""Where a libcupti may lie: in the packages of this interpreter, in toolkits, and where the loader looks."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Mapping, Sequence

_IN_PACKAGES = ("nvidia/cu*/lib/libcupti.so.*", "nvidia/cuda_cupti/lib/libcupti.so.*")
_IN_TOOLKITS = (
    "extras/CUPTI/lib64/libcupti.so.*",
    "targets/*/lib/libcupti.so.*",
    "lib64/libcupti.so.*",
    "lib/libcupti.so.*",
)
_TOOLKITS = ("/usr/local/cuda", "/usr/local/cuda-*", "/opt/cuda", "/usr/lib/cuda")
_SYSTEM = ("/usr/lib/*-linux-gnu/libcupti.so.*", "/usr/lib64/libcupti.so.*", "/usr/lib/libcupti.so.*")
_OF_LOADER = ("libcupti.so.13", "libcupti.so.12", "libcupti.so.11.0")


def candidates(folders: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """Return paths of libcupti, each file once: what this interpreter's packages ship first.

    Args:
        folders: Where packages are imported from (`sys.path`).
        variables: The environment.
    """
    found: dict[str, str] = {}
    for path in _all(folders, variables):
        found.setdefault(os.path.realpath(path) if os.path.isabs(path) else path, path)
    return list(found.values())


def _all(folders: Sequence[str], variables: Mapping[str, str]) -> Iterator[str]:
    for folder in folders:
        if os.path.isdir(folder):
            yield from _matching(folder, _IN_PACKAGES)
    named = [variables[name] for name in ("CUDA_HOME", "CUDA_PATH", "CONDA_PREFIX") if variables.get(name)]
    own = [sys.prefix] if os.path.isdir(os.path.join(sys.prefix, "conda-meta")) else []
    for pattern in [*(glob.escape(folder) for folder in [*named, *own]), *_TOOLKITS]:
        for folder in sorted(glob.glob(pattern), reverse=True):
            yield from _matching(folder, _IN_TOOLKITS)
    for pattern in _SYSTEM:
        yield from sorted(glob.glob(pattern), reverse=True)
    yield from _OF_LOADER


def _matching(folder: str, patterns: Sequence[str]) -> Iterator[str]:
    for pattern in patterns:
        yield from sorted(glob.glob(os.path.join(glob.escape(folder), pattern)), reverse=True)
