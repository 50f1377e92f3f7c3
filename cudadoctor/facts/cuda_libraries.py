"""The CUDA libraries that programs load: all copies, in the order in which a program would come to them."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Missing, Section

BY_NAME = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH", "ld.so.cache", "default folder")
"""How `CudaLibrary.found_via` begins where the loader comes to the file by its name alone."""


class CudaLibrary(msgspec.Struct, frozen=True, kw_only=True, rename={"base_name": "library"}):
    """One copy of a library.

    `base_name` (`library` in JSON) is its name on Linux without an ending (`libcudnn`), whatever the system; `name`
    is what programs ask for (`libcudnn.so.9`, `cudnn64_9.dll`). `version` is that of the library (`9.1.0` for cuDNN),
    where only that is known that of its toolkit (`12.4`), which libcudart, libnvrtc and libnvJitLink share. `found_via`
    is the variable, cache or folder of the loader; `CUDA wheels`, `torch`, `CONDA_PREFIX` or `toolkit` where a program
    comes to it by a path of its own.
    """

    base_name: str
    name: str
    path: str
    real_path: str
    version: Fact[str]
    found_via: str

    @property
    def by_name(self) -> bool:
        """Whether the loader comes to this file by its name alone."""
        return self.found_via.startswith(BY_NAME)


class CudaLibraries(Section, frozen=True, kw_only=True):
    """All copies: first what the loader finds by name, in its order; then what lies in wheels, conda and toolkits.

    `mapped` are the files that the process which compiled a kernel had loaded.
    """

    files: tuple[CudaLibrary, ...]
    source: str
    mapped: Fact[tuple[str, ...]] = Missing("no kernel was tried")

    def copies(self, library: str) -> tuple[CudaLibrary, ...]:
        """Return all copies of a library, in order."""
        return tuple(file for file in self.files if file.base_name == library)
