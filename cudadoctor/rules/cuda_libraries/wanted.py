"""Which CUDA libraries a TensorFlow of its own wheels asks for by name, and whether it would find them."""

from __future__ import annotations

from typing import Literal

import msgspec

from cudadoctor.facts.base import Missing
from cudadoctor.facts.cuda_libraries import CudaLibraries
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.host import Host
from cudadoctor.facts.packages import Packages
from cudadoctor.rules.reading import system_of, text_of, version_of
from cudadoctor.tables.builds import tensorflow_build

Place = Literal["found", "off the path", "nowhere"]

_LAST_ON_WINDOWS = (2, 10)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a release asks for: versions, and the names of the CUDA runtime and of cuDNN."""

    release: str
    cuda: str
    cudnn: str
    names: tuple[str, ...]
    windows: bool
    source: str


def wanted_by_tensorflow(packages: Packages, host: Host | Missing, environment: Environment | Missing) -> Wanted | None:
    """Return what the installed TensorFlow asks for; None where there is none, or none whose build is known."""
    release = packages.version_of("tensorflow") or packages.version_of("tensorflow-gpu")
    if release is None or "+" in release:
        return None  # NGC and others that build their own write so
    build = tensorflow_build(release)
    system = system_of(host)
    if build is None or system not in ("Linux", "Windows") or not isinstance(host, Host):
        return None
    numbers = version_of(release) or (0, 0)
    if system == "Windows" and numbers[:2] > _LAST_ON_WINDOWS:
        return None
    if text_of(host.architecture) not in ("x86_64", "AMD64"):
        return None
    if not isinstance(environment, Environment) or environment.variables.get("CONDA_PREFIX"):
        return None  # conda's own TensorFlow has builds without CUDA that look the same
    major, minor = build.cuda.split(".")
    cudnn = build.cudnn.partition(".")[0]
    if system == "Windows":
        runtime = f"cudart64_{major}{'0' if major == '11' else minor}.dll"
        names = (runtime, f"cudnn64_{cudnn}.dll")
    else:
        ending = {"10": build.cuda, "11": "11.0"}.get(major, major)
        names = (f"libcudart.so.{ending}", f"libcudnn.so.{cudnn}")
    return Wanted(
        release=release,
        cuda=build.cuda,
        cudnn=build.cudnn,
        names=names,
        windows=system == "Windows",
        source=build.source,
    )


def where_it_is(libraries: CudaLibraries, name: str) -> Place:
    """Say whether TensorFlow would find a library: on the search path, in the wheels beside it or in conda."""
    copies = [file for file in libraries.files if file.name.lower() == name.lower()]
    if any(file.by_name or file.found_via in ("CUDA wheels", "CONDA_PREFIX") for file in copies):
        return "found"
    return "off the path" if copies else "nowhere"
