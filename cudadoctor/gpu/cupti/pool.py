"""The memory that a traced process fills and its parent reads: where is what in it.

It is one file without a name, shared by both, so that what was recorded is there even if the program is killed. All
numbers are little-endian. It is filled by three hands: native callbacks write the calls, the names and the counters
(`callbacks`), CUPTI writes its records into slots, and Python in the child writes texts and samples (`Writer`).

    header | callbacks' code | table of slots | record sizes | hash table of names | names | texts | samples | calls
    | slots
"""

from __future__ import annotations

import _thread
import json
import mmap
import os
import struct
from typing import Any, NamedTuple

MAGIC = 0x3143_5254_4F44_4355  # "UCDOTRC1"

PAGE = 4096
SLOT_BYTES = 1 << 19
"""A buffer that CUPTI fills: some 2,400 kernels."""

CALL_BYTES = 40
"""Begin and end by the records' clock in nanoseconds, id, thread, correlation, result, and the first argument."""
CALLS_PER_SLOT = 3600
"""Half as many calls again as kernels: some wait, allocate or load."""

MARK_BYTES = 8
"""A moment of CLOCK_MONOTONIC in nanoseconds; marks lie where otherwise slots do."""

KINDS = 128
"""Kinds of records that are known by size."""

HASH_ENTRIES = 1 << 13
NAME_BYTES = 4 << 20
TEXT_BYTES = 4 << 20
SAMPLE_BYTES = 8 << 20
SAMPLE = struct.Struct("<qIi")
"""Nanoseconds of `time.monotonic_ns`, thread, and 8 * line + doing."""

# Where the header keeps what, in bytes from the beginning of the pool.
MAGIC_AT, TAKEN_AT, SLOTS_AT, RECORDS_AT, NAMES_USED_AT, NAMES_LOST_AT = 0, 8, 16, 24, 32, 40
NEXT_RECORD_AT, TEXT_USED_AT, SAMPLES_USED_AT, COMPLETED_AT = 48, 56, 64, 72
CODE_SIZE_AT, REQUESTED_CODE_AT, COMPLETED_CODE_AT, DELAY_CODE_AT = 80, 88, 96, 104
CLOCK_AT, DELAY_NS_AT, DELAYED_AT, MARKED_AT, MARK_CODE_AT = 112, 120, 128, 136, 144
CALLED_AT, CALL_CODE_AT, STAMP_AT, DELAY_BLOCK_AT, SELF_AT, TID_IN_SELF_AT = 152, 160, 168, 176, 184, 192

DELAY_MIX = 0x9E3779B97F4A7C15
"""2**64 over the golden ratio: the top bit of its multiples is set for half of them, without a period."""

CODE_AT, CODE_BYTES = PAGE, 16 * PAGE
TABLE_AT = CODE_AT + CODE_BYTES


