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
from cudadoctor.gpu.cupti.binding import LAST
from cudadoctor.profile import host_rows
from cudadoctor.profile.device_rows import device_ops
from cudadoctor.profile.kernel_names import readable
from cudadoctor.profile.records import Clock, Names, Records
from cudadoctor.profile.sync_rows import waited_for
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
    calls, arguments = host_rows.calls(memory, layout, clock, texts, names, told.pid)
    ops = device_ops(records, clock, names)
    seen, read = cpu.copy(), reads.copy()
    seen["at"], read["at"] = clock.of_host(cpu["at"]), clock.of_host(reads["at"])
    end = told.end if told.end is not None else ended
    calls_full = struct.unpack_from("<Q", memory, pool.CALLED_AT)[0] > layout.calls
    trace = Trace(
        ops=ops,
        calls=calls,
        syncs=waited_for(calls, arguments, names.texts, ops),
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
        dropped=(told.dropped or int(records.full or calls_full)) + records.cut_off,
        complete_until=_complete_until(calls, ops, calls_full, records.full or bool(told.dropped)),
        cost=cost,
        codes=_codes(texts, names),
    )
    return trace, {"CALLS": len(calls)} | records.count()


def _complete_until(calls: NDArray[Any], ops: NDArray[Any], calls_full: bool, ops_full: bool) -> int | None:
    """Return when records began to be lost: the last call that is there, or the last whose work is there."""
    ends = [int(calls["end"].max())] if calls_full and len(calls) else []
    if ops_full and len(ops):
        has_work = np.isin(calls["correlation"], ops["correlation"])
        ends.append(int((calls["end"][has_work] if has_work.any() else ops["end"]).max()))
    return min(ends, default=None)


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


def taken_over(told: Told, trace: Trace, counts: Mapping[str, int]) -> bool:
    """Say whether the program took the records itself: the one that the last call of all makes is not among them."""
    if not told.last_call or told.dropped or trace.complete_until is not None:
        return False
    return not any(counts.get(name) for name in LAST)


def driver_calls(memory: mmap.mmap, layout: pool.Layout) -> dict[int, str]:
    """Return the names of the driver's calls by the ids that the tracer has for them."""
    return call_names(read_texts(memory, layout))


def read_marks(memory: mmap.mmap, layout: pool.Layout) -> NDArray[np.int64] | None:
    """Return the nanoseconds that a marked run noted, since the program's first line; None if it noted none."""
    told = read_told(read_texts(memory, layout))
    (count,) = struct.unpack_from("<Q", memory, pool.MARKED_AT)
    if told is None or told.begin is None or not 0 < count <= layout.marks:
        return None
    moments = np.frombuffer(memory, np.int64, count, layout.slots_at)
    # The place is taken before the moment is written: a thread that ended between the two left 0.
    moments = moments[moments != 0]
    return np.sort(moments) - told.begin if len(moments) else None
