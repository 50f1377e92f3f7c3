"""Host compilers: what nvcc hands the host's part of a program to."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Section


class HostCompiler(msgspec.Struct, frozen=True, kw_only=True):
    """One compiler.

    `kind` is `gcc`, `clang` or `msvc`; `version` is that of the compiler (`13`, `13.2.0`), for msvc the value of
    `_MSC_VER` (`1938`). `found_via` is `PATH`, the folder of nvcc, or the variable that names it.
    """

    kind: str
    version: Fact[str]
    path: str
    real_path: str
    found_via: str


class Compilers(Section, frozen=True, kw_only=True):
    """Host compilers, the one that nvcc takes unless a build says otherwise first.

    `nvcc` is the toolkit's compiler that a build would start, and `nvcc_root` its toolkit; nothing is looked for where
    there is none. `check_disabled` says that flags tell nvcc to take any host compiler.
    """

    nvcc: Fact[str]
    nvcc_root: Fact[str]
    found: tuple[HostCompiler, ...]
    check_disabled: Fact[bool]