class Layout:
    """Where is what in a pool of so many slots."""

    def __init__(self, slots: int) -> None:
        """Compute the offsets, all at multiples of a page."""
        self.slots = slots
        self.sizes_at = TABLE_AT + _pages(8 * slots)
        self.hash_at = self.sizes_at + _pages(4 * KINDS)
        self.names_at = self.hash_at + _pages(16 * HASH_ENTRIES)
        self.text_at = self.names_at + NAME_BYTES
        self.samples_at = self.text_at + TEXT_BYTES
        self.calls = slots * CALLS_PER_SLOT
        self.calls_at = self.samples_at + SAMPLE_BYTES
        self.slots_at = self.calls_at + _pages(self.calls * CALL_BYTES)
        self.total_bytes = self.slots_at + slots * SLOT_BYTES
        self.marks = slots * SLOT_BYTES // MARK_BYTES

    @classmethod
    def within(cls, mib: int) -> Layout:
        """Return the layout whose calls and slots take at most so many MiB."""
        return cls(max(2, (mib << 20) // (SLOT_BYTES + CALLS_PER_SLOT * CALL_BYTES)))


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE


class NativeCode(NamedTuple):
    """Position-independent code, and where in it the callbacks begin.

    They are for a requested and a completed buffer, for a call that is delayed, for one whose moment is noted, and for
    one that is recorded.
    """

    code: bytes
    requested_at: int
    completed_at: int
    delay_at: int
    mark_at: int
    call_at: int


def prepare(descriptor: int, layout: Layout, native: NativeCode | None = None) -> None:
    """Give the file its size, its header and the callbacks' code; pages take memory only once they are written."""
    os.ftruncate(descriptor, layout.total_bytes)
    header = bytearray(PAGE)
    struct.pack_into("<Q", header, MAGIC_AT, MAGIC)
    struct.pack_into("<Q", header, SLOTS_AT, layout.slots)
    if native is not None:
        struct.pack_into("<QQQQ", header, CODE_SIZE_AT, len(native.code), *native[1:4])
        struct.pack_into("<Q", header, MARK_CODE_AT, native.mark_at)
        struct.pack_into("<Q", header, CALL_CODE_AT, native.call_at)
        os.pwrite(descriptor, native.code, CODE_AT)
    os.pwrite(descriptor, bytes(header), 0)


def native_code(memory: mmap.mmap) -> NativeCode | None:
    """Return the code of the callbacks, None if the pool has none."""
    size, requested_at, completed_at, delay_at = struct.unpack_from("<QQQQ", memory, CODE_SIZE_AT)
    (mark_at,), (call_at,) = (struct.unpack_from("<Q", memory, at) for at in (MARK_CODE_AT, CALL_CODE_AT))
    code = memory[CODE_AT : CODE_AT + size]
    return NativeCode(code, requested_at, completed_at, delay_at, mark_at, call_at) if size else None


def delays(blocks: int) -> list[bool]:
    """Return in which blocks of calls, numbered from 0, calls are delayed."""
    return [bool(number * DELAY_MIX >> 63 & 1) for number in range(blocks)]


def delayed(memory: mmap.mmap) -> int:
    """Return how many calls were delayed."""
    count: int = struct.unpack_from("<Q", memory, DELAYED_AT)[0]
    return count


def template(memory: mmap.mmap, layout: Layout) -> bytes:
    """Return the beginning of a pool, through its texts: what a process needs to make another of the same layout."""
    (used,) = struct.unpack_from("<Q", memory, TEXT_USED_AT)
    return memory[: layout.text_at + used]


def extend(descriptor: int) -> None:
    """Give a file that begins as a template the size of its pool."""
    (slots,) = struct.unpack("<Q", os.pread(descriptor, 8, SLOTS_AT))
    os.ftruncate(descriptor, Layout(slots).total_bytes)


def open_pool(descriptor: int) -> tuple[mmap.mmap, Layout]:
    """Map the pool.

    Raises:
        ValueError: It is no pool.
    """
    memory = mmap.mmap(descriptor, 0)
    if len(memory) < PAGE or struct.unpack_from("<Q", memory, MAGIC_AT)[0] != MAGIC:
        raise ValueError("the file is no pool of trace records")
    layout = Layout(struct.unpack_from("<Q", memory, SLOTS_AT)[0])
    if len(memory) != layout.total_bytes:
        raise ValueError("the pool of trace records has another size than its header says")
    return memory, layout


class Writer:
    """Appends texts (JSON, one a line), from any thread, and samples, from one."""

    def __init__(self, memory: mmap.mmap, layout: Layout) -> None:
        """Append behind what is there."""
        self._memory, self._layout = memory, layout
        self._lock = _thread.allocate_lock()

    def tell(self, kind: str, **data: Any) -> None:
        """Append a text; one that does not fit is left out."""
        line = (json.dumps({"kind": kind, **data}) + "\n").encode("ascii")
        with self._lock:
            used = struct.unpack_from("<Q", self._memory, TEXT_USED_AT)[0]
            if used + len(line) <= TEXT_BYTES:
                start = self._layout.text_at + used
                self._memory[start : start + len(line)] = line
                struct.pack_into("<Q", self._memory, TEXT_USED_AT, used + len(line))

    def sample(self, at: int, thread: int, line: int, doing: int) -> bool:
        """Append a sample; False where there is no room left."""
        used = struct.unpack_from("<Q", self._memory, SAMPLES_USED_AT)[0]
        if used + SAMPLE.size > SAMPLE_BYTES:
            return False
        SAMPLE.pack_into(self._memory, self._layout.samples_at + used, at, thread, 8 * line + doing)
        struct.pack_into("<Q", self._memory, SAMPLES_USED_AT, used + SAMPLE.size)
        return True


def texts(memory: mmap.mmap, layout: Layout) -> list[dict[str, Any]]:
    """Return the texts in order; each says its kind, and lines that are no such texts are left out."""
    used = min(struct.unpack_from("<Q", memory, TEXT_USED_AT)[0], TEXT_BYTES)
    lines = memory[layout.text_at : layout.text_at + used].split(b"\n")
    return [text for line in lines[:-1] if (text := _text(line)) is not None]


def _text(line: bytes) -> dict[str, Any] | None:
    try:
        text = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return text if isinstance(text, dict) and isinstance(text.get("kind"), str) else None
