"""The user-space driver libraries on the search path: all of them, not only the first."""

from __future__ import annotations

from typing import Literal

import msgspec

from cudadoctor.facts.base import Fact, Missing, Section

NamedState = Literal[
    "a driver library",
    "missing",
    "empty",
    "no library",
    "another library",
    "of another architecture",
    "a stub",
    "switched off",
]


NOT_ON_SEARCH_PATH = "not on the search path"
"""How a file was found that the loader does not come to."""

EMPTY_FILE = "the file is empty"
"""Why a file without content has no release: images that were saved in a container keep such files."""


class LibraryFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file that answers to a soname.

    `release` is the driver release in the real file's name (`libcuda.so.580.159.04`), where it has one.
    `found_via` says how the loader would come to it: `LD_LIBRARY_PATH`, `ld.so.cache`, a default folder;
    or `NOT_ON_SEARCH_PATH`.
    """

    soname: str
    path: str
    real_path: str
    release: Fact[str]
    found_via: str


class NamedLibrary(msgspec.Struct, frozen=True, kw_only=True):
    """The file that a variable names as the driver library, and what is there."""

    variable: str
    path: str
    state: NamedState


class Libraries(Section, frozen=True, kw_only=True):
    """Files named libcuda.so.1 and libnvidia-ml.so.1, in the order in which the loader would try them.

    `named` is what variables of numba name in their place.
    """

    files: tuple[LibraryFile, ...]
    named: tuple[NamedLibrary, ...] | Missing = Missing("it was not gathered")
