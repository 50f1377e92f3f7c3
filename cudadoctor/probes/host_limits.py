"""The newest host compilers that a toolkit's nvcc takes, read from its own header, else from a table."""

from __future__ import annotations

import os
import re

import msgspec

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.toolkits import Toolkit
from cudadoctor.probes.root import Root, shown
from cudadoctor.probes.toolkit_folders import TARGETS
from cudadoctor.tables import TABLE_DATE
from cudadoctor.tables import builds as tables

_HEADERS = (
    "include/crt/host_config.h",
    *(f"targets/{target}-linux/include/crt/host_config.h" for target in TARGETS),
    "cuda_nvcc/include/crt/host_config.h",  # wheels of CUDA 12 and before
    "include/host_config.h",  # before CUDA 9
)
_HEADER_BYTES = 1 << 16
_GCC = re.compile(r"#\s*if[^\n]*\b__GNUC__\s*>\s*(\d{1,3})\b")
# Other vendors' clang has conditions of its own, each before an #error that says so.
_CLANG = re.compile(r"#\s*if[^\n]*\b__clang_major__\s*>=\s*(\d{1,3})\b[^\n]*\n\s*#error -- unsupported clang version")
_MSVC = re.compile(r"#\s*if[^\n]*\b_MSC_VER\s*>=\s*(\d{4})\b")


def host_limits(root: Root, folder: str, toolkit: Toolkit) -> Toolkit:
    """Return the toolkit with the limits of its host compilers."""
    if isinstance(toolkit.nvcc, Missing):
        return _untold(toolkit, "there is no nvcc in it")
    for name in _HEADERS:
        path = os.path.join(folder, *name.split("/"))
        text = root.read(path, _HEADER_BYTES)
        if isinstance(text, Missing) or "__GNUC__" not in text:
            continue
        source = shown(path)
        return msgspec.structs.replace(
            toolkit,
            gcc_newest=_number(_GCC, text, 0, source),
            clang_newest=_number(_CLANG, text, 1, source),
            msvc_newest=_number(_MSVC, text, 1, source),
        )
    version = toolkit.version
    row = tables.host_limits(version.value) if isinstance(version, Known) else None
    if row is None:
        return _untold(toolkit, f"it has no host_config.h, and the table of {TABLE_DATE} does not have it")
    source = f"table of {TABLE_DATE} ({row.source})"

    def told(number: int | None) -> Fact[int]:
        return Missing("the table does not have it") if number is None else Known(number, source)

    return msgspec.structs.replace(
        toolkit, gcc_newest=told(row.gcc), clang_newest=told(row.clang), msvc_newest=told(row.msvc)
    )


def _untold(toolkit: Toolkit, reason: str) -> Toolkit:
    missing = Missing(reason)
    return msgspec.structs.replace(toolkit, gcc_newest=missing, clang_newest=missing, msvc_newest=missing)


def _number(pattern: re.Pattern[str], text: str, refused_from: int, source: str) -> Fact[int]:
    match = pattern.search(text)
    if match is None:
        return Missing(f"{source} does not say it in a known form")
    return Known(int(match[1]) - refused_from, source)
