"""Python packages of this environment that take part in computing on a GPU."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Missing, Section

_NOT_GATHERED = Missing("it was not gathered")

NUMBA_STACK = (
    "numpy",
    "numba",
    "numba-cuda",
    "llvmlite",
    "cuda-bindings",
    "cuda-core",
    "cuda-pathfinder",
    "cuda-python",
    "cuda-toolkit",
    "nvidia-ml-py",
)
"""The packages that numba-cuda is made of, or stands on."""


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """One installed distribution."""

    name: str
    version: str


class Clash(msgspec.Struct, frozen=True, kw_only=True):
    """A requirement that the installed version does not meet. `source` says who states the requirement."""

    package: str
    package_version: str
    requires: str
    found: str
    source: str


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """What an installed framework was built for, read from its files without importing it.

    `framework` is the name that is imported (`torch`, `jax`, `tensorflow`, `cupy`, ...), `package` the distribution
    that tells. `cuda_version` is the CUDA version that it was built with (`12.8`, or `12` where only the major release
    is known), "" for a build without CUDA. `other_platform` names another kind of device that it was built for (`hip`,
    `xpu`), or is "". `architectures` are compute targets as the build names them (`sm_90`, `compute_90`).
    `build_string` is that of a conda package, "" for a wheel.
    """

    framework: str
    package: str
    version: str
    cuda_version: Fact[str]
    other_platform: str = ""
    cudnn_version: Fact[str] = _NOT_GATHERED
    architectures: Fact[tuple[str, ...]] = _NOT_GATHERED
    build_string: str = ""


class LegacyModule(msgspec.Struct, frozen=True, kw_only=True):
    """A module of the years of Python 2 (gnumpy, cudamat).

    `syntax_error` is what this Python's own parser says of the file, "" if it takes it.
    """

    name: str
    path: str
    syntax_error: str


class Packages(Section, frozen=True, kw_only=True):
    """Installed packages of interest, and the requirements among them that are not met."""

    installed: tuple[Package, ...]
    clashes: tuple[Clash, ...]
    source: str
    builds: tuple[Build, ...] | Missing = _NOT_GATHERED
    legacy_modules: tuple[LegacyModule, ...] | Missing = _NOT_GATHERED

    def version_of(self, name: str) -> str | None:
        """Return the installed version of a package, or None."""
        for package in self.installed:
            if package.name == name:
                return package.version
        return None

    def build_of(self, framework: str) -> Build | None:
        """Return what a framework was built for, or None where it is not installed or was not looked at."""
        if isinstance(self.builds, Missing):
            return None
        return next((build for build in self.builds if build.framework == framework), None)
