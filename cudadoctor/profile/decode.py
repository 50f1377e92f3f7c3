"""From the pool that a traced process filled to a `Trace`."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.code import KernelCode, read_ptx
from cudadoctor.attribution.profile.trace import Trace, TracerCost
from cudadoctor.gpu.cupti import pool
from cudadoctor.profile import host_rows
from cudadoctor.profile.device_rows import device_ops
from cudadoctor.profile.kernel_names import readable
from cudadoctor.profile.records import Clock, Names, Records
from cudadoctor.profile.told import Told, call_names, read_texts, read_told, source_lines

NO_COST = TracerCost(0.0, 0.0, 0.0)


def decode(
    memory: mmap.mmap,
    layout: pool.Layout,
    cpu: NDArray[Any],
    reads: NDArray[Any],
    ended: int,
    cost: TracerCost = NO_COST,
) -> tuple[Trace, dict[str, int]]:
    """Return the trace in a pool, and how many records it held of each kind.

    Args:
        memory: The pool, mapped.
        layout: Where is what in it.
        cpu: `CPU_TIMES` with monotonic times, as read from outside.
        reads: `READS`, likewise.
        ended: When the process was seen to have ended, monotonic nanoseconds.
        cost: What recording costs.

    Raises:
        ValueError: The process ended before the program began.
    """
    texts = read_texts(memory, layout)
    told = read_told(texts)
    if told is None or told.begin is None:
        raise ValueError("the process ended before the program began")
    pairs = [(text["cupti"], text["monotonic"]) for text in texts if text["kind"] == "clocks"]
    clock = Clock(pairs, told.begin)
    records = Records(memory, layout)
    names = Names(memory, layout)
    calls, nested = host_rows.calls(records, clock, texts, names)
    ops = device_ops(records, clock, names, nested)
    seen, read = cpu.copy(), reads.copy()
    seen["at"], read["at"] = clock.of_host(cpu["at"]), clock.of_host(reads["at"])
    end = told.end if told.end is not None else ended
    full = records.full or bool(told.dropped)
    trace = Trace(
        ops=ops,
        calls=calls,
        syncs=host_rows.syncs(records, clock),
        overheads=host_rows.overheads(records, clock),
        ranges=host_rows.ranges(records, clock, names),
        cpu=seen,
        reads=read,
        samples=host_rows.samples(memory, layout, clock),
        marks=host_rows.marks(calls),
        names=tuple(names.texts),
        lines=source_lines(texts),
        end=end - told.begin,
        main_thread=told.thread,
        dropped=(told.dropped or int(records.full)) + records.cut_off,
        complete_until=int(calls["end"].max()) if full and len(calls) else None,
        cost=cost,
        codes=_codes(texts, names),
    )
    return trace, records.count()


def _codes(texts: Sequence[Mapping[str, Any]], names: Names) -> dict[int, KernelCode]:
    """Return what the PTX that the child sent says of each kernel, by the number of its name."""
    known = {text: number for number, text in enumerate(names.texts)}
    found: dict[int, KernelCode] = {}
    for text in texts:
        if text["kind"] == "ptx":
            for name, code in read_ptx(text["text"]).items():
                number = known.get(readable(name))
                if number is not None:
                    found[number] = code
    return found


def taken_over(told: Told, trace: Trace) -> bool:
    """Say whether the program took the records itself: the last call of all is not among them."""
    if not told.last_call or told.dropped or trace.complete_until is not None:
        return False
    calls = trace.calls[(trace.calls["thread"] == told.thread) & (trace.calls["start"] >= trace.end)]
    return all(trace.names[number] != told.last_call for number in calls["name"])


def driver_calls(memory: mmap.mmap, layout: pool.Layout) -> dict[int, str]:
    """Return the names of the driver's calls by the ids that the tracer has for them."""
    return call_names(read_texts(memory, layout), "driver")


def read_marks(memory: mmap.mmap, layout: pool.Layout) -> NDArray[np.int64] | None:
    """Return the nanoseconds that a marked run noted, since the program's first line; None if it noted none."""
    told = read_told(read_texts(memory, layout))
    (count,) = struct.unpack_from("<Q", memory, pool.MARKED_AT)
    if told is None or told.begin is None or not 0 < count <= layout.marks:
        return None
    return np.sort(np.frombuffer(memory, np.int64, count, layout.slots_at)) - told.begin
