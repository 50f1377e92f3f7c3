"""Names of kernels as their authors wrote them, out of what the linker made of them."""

from __future__ import annotations

import re

_IDENTIFIER = re.compile(r"([0-9]{1,6})")
_HIDDEN = ("_GLOBAL__N_", "_INTERNAL_")


def readable(name: str) -> str:
    """Return `at::native::add_kernel` for the mangled name of a C++ kernel, `step` for one of numba.

    Arguments and template parameters are left out. A name that is not mangled, or in a way that is not understood,
    stays as it is.

    Source: the Itanium C++ ABI, section 5.1 (nested names, source names, ABI tags).
    """
    if not name.startswith("_Z"):
        return name
    at = 2
    parts: list[str] = []
    if name[at : at + 1] == "N":
        at += 1
        while name[at : at + 1] in ("K", "V", "r"):
            at += 1
        while at < len(name) and name[at].isdigit():
            part, at = _source_name(name, at)
            if part is None:
                return name
            parts.append(part)
            while name[at : at + 1] == "B":  # an ABI tag, in which numba keeps a version and its flags
                tag, at = _source_name(name, at + 1)
                if tag is None:
                    return name
    else:
        part, at = _source_name(name, at)
        if part is None:
            return name
        parts.append(part)
    shown = [part for part in parts if not part.startswith(_HIDDEN)]
    if shown[:1] == ["cudapy"]:
        shown = shown[1:]
    if "B" in name and re.search(r"B\d+(v\d|cw)", name):
        shown = shown[-1:]  # numba's modules stand before the function
    return "::".join(shown) or name


def _source_name(name: str, at: int) -> tuple[str | None, int]:
    """Return the identifier whose length stands at this place, and what comes after it."""
    found = _IDENTIFIER.match(name, at)
    if found is None:
        return None, at
    start, length = found.end(), int(found.group(1))
    if length == 0 or start + length > len(name):
        return None, at
    return name[start : start + length], start + length
