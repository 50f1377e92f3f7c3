"""What the host did: calls, waits, NVTX ranges and the samples of its Python threads."""

from __future__ import annotations

import mmap
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.check import MARKED
from cudadoctor.attribution.profile.trace import CALLS, OVERHEADS, RANGES, SAMPLES, SYNCS
from cudadoctor.gpu.cupti import pool
from cudadoctor.profile.calls import kind_of_call
from cudadoctor.profile.records import Clock, Names, Records, by_start, finished
from cudadoctor.profile.told import Texts, call_names

_MARKER_START, _MARKER_END = 1 << 1, 1 << 2
_SAMPLE = np.dtype([("at", "<i8"), ("thread", "<u4"), ("packed", "<i4")])


def calls(
    records: Records, clock: Clock, texts: Texts, names: Names
) -> tuple[NDArray[Any], tuple[NDArray[np.uint32], NDArray[np.uint32]]]:
    """Return the program's own calls, and which correlations of nested calls became which."""
    parts = []
    for api, kind in (("driver", "DRIVER"), ("runtime", "RUNTIME")):
        places = records.places(kind)
        rows = np.zeros(len(places), CALLS)
        rows["runtime"] = api == "runtime"
        rows["start"] = clock.of_records(records.field(places, 8, "<u8"))
        rows["end"] = clock.of_records(records.field(places, 16, "<u8"))
        for name, offset in (("process", 24), ("thread", 28), ("correlation", 32)):
            rows[name] = records.field(places, offset, "<u4")
        rows["result"] = records.field(places, 36, "<i4")
        table = call_names(texts, api)
        ids, inverse = np.unique(records.field(places, 4, "<u4"), return_inverse=True)
        told = [table.get(int(each), f"{api} call {int(each)}") for each in ids]
        if told:
            rows["name"] = np.array([names.number(text) for text in told], np.int32)[inverse]
            rows["kind"] = np.array([kind_of_call(text) for text in told], np.uint8)[inverse]
        parts.append(finished(rows))
    driver, runtime = (by_start(part) for part in parts)
    outer = _enclosing(driver, runtime)
    inside = outer >= 0
    inner_ids, outer_ids = driver["correlation"][inside], runtime["correlation"][outer[inside]]
    order = np.argsort(inner_ids)
    return by_start(np.concatenate([driver[~inside], runtime])), (inner_ids[order], outer_ids[order])


def marks(calls: NDArray[Any]) -> NDArray[np.int64]:
    """Return the beginnings of the calls whose counterparts in the driver API a marked run notes.

    A call of the runtime API launches or copies through one of the driver, which a callback sees though no record does.
    """
    return np.sort(calls["start"][np.isin(calls["kind"], MARKED)])


def _enclosing(driver: NDArray[Any], runtime: NDArray[Any]) -> NDArray[np.int64]:
    """Return for each driver call the number of the runtime call of its thread that it ran in, or -1."""
    found = np.full(len(driver), -1, np.int64)
    for thread in np.unique(runtime["thread"]):
        ours = np.flatnonzero(runtime["thread"] == thread)
        mine = np.flatnonzero(driver["thread"] == thread)
        before = np.searchsorted(runtime["start"][ours], driver["start"][mine], side="right") - 1
        there = before >= 0
        candidates = ours[np.maximum(before, 0)]
        inside = there & (driver["end"][mine] <= runtime["end"][candidates])
        found[mine[inside]] = candidates[inside]
    return found


def syncs(records: Records, clock: Clock) -> NDArray[Any]:
    """Return `SYNCS`: what the host or a stream waited for."""
    places = records.places("SYNCHRONIZATION")
    rows = np.zeros(len(places), SYNCS)
    rows["start"] = clock.of_records(records.field(places, 8, "<u8"))
    rows["end"] = clock.of_records(records.field(places, 16, "<u8"))
    for name, offset in (("kind", 4), ("correlation", 24), ("context", 28), ("stream", 32)):
        rows[name] = records.field(places, offset, "<u4")
    return by_start(finished(rows))


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
