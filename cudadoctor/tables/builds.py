"""What nvcc takes as host compiler, and which CUDA libraries a release of TensorFlow loads."""

from __future__ import annotations

import msgspec

from cudadoctor.tables.reader import legend, major_minor, rows


class HostLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The newest major versions of gcc and clang, and the highest `_MSC_VER`, that nvcc of a toolkit takes."""

    toolkit: str
    gcc: int | None
    clang: int | None
    msvc: int | None
    certainty: str
    source: str


class TensorFlowBuild(msgspec.Struct, frozen=True, kw_only=True):
    """The CUDA and cuDNN versions that a release of TensorFlow was built with."""

    release: str
    cuda: str
    cudnn: str
    source: str


def host_limits(toolkit_version: str) -> HostLimits | None:
    """Return what nvcc of a toolkit (`12.4`, `12.4.131`) takes, or None for one that the table does not have."""
    version = major_minor(toolkit_version)
    for toolkit, gcc, clang, msvc, certainty, source in rows("host_compilers.tsv"):
        if toolkit == version:
            return HostLimits(
                toolkit=toolkit,
                gcc=int(gcc) if gcc else None,
                clang=int(clang) if clang else None,
                msvc=int(msvc) if msvc else None,
                certainty=certainty,
                source=legend("host_compilers.tsv")[source],
            )
    return None


def first_toolkit_for(kind: str, version: int) -> str | None:
    """Return the first toolkit of the table that takes this major version of gcc or clang, or this `_MSC_VER`."""
    column = ("gcc", "clang", "msvc").index(kind) + 1
    return next((row[0] for row in rows("host_compilers.tsv") if row[column] and int(row[column]) >= version), None)


def tensorflow_build(tensorflow_version: str) -> TensorFlowBuild | None:
    """Return what a release of TensorFlow (`2.10.1`) was built with, or None for one that the table does not have."""
    version = major_minor(tensorflow_version)
    for release, cuda, cudnn in rows("tensorflow.tsv"):
        if release == version:
            return TensorFlowBuild(release=release, cuda=cuda, cudnn=cudnn, source="tensorflow.org/install/source#gpu")
    return None
