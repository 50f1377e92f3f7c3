"""The records in a pool by kind, the names that they point to, and their clock.

Where a field lies in a record stands in cupti_activity.h and is the same from CUDA 11 to 13; how long a record is
differs, so the tracer noted that as it went along.
"""

from __future__ import annotations

import mmap
import struct
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.gpu.cupti import pool
from cudadoctor.gpu.cupti.binding import KINDS, LAST
from cudadoctor.profile.kernel_names import readable

_READ_TO = {
    "MEMCPY": 48, "MEMSET": 48, "CONCURRENT_KERNEL": 112, "MARKER": 48, "OVERHEAD": 40, "MEMCPY2": 64,
    "GRAPH_TRACE": 40,
}  # fmt: skip
"""Bytes of a record in which what is read of it lies."""
_ALIGNMENT = 8
_MOST_DRIFT = 0.01
"""Both clocks count nanoseconds: where they seem to differ by more than this part, a moment of one is not right."""
_FAR = 2.0**61


class Records:
    """The records of a pool by kind: where each begins, and how to read a field of all of them.

    `full` says that a slot was asked for and none was left, `cut_off` in how many slots records are lost because they
    make no sense: their kind is unknown, or they are too short, or run into the end.
    """

    def __init__(self, memory: mmap.mmap, layout: pool.Layout) -> None:
        """Walk the slots: complete ones to the end of what is valid, others to the first empty record."""
        self._bytes = np.frombuffer(memory, np.uint8)
        self._sizes = [
            size if size % _ALIGNMENT == 0 else 0
            for size in struct.unpack_from(f"<{pool.KINDS}I", memory, layout.sizes_at)
        ]
        for name, least in _READ_TO.items():
            if self._sizes[KINDS[name]] < least:
                self._sizes[KINDS[name]] = 0
        taken = struct.unpack_from("<Q", memory, pool.TAKEN_AT)[0]
        self.full = taken > layout.slots
        self.cut_off = 0
        places: dict[int, array[int]] = {}
        for slot in range(min(taken, layout.slots)):
            (valid,) = struct.unpack_from("<Q", memory, pool.TABLE_AT + 8 * slot)
            self._walk(memory, layout.slots_at + slot * pool.SLOT_BYTES, valid, places)
        self._places = {kind: np.frombuffer(found, np.int64) for kind, found in places.items()}

    def _walk(self, memory: mmap.mmap, start: int, valid: int, places: dict[int, array[int]]) -> None:
        limit = min(valid or pool.SLOT_BYTES, pool.SLOT_BYTES)
        end = limit // _ALIGNMENT * _ALIGNMENT
        words = memoryview(memory)[start : start + end].cast("I")
        sizes, at = self._sizes, 0
        while at < end:
            kind = words[at >> 2]
            size = sizes[kind] if kind < pool.KINDS else 0
            if not kind or not size or at + size > end:
                break
            found = places.get(kind)
            if found is None:
                found = places[kind] = array("q")
            found.append(start + at)
            at += size
        # In a slot that was never handed over, what is empty was never written.
        self.cut_off += at < limit and bool(valid or words[at >> 2])
        words.release()

    def count(self) -> dict[str, int]:
        """Return how many records there are of each kind."""
        names = {number: name for name, number in (KINDS | LAST).items()}
        return {names.get(kind, str(kind)): len(places) for kind, places in sorted(self._places.items())}

    def places(self, name: str) -> NDArray[np.int64]:
        """Return where the records of a kind begin."""
        return self._places.get(KINDS[name], np.empty(0, np.int64))

    def field(self, places: NDArray[np.int64], offset: int, kind: str) -> NDArray[Any]:
        """Return a field of the records at these places; `kind` is a numpy type, and fields are aligned to it."""
        size = np.dtype(kind).itemsize
        whole = len(self._bytes) // size * size
        return self._bytes[:whole].view(kind)[(places + offset) // size]


class Clock:
    """Turns the records' nanoseconds and monotonic ones into nanoseconds since the program's first line."""

    def __init__(self, pairs: Sequence[tuple[int, int]], begin: int) -> None:
        """Take moments of both clocks, the earliest first, and when the program began on the monotonic one."""
        self._begin = begin
        self._first = pairs[0] if pairs else (0, 0)
        self._rate = 1.0
        if len(pairs) > 1 and pairs[-1][0] > pairs[0][0]:
            rate = (pairs[-1][1] - pairs[0][1]) / (pairs[-1][0] - pairs[0][0])
            if abs(rate - 1) < _MOST_DRIFT:
                self._rate = rate

    def of_records(self, stamps: NDArray[Any]) -> NDArray[np.int64]:
        """Return times of records; 0, which stands for unknown, becomes the smallest number."""
        since = (stamps.astype(np.int64) - self._first[0]).astype(np.float64) * self._rate
        times = np.clip(since, -_FAR, _FAR).astype(np.int64) + (self._first[1] - self._begin)
        return np.where(stamps == 0, np.iinfo(np.int64).min, times)

    def of_host(self, times: NDArray[Any]) -> NDArray[np.int64]:
        """Return monotonic times."""
        return times.astype(np.int64) - self._begin


class Names:
    """Numbers for names, each text once."""

    def __init__(self, memory: mmap.mmap, layout: pool.Layout) -> None:
        """Read the names that the tracer kept, by pointer."""
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}
        entries = np.frombuffer(memory, "<u8", 2 * pool.HASH_ENTRIES, layout.hash_at).reshape(-1, 2)
        self._by_pointer: dict[int, int] = {}
        for pointer, where in entries[entries[:, 1] > 0]:
            start = layout.names_at + min(int(where), pool.NAME_BYTES) - 1
            raw = memory[start : start + 1024].split(b"\0")[0]
            self._by_pointer[int(pointer)] = self.number(readable(raw.decode("utf-8", "replace")))

    def number(self, text: str) -> int:
        """Return the number of a text, a new one if it is new."""
        if text not in self._numbers:
            self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return self._numbers[text]

    def of_pointers(self, pointers: NDArray[Any]) -> NDArray[np.int32]:
        """Return numbers; names that were not kept get one of their own."""
        unique, inverse = np.unique(pointers, return_inverse=True)
        numbers = [
            self._by_pointer[int(each)] if int(each) in self._by_pointer else self.number(f"kernel at {int(each):#x}")
            for each in unique
        ]
        return np.array(numbers, np.int32)[inverse] if len(unique) else np.empty(0, np.int32)


def by_start(rows: NDArray[Any]) -> NDArray[Any]:
    """Return rows in the order of their starts."""
    return rows[np.argsort(rows["start"], kind="stable")]


def finished(rows: NDArray[Any]) -> NDArray[Any]:
    """Return rows whose times are known and in order."""
    return rows[is_finished(rows)]


def is_finished(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Say of each row whether its times are known and in order."""
    return (rows["start"] > np.iinfo(np.int64).min) & (rows["end"] >= rows["start"])
