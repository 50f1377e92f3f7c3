"""What the device did, out of the records of kernels, copies, memsets and graphs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.trace import DEVICE_OPS, DeviceKind
from cudadoctor.profile.records import Clock, Names, Records, by_start, finished

# CUpti_ActivityMemcpyKind: what a copy goes from and to.
_COPIES = {
    1: DeviceKind.COPY_TO_DEVICE,
    2: DeviceKind.COPY_TO_HOST,
    3: DeviceKind.COPY_TO_DEVICE,
    4: DeviceKind.COPY_TO_HOST,
    5: DeviceKind.COPY_ON_DEVICE,
    6: DeviceKind.COPY_ON_DEVICE,
    7: DeviceKind.COPY_ON_DEVICE,
    8: DeviceKind.COPY_ON_DEVICE,
    9: DeviceKind.COPY_ON_HOST,
    10: DeviceKind.COPY_BETWEEN_DEVICES,
}
_ASYNCHRONOUS = 1


def device_ops(records: Records, clock: Clock, names: Names) -> NDArray[Any]:
    """Return `DEVICE_OPS`."""
    parts = [
        _kernels(records, clock, names),
        *_copies(records, clock),
        _memsets(records, clock),
        _graphs(records, clock),
    ]
    return by_start(finished(np.concatenate(parts)))


def _fill(records: Records, places: NDArray[np.int64], fields: Mapping[str, tuple[int, str]]) -> NDArray[Any]:
    rows = np.zeros(len(places), DEVICE_OPS)
    rows["name"] = -1
    for name, (offset, kind) in fields.items():
        rows[name] = records.field(places, offset, kind)
    return rows


def _timed(records: Records, clock: Clock, rows: NDArray[Any], places: NDArray[np.int64], start: int) -> None:
    rows["start"] = clock.of_records(records.field(places, start, "<u8"))
    rows["end"] = clock.of_records(records.field(places, start + 8, "<u8"))


def _kernels(records: Records, clock: Clock, names: Names) -> NDArray[Any]:
    places = records.places("CONCURRENT_KERNEL")
    rows = _fill(
        records,
        places,
        {
            "registers": (6, "<u2"),
            "device": (40, "<u4"),
            "context": (44, "<u4"),
            "stream": (48, "<u4"),
            "local_bytes": (84, "<u4"),
            "correlation": (92, "<u4"),
        },
    )
    _timed(records, clock, rows, places, 16)
    grid = [records.field(places, offset, "<i4").astype(np.int64) for offset in (52, 56, 60)]
    block = [records.field(places, offset, "<i4") for offset in (64, 68, 72)]
    rows["kind"] = DeviceKind.KERNEL
    rows["blocks"], rows["threads"] = grid[0] * grid[1] * grid[2], block[0] * block[1] * block[2]
    rows["shared_bytes"] = records.field(places, 76, "<i4") + records.field(places, 80, "<i4")
    rows["name"] = names.of_pointers(records.field(places, 104, "<u8"))
    return rows


def _copies(records: Records, clock: Clock) -> Iterator[NDArray[Any]]:
    for name, correlation in (("MEMCPY", 44), ("MEMCPY2", 60)):
        places = records.places(name)
        rows = _fill(
            records,
            places,
            {
                "source": (5, "u1"),
                "target": (6, "u1"),
                "bytes": (8, "<u8"),
                "device": (32, "<u4"),
                "context": (36, "<u4"),
                "stream": (40, "<u4"),
                "correlation": (correlation, "<u4"),
            },
        )
        _timed(records, clock, rows, places, 16)
        kinds = np.full(256, int(DeviceKind.COPY_ON_DEVICE), np.uint8)
        for number, kind in _COPIES.items():
            kinds[number] = kind
        rows["kind"] = kinds[records.field(places, 4, "u1")] if name == "MEMCPY" else DeviceKind.COPY_BETWEEN_DEVICES
        rows["asynchronous"] = records.field(places, 7, "u1") & _ASYNCHRONOUS
        yield rows


def _memsets(records: Records, clock: Clock) -> NDArray[Any]:
    places = records.places("MEMSET")
    fields = {"bytes": (8, "<u8"), "device": (32, "<u4"), "context": (36, "<u4")}
    rows = _fill(records, places, {**fields, "stream": (40, "<u4"), "correlation": (44, "<u4")})
    _timed(records, clock, rows, places, 16)
    rows["kind"] = DeviceKind.MEMSET
    return rows


def _graphs(records: Records, clock: Clock) -> NDArray[Any]:
    places = records.places("GRAPH_TRACE")
    fields = {"correlation": (4, "<u4"), "device": (24, "<u4"), "context": (32, "<u4"), "stream": (36, "<u4")}
    rows = _fill(records, places, fields)
    _timed(records, clock, rows, places, 8)
    rows["kind"] = DeviceKind.GRAPH
    return rows
