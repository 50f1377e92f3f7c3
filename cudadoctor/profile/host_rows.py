"""What the host did: calls, NVTX ranges and the samples of its Python threads."""

from __future__ import annotations

import mmap
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.check import MARKED
from cudadoctor.attribution.profile.trace import CALLS, OVERHEADS, RANGES, SAMPLES
from cudadoctor.gpu.cupti import pool
from cudadoctor.profile.calls import kind_of_call
from cudadoctor.profile.records import Clock, Names, Records, by_start, finished, is_finished
from cudadoctor.profile.told import Texts, call_names

_MARKER_START, _MARKER_END = 1 << 1, 1 << 2
_CALL = np.dtype(
    [("start", "<u8"), ("end", "<u8"), ("id", "<u4"), ("thread", "<u4"), ("correlation", "<u4"), ("result", "<i4"),
     ("argument", "<u8")]
)  # fmt: skip
"""A record of `pool.CALL_BYTES`."""
_SAMPLE = np.dtype([("at", "<i8"), ("thread", "<u4"), ("packed", "<i4")])


def calls(
    memory: mmap.mmap, layout: pool.Layout, clock: Clock, texts: Texts, names: Names, process: int
) -> tuple[NDArray[Any], NDArray[np.uint64]]:
    """Return the program's calls of the driver, also those that a library made for it, and their first arguments.

    Calls that the runtime API makes for one of its own share a correlation: it is kept by the one that puts work on a
    device, if there is one.
    """
    (count,) = struct.unpack_from("<Q", memory, pool.CALLED_AT)
    raw = np.frombuffer(memory, _CALL, min(count, layout.calls), layout.calls_at)
    raw = raw[raw["end"] > 0]
    rows = np.zeros(len(raw), CALLS)
    rows["start"], rows["end"] = clock.of_records(raw["start"]), clock.of_records(raw["end"])
    for name in ("thread", "correlation", "result"):
        rows[name] = raw[name]
    rows["process"] = process
    table = call_names(texts)
    ids, inverse = np.unique(raw["id"], return_inverse=True)
    told = [table.get(int(each), f"driver call {int(each)}") for each in ids]
    if told:
        rows["name"] = np.array([names.number(text) for text in told], np.int32)[inverse]
        rows["kind"] = np.array([kind_of_call(text) for text in told], np.uint8)[inverse]
    sound = is_finished(rows)
    rows, arguments = rows[sound], raw["argument"][sound]
    order = np.argsort(rows["start"], kind="stable")
    rows, arguments = rows[order], arguments[order]
    order = np.lexsort((np.arange(len(rows)), ~np.isin(rows["kind"], MARKED), rows["correlation"]))
    again = rows["correlation"][order][1:] == rows["correlation"][order][:-1]
    rows["correlation"][order[1:][again]] = 0
    return rows, arguments


def marks(calls: NDArray[Any]) -> NDArray[np.int64]:
    """Return the beginnings of the calls that a marked run notes."""
    return np.sort(calls["start"][np.isin(calls["kind"], MARKED)])


def overheads(records: Records, clock: Clock) -> NDArray[Any]:
    """Return `OVERHEADS`."""
    places = records.places("OVERHEAD")
    rows = np.zeros(len(places), OVERHEADS)
    rows["kind"] = records.field(places, 4, "<u4")
    rows["start"] = clock.of_records(records.field(places, 24, "<u8"))
    rows["end"] = clock.of_records(records.field(places, 32, "<u8"))
    rows["thread"] = records.field(places, 16, "<u4")  # objectId.pt: process, then thread
    return by_start(finished(rows))


def ranges(records: Records, clock: Clock, names: Names) -> NDArray[Any]:
    """Return NVTX ranges: the marks that open and close one share an id; only the first has the name."""
    places = records.places("MARKER")
    flags = records.field(places, 4, "<u4")
    times = clock.of_records(records.field(places, 8, "<u8"))
    ids = records.field(places, 16, "<u4")
    starts = {int(ids[i]): i for i in np.flatnonzero(flags & _MARKER_START)}
    found = [(starts[int(ids[i])], i) for i in np.flatnonzero(flags & _MARKER_END) if int(ids[i]) in starts]
    rows = np.zeros(len(found), RANGES)
    if found:
        opened, closed = (np.array(each) for each in zip(*found, strict=True))
        rows["start"], rows["end"] = times[opened], times[closed]
        rows["thread"] = records.field(places[opened], 28, "<u4")
        rows["name"] = names.of_pointers(records.field(places[opened], 40, "<u8"))
    return by_start(finished(rows))


def samples(memory: mmap.mmap, layout: pool.Layout, clock: Clock) -> NDArray[Any]:
    """Return `SAMPLES`."""
    used = min(struct.unpack_from("<Q", memory, pool.SAMPLES_USED_AT)[0], pool.SAMPLE_BYTES) // pool.SAMPLE.size
    raw = np.frombuffer(memory, _SAMPLE, used, layout.samples_at)
    rows = np.zeros(used, SAMPLES)
    rows["at"], rows["thread"] = clock.of_host(raw["at"]), raw["thread"]
    rows["line"], rows["doing"] = raw["packed"] >> 3, raw["packed"] & 7
    return rows
