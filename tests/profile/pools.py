"""Pools as a traced process leaves them, made up: steps of launches through the runtime API, a copy and a wait."""

from __future__ import annotations

import mmap
import os
import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.trace import CPU_TIMES, READS
from cudadoctor.gpu.cupti import pool
from cudadoctor.gpu.cupti.binding import KINDS

SIZES = {"CALL": pool.CALL_BYTES, "MEMCPY": 96, "MEMSET": 80, "CONCURRENT_KERNEL": 216, "MARKER": 56, "OVERHEAD": 56}
"""Bytes of a record, about as of libcupti 13, and those of a call."""

LAUNCHES = 16
THREAD, PROCESS = 4242, 4240
BEGIN = 10**12
STEP_NS = 200_000

_DRIVER = {"307": "cuLaunchKernel", "276": "cuMemcpyDtoH_v2", "17": "cuCtxSynchronize", "42": "cuEventRecord"}
_NAMES = 8
_POINTER = 0x7F00_0000_0000


class Field(NamedTuple):
    """What one field of a record holds: `value` in the first step, `more` in each further one."""

    at: int
    kind: str
    value: int
    more: int = 0


def _call(id: int, at: int, took: int, number: int, each: int) -> tuple[str, list[Field]]:
    times = [Field(0, "<u8", BEGIN + at, STEP_NS), Field(8, "<u8", BEGIN + at + took, STEP_NS)]
    return "CALL", [*times, Field(16, "<u4", id), Field(20, "<u4", THREAD), Field(24, "<u4", number, each)]


def _did(kind: str, at: int, took: int, fields: list[Field], first: int = 16) -> tuple[str, list[Field]]:
    times = [Field(first, "<u8", BEGIN + at, STEP_NS), Field(first + 8, "<u8", BEGIN + at + took, STEP_NS)]
    return kind, times + fields


def _step(with_range: bool) -> list[tuple[str, list[Field]]]:
    """Return the records of a step; every so often one has an NVTX range, a memset and a flush of the tracer's."""
    each = 2 * LAUNCHES + 4
    made = []
    for i in range(LAUNCHES):
        at, number = 10_000 * i, 1 + 2 * i
        made.append(_call(42, at + 100, 300, number, each))
        made.append(_call(307, at + 500, 3_000, number + 1, each))
        shape = [
            Field(offset, "<i4", value) for offset, value in ((52, 512), (56, 1), (60, 1), (64, 256), (68, 1), (72, 1))
        ]
        about = [Field(44, "<u4", 1), Field(48, "<u4", 7), Field(92, "<u4", number + 1, each)]
        name = Field(104, "<u8", _POINTER + 64 * (i % _NAMES))
        made.append(_did("CONCURRENT_KERNEL", at + 5_000, 6_000, [*shape, *about, name]))
    at, number = 10_000 * LAUNCHES, 2 * LAUNCHES + 1
    about = [Field(4, "u1", 2), Field(5, "u1", 3), Field(6, "u1", 1), Field(8, "<u8", 4096), Field(36, "<u4", 1)]
    made.append(_did("MEMCPY", at + 2_000, 1_000, [*about, Field(40, "<u4", 7), Field(44, "<u4", number, each)]))
    made.append(_call(276, at, 4_000, number, each))
    made.append(_call(17, at + 5_000, 2_500, number + 1, each))
    if with_range:
        about = [Field(8, "<u8", 1 << 20), Field(36, "<u4", 1), Field(40, "<u4", 7), Field(44, "<u4", number + 2, each)]
        made.append(_did("MEMSET", at + 8_000, 900, about))
        for flag, moment in ((2, 0), (4, at + 9_000)):
            told = [Field(4, "<u4", flag), Field(8, "<u8", BEGIN + moment, STEP_NS), Field(16, "<u4", 1, 1)]
            made.append(("MARKER", [*told, Field(28, "<u4", THREAD), Field(40, "<u8", _POINTER if flag == 2 else 0)]))
        made.append(_did("OVERHEAD", at + 9_000, 700, [Field(4, "<u4", 1 << 16), Field(16, "<u4", PROCESS)], 24))
    return made


