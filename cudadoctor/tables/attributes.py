"""Names and numbers of the driver API's device attributes, and FP32 lanes by compute capability."""

from __future__ import annotations

import msgspec

from cudadoctor.tables.reader import rows


class Lanes(msgspec.Struct, frozen=True):
    """FP32 lanes of one multiprocessor, and where the number comes from."""

    lanes: int
    source: str


def device_attributes() -> tuple[tuple[int, str], ...]:
    """Return number and name (`MAX_THREADS_PER_BLOCK`) of every attribute of cuda.h that the table has."""
    return tuple((int(number), name) for number, name in rows("device_attributes.tsv"))


def fp32_lanes(compute_capability: str) -> Lanes | None:
    """Return the FP32 lanes of a multiprocessor of that compute capability (`9.0`), None for an unknown one."""
    for capability, lanes, source in rows("fp32_lanes.tsv"):
        if capability == compute_capability:
            return Lanes(int(lanes), source)
    return None
