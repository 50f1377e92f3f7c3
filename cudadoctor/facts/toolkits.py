"""CUDA toolkits and compilers: every one that was found, and the one that numba-cuda would use."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Missing, Section


class Toolkit(msgspec.Struct, frozen=True, kw_only=True):
    """One toolkit: an installed folder, or the CUDA wheels of this Python environment.

    `version` is the toolkit version (`13.0`), neither the driver release nor the driver's CUDA version.
    `architectures` are the compute capabilities that it compiles for (`7.5`, `9.0`).
    `gcc_newest` and `clang_newest` are the newest major versions that nvcc takes as host compiler, `msvc_newest` the
    highest `_MSC_VER`.
    """

    root: str
    found_via: str
    version: Fact[str]
    nvcc: Fact[str]
    libnvvm: Fact[str]
    libdevice: Fact[str]
    nvrtc: Fact[str]
    nvjitlink: Fact[str]
    architectures: Fact[tuple[str, ...]]
    gcc_newest: Fact[int] = Missing("it was not gathered")
    clang_newest: Fact[int] = Missing("it was not gathered")
    msvc_newest: Fact[int] = Missing("it was not gathered")


class Toolkits(Section, frozen=True, kw_only=True):
    """All toolkits. `selected_root` is the root of the one whose NVVM and NVRTC numba-cuda would load."""

    found: tuple[Toolkit, ...]
    selected_root: Fact[str]

    def selected(self) -> Toolkit | None:
        """Return the toolkit that numba-cuda would use, or None."""
        for toolkit in self.found:
            if getattr(self.selected_root, "value", None) == toolkit.root:
                return toolkit
        return None