def _bytes(records: list[tuple[str, list[Field]]], steps: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the records of the steps with these numbers, one row a step."""
    row = np.zeros((len(steps), sum(SIZES[kind] for kind, _ in records)), np.uint8)
    at = 0
    for kind, fields in records:
        for field in (*([] if kind == "CALL" else [Field(0, "<u4", KINDS[kind])]), *fields):
            values = (field.value + field.more * steps).astype(field.kind)
            size = values.dtype.itemsize
            row[:, at + field.at : at + field.at + size] = values[:, None].view(np.uint8)
        at += SIZES[kind]
    return row


class MadeUp(NamedTuple):
    """A pool, with what `decode` takes beside it. `records` were written."""

    memory: mmap.mmap
    layout: pool.Layout
    cpu: NDArray[Any]
    reads: NDArray[Any]
    ended: int
    records: int


def made_up(steps: int, *, samples: int = 0, range_every: int = 7) -> MadeUp:
    """Return a pool with so many steps, and with one NVTX range in every seventh, by chance."""
    chance = np.random.default_rng(1)
    with_range = chance.integers(0, range_every, steps) == 0
    numbers = np.arange(steps)
    kinds = [_step(False), _step(True)]
    records = [[record for record in step if record[0] != "CALL"] for step in kinds]
    rows = [_bytes(step, numbers[with_range == which]) for which, step in enumerate(records)]
    place = np.where(with_range, np.cumsum(with_range) - 1, np.cumsum(~with_range) - 1)
    slots: list[list[NDArray[np.uint8]]] = [[]]
    used = 0
    for number in range(steps):
        row = rows[int(with_range[number])][place[number]]
        if used + len(row) > pool.SLOT_BYTES:
            slots.append([])
            used = 0
        slots[-1].append(row)
        used += len(row)
    calls = _bytes([record for record in kinds[0] if record[0] == "CALL"], numbers).tobytes()
    called = len(calls) // pool.CALL_BYTES
    layout = pool.Layout(max(2, len(slots), -(-called // pool.CALLS_PER_SLOT)))
    memory = _prepared(layout)
    memory[layout.calls_at : layout.calls_at + len(calls)] = calls
    struct.pack_into("<Q", memory, pool.CALLED_AT, called)
    for slot, found in enumerate(slots):
        whole = np.concatenate(found) if found else np.zeros(0, np.uint8)
        start = layout.slots_at + slot * pool.SLOT_BYTES
        memory[start : start + len(whole)] = whole.tobytes()
        struct.pack_into("<Q", memory, pool.TABLE_AT + 8 * slot, len(whole))
    struct.pack_into("<Q", memory, pool.TAKEN_AT, len(slots))
    end = BEGIN + steps * STEP_NS
    _tell(memory, layout, end, samples)
    ticks = np.arange(BEGIN, end, 10_000_000)
    cpu, reads = np.zeros(len(ticks), CPU_TIMES), np.zeros(len(ticks), READS)
    cpu["at"] = reads["at"] = ticks
    cpu["thread"], cpu["cpu"] = THREAD, (ticks - BEGIN) // 2
    written = sum(len(step) * int((with_range == which).sum()) for which, step in enumerate(kinds))
    return MadeUp(memory, layout, cpu, reads, end, written)


def _prepared(layout: pool.Layout) -> mmap.mmap:
    descriptor = os.memfd_create("pool")
    pool.prepare(descriptor, layout)
    memory = mmap.mmap(descriptor, layout.total_bytes)
    os.close(descriptor)
    for name, kind in KINDS.items():
        struct.pack_into("<I", memory, layout.sizes_at + 4 * kind, SIZES.get(name, 0))
    for number in range(_NAMES):
        text = f"kernel_{number}".encode()
        start = 64 * number
        memory[layout.names_at + start : layout.names_at + start + len(text)] = text
        struct.pack_into("<QQ", memory, layout.hash_at + 16 * number, _POINTER + 64 * number, start + 1)
    return memory


def _tell(memory: mmap.mmap, layout: pool.Layout, end: int, samples: int) -> None:
    writer = pool.Writer(memory, layout)
    writer.tell("process", pid=PROCESS, thread=THREAD, python="3.12.3")
    writer.tell("begin", monotonic=BEGIN)
    writer.tell("tracer", path="libcupti.so.13", version=130001)
    writer.tell("clocks", cupti=BEGIN, monotonic=BEGIN)
    writer.tell("calls", names=_DRIVER)
    writer.tell("line", number=0, file="program.py", line=7, function="<module>")
    writer.tell("clocks", cupti=end, monotonic=end)
    writer.tell("end", monotonic=end)
    for number in range(samples):
        writer.sample(BEGIN + (end - BEGIN) * number // samples, THREAD, 0, 1)
