"""Which driver release a toolkit needs.

From CUDA 11 on, an application runs on any driver of its toolkit's family (minor-version compatibility), so the
driver that came with a toolkit is not the oldest that runs it. PTX is not covered: PTX of a newer toolkit than the
driver's CUDA version fails with error 222 (NVIDIA/nvbandwidth#61), unless nvJitLink makes machine code of it first.
"""

from __future__ import annotations

import msgspec

from cudadoctor.tables.reader import legend, major_minor, numbers, rows


class FamilyRule(msgspec.Struct, frozen=True, kw_only=True):
    """The oldest driver that runs any toolkit of one major release. `below_branch` is the branch of the next major."""

    major: int
    minimum: str
    below_branch: int | None
    source: str
    certainty: str
    note: str


class DriverMinimum(msgspec.Struct, frozen=True, kw_only=True):
    """The driver of one toolkit version on one system.

    `run` is the oldest release that runs its programs (compiled ahead of time, or through nvJitLink).
    `corresponding` is the one that came with the toolkit's first release: from it on its PTX is understood too. It
    may be a bare branch (`615`), or None where none was published for that system.
    """

    toolkit: str
    system: str
    run: str
    corresponding: str | None
    source: str
    certainty: str


_COMPATIBILITY = "docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html"
_FAMILIES = (
    (11, "450.80.02", "452.39", 525, "certain", "11.0 itself shipped with earlier drivers (450.36, 450.51)"),
    (
        12,
        "525.60.13",
        "528.33",
        580,
        "certain for branch 525, secondary for the exact release",
        "on Windows, 12.0 came with 527.41, which is below 528.33",
    ),
    (13, "580", "580", None, "certain", "published as a branch"),
)
_SYSTEMS = ("Linux", "Windows")


def family_minimum(major: int, system: str) -> FamilyRule | None:
    """Return the rule of a major toolkit release (11, 12, 13) on `Linux` or `Windows`, None before 11 and elsewhere."""
    if system not in _SYSTEMS:
        return None
    for family, linux, windows, below_branch, certainty, note in _FAMILIES:
        if family == major:
            return FamilyRule(
                major=family,
                minimum=linux if system == "Linux" else windows,
                below_branch=below_branch,
                source=_COMPATIBILITY,
                certainty=certainty,
                note=note,
            )
    return None


def minimum_driver(toolkit_version: str, system: str) -> DriverMinimum | None:
    """Return the driver that a toolkit (`12.4`, `12.4.1`) needs on `Linux` or `Windows`, or None where unknown.

    All updates of a version count as its first release.
    """
    version = major_minor(toolkit_version)
    if version is None or system not in _SYSTEMS:
        return None
    row = next((row for row in rows("drivers.tsv") if row[0] == version), None)
    if row is None:
        return None
    _, _, linux, windows, key, certainty = row
    corresponding = (linux if system == "Linux" else windows) or None
    family = family_minimum(numbers(version)[0], system)
    if family is not None:
        return DriverMinimum(
            toolkit=version,
            system=system,
            run=family.minimum,
            corresponding=corresponding,
            source=f"{family.source}; {legend('drivers.tsv')[key]}",
            certainty=family.certainty,
        )
    if corresponding is None:
        return None
    return DriverMinimum(
        toolkit=version,
        system=system,
        run=corresponding,
        corresponding=corresponding,
        source=legend("drivers.tsv")[key],
        certainty=certainty,
    )


def cuda_version_of_driver_branch(branch: int) -> str | None:
    """Return the CUDA version of a Linux driver branch (550: `12.4`), None for one that came with no toolkit."""
    found: str | None = None
    for toolkit, _, linux, *_rest in rows("drivers.tsv"):
        if numbers(linux)[:1] == (branch,):
            found = toolkit
    return found
