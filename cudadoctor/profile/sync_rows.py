"""What the calls that wait are told to wait for: all of a context, an event, or a stream, and which one that is.

A call names a stream by its handle, a record of the device by a number. They are brought together by the times: who
waits for a stream goes on when the last operation of that stream has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.trace import SYNCS, CallKind, SyncKind

_JUST_NOW = 20_000
"""A wait ends within this time after the operation that it is for, nanoseconds."""

_KINDS = {"cuStream": SyncKind.STREAM, "cuEvent": SyncKind.EVENT, "cuCtx": SyncKind.CONTEXT}


def waited_for(
    calls: NDArray[Any], arguments: NDArray[np.uint64], names: Sequence[str], ops: NDArray[Any]
) -> NDArray[Any]:
    """Return `SYNCS`: one row for each call that waits.

    Args:
        calls: `CALLS`, by start.
        arguments: The first argument of each.
        names: Names by the numbers in `calls`.
        ops: `DEVICE_OPS`, by start.
    """
    waiting = calls["kind"] == CallKind.SYNC
    found, handles = calls[waiting], arguments[waiting]
    rows = np.zeros(len(found), SYNCS)
    if not len(found):
        return rows
    for column in ("start", "end", "correlation"):
        rows[column] = found[column]
    numbers, which = np.unique(found["name"], return_inverse=True)
    kinds = np.array([_kind_of(names[number]) for number in numbers.tolist()], np.uint8)
    rows["kind"] = kinds[which]
    for handle in np.unique(handles[rows["kind"] == SyncKind.STREAM]).tolist():
        these = (rows["kind"] == SyncKind.STREAM) & (handles == handle)
        stream = _stream_of(found[these], ops)
        if stream is None:
            rows["kind"][these] = SyncKind.UNKNOWN
        else:
            rows["stream"][these] = stream
    return rows


def _kind_of(name: str) -> SyncKind:
    return next((kind for prefix, kind in _KINDS.items() if name.startswith(prefix)), SyncKind.UNKNOWN)


def _stream_of(waits: NDArray[Any], ops: NDArray[Any]) -> int | None:
    """Return the stream whose operations ended most often just before these waits did, None if none did."""
    streams = np.unique(ops["stream"])
    if len(streams) == 1:
        return int(streams[0])
    ended = []
    for stream in streams:
        ends = np.sort(ops["end"][ops["stream"] == stream])
        place = np.searchsorted(ends, waits["end"], side="right") - 1
        last = ends[np.maximum(place, 0)]
        ended.append(int(((place >= 0) & (last > waits["start"]) & (waits["end"] - last < _JUST_NOW)).sum()))
    return int(streams[int(np.argmax(ended))]) if max(ended, default=0) else None
