"""Which toolkits and driver branches support a compute capability, and what a toolkit compiles for."""

from __future__ import annotations

import msgspec

from cudadoctor.tables.reader import major_minor, numbers, rows


class Support(msgspec.Struct, frozen=True, kw_only=True):
    """What supports one compute capability.

    `last_toolkit` and `last_driver_branch` (580) are None where support goes on. For Jetson chips the driver comes
    with JetPack; `note` says so.
    """

    compute_capability: str
    architecture: str
    first_toolkit: str
    last_toolkit: str | None
    last_driver_branch: int | None
    source: str
    certainty: str
    note: str


class Architectures(msgspec.Struct, frozen=True, kw_only=True):
    """The compute capabilities that a toolkit compiles for, ascending; `certainty` is `certain` or `derived`."""

    toolkit: str
    capabilities: tuple[str, ...]
    source: str
    certainty: str


def capability_support(compute_capability: str) -> Support | None:
    """Return what supports a compute capability (`6.1`), or None for one that the table does not have."""
    for capability, architecture, first, last, branch, certainty, source, note in rows("capabilities.tsv"):
        if capability == compute_capability:
            return Support(
                compute_capability=capability,
                architecture=architecture,
                first_toolkit=first,
                last_toolkit=last or None,
                last_driver_branch=int(branch) if branch else None,
                source=source,
                certainty=certainty,
                note=note,
            )
    return None


def architecture_of(compute_capability: str) -> str:
    """Return the architecture's bare name (`Blackwell`); raises KeyError for an unknown compute capability."""
    support = capability_support(compute_capability)
    if support is None:
        raise KeyError(compute_capability)
    return support.architecture.partition(" (")[0]


def architectures_of(toolkit_version: str) -> Architectures | None:
    """Return what a toolkit (`12.4`, `12.4.131`) compiles for, or None for one that the tables do not reach.

    From 11.7 on this is what ptxas of that toolkit said; before, it is derived from the first and last toolkit of
    each compute capability.
    """
    version = major_minor(toolkit_version)
    if version is None:
        return None
    measured = rows("architectures.tsv")
    for toolkit, build, capabilities in measured:
        if toolkit == version:
            return Architectures(
                toolkit=version,
                capabilities=tuple(dotted(int(number)) for number in capabilities.split()),
                source=f"ptxas --help of nvidia-cuda-nvcc {build}",
                certainty="certain",
            )
    if numbers(version) > numbers(measured[0][0]):
        return None
    return _derived(version)


def dotted(sm: int) -> str:
    """Return `7.5` for sm_75 and `12.1` for sm_121."""
    return f"{sm // 10}.{sm % 10}"


def _derived(version: str) -> Architectures | None:
    wanted = numbers(version)
    capabilities = tuple(
        row[0]
        for row in rows("capabilities.tsv")
        if numbers(row[2]) <= wanted and (not row[3] or wanted <= numbers(row[3]))
    )
    if not capabilities:
        return None
    return Architectures(
        toolkit=version,
        capabilities=capabilities,
        source="first and last toolkit of each compute capability",
        certainty="derived",
    )
