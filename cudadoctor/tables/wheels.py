"""What the wheels of PyTorch hold code for, and which compute targets a compute capability can run."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from cudadoctor.tables.reader import legend, major_minor, numbers, rows

_TARGET = re.compile(r"(sm|compute)_(\d{2,4})([a-z]?)")


class Wheel(msgspec.Struct, frozen=True, kw_only=True):
    """The compute targets of a wheel (`sm_90` is machine code, `compute_90` is PTX) and who says so."""

    targets: tuple[str, ...]
    source: str
    certainty: str


def torch_wheel(version: str, cuda_version: str, processor: str) -> Wheel | None:
    """Return what a PyTorch wheel holds code for, or None where the table does not have it.

    Args:
        version: Of PyTorch; what is no release (a nightly build, one of NVIDIA's) is not in the table.
        cuda_version: That it was built with, `12.8`.
        processor: `x86_64` or `aarch64`.
    """
    release = major_minor(version)
    if release is None or re.fullmatch(r"\d+\.\d+\.\d+(\+cu\d+)?", version) is None:
        return None
    wanted = numbers(release)
    for first, last, cuda, machine, sm, ptx, key, certainty in rows("torch_wheels.tsv"):
        if (cuda, machine) != (major_minor(cuda_version), processor) or not numbers(first) <= wanted <= numbers(last):
            continue
        targets = tuple(f"sm_{number}" for number in sm.split()) + tuple(f"compute_{number}" for number in ptx.split())
        return Wheel(targets=targets, source=legend("torch_wheels.tsv")[key], certainty=certainty)
    return None


def runs_on(targets: Iterable[str], capability: tuple[int, int]) -> bool:
    """Say whether code for one of these targets runs on a compute capability.

    Machine code runs on later minor versions of the same major one; with the ending `f` likewise, with `a` on no other.
    PTX is compiled by the driver for the same or any later capability, with `a` for no other.

    Source: CUDA Programming Guide, "Compute capability" (application compatibility).
    """
    for target in targets:
        match = _TARGET.fullmatch(target.strip())
        if match is None:
            continue
        kind, number, ending = match.groups()
        major, minor = int(number[:-1]), int(number[-1])
        if ending == "a":
            fits = (major, minor) == capability
        elif kind == "sm" or ending == "f":
            fits = major == capability[0] and minor <= capability[1]
        else:
            fits = (major, minor) <= capability
        if fits:
            return True
    return False
