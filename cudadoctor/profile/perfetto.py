"""A trace as Chrome trace events, the JSON that ui.perfetto.dev and chrome://tracing open.

Each process and each device is a process of the timeline, each thread and each stream a row of it. NVTX ranges, Python
samples and the tracer's own cost have rows of their own below their thread. Arrows lead from a call to what it put on
the device. Times are microseconds since the program's first line, or since the first record where that is earlier.

Source: Trace Event Format, https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.trace import CallKind, DeviceKind, Doing, Memory, Overhead, Trace
from cudadoctor.profile.perfetto_rows import Row, Rows, places, without_overlap

_CHUNK = 50_000
_FIRST_DEVICE = 100_000_000
"""Processes of the timeline from here on are devices; process numbers of Linux are below 4,194,304."""

_OPERATIONS = {
    DeviceKind.KERNEL: "kernel",
    DeviceKind.COPY_TO_DEVICE: "copy to device",
    DeviceKind.COPY_TO_HOST: "copy to host",
    DeviceKind.COPY_ON_DEVICE: "copy on device",
    DeviceKind.COPY_BETWEEN_DEVICES: "copy between devices",
    DeviceKind.COPY_ON_HOST: "copy on host",
    DeviceKind.MEMSET: "memset",
    DeviceKind.GRAPH: "CUDA graph",
}


class _Base(NamedTuple):
    """What all events need: names ready for JSON, the moment that is 0, and the process that was traced."""

    names: list[str]
    zero: int
    process: int


def trace_events(trace: Trace) -> Iterator[bytes]:
    """Return the file in pieces; no more than a few ten thousand events are held at a time."""
    base = _Base([json.dumps(name) for name in trace.names], _zero(trace), _process(trace))
    rows = Rows(_FIRST_DEVICE)
    first = True
    yield b'{"displayTimeUnit":"ns","otherData":{"made by":"cudadoctor profile"},"traceEvents":[\n'
    for part in (
        _operations(trace, base, rows),
        _calls(trace, base, rows),
        _arrows(trace, base, rows),
        _ranges(trace, base, rows),
        _samples(trace, base, rows),
        _overheads(trace, base, rows),
        _cpu(trace, base),
        _end_of_records(trace, base),
        rows.named(base.process, trace.main_thread),
    ):
        for piece in _pieces(part):
            yield (b"" if first else b",\n") + piece
            first = False
    yield b"\n]}\n"


def _pieces(events: Iterable[str]) -> Iterator[bytes]:
    held: list[str] = []
    for event in events:
        held.append(event)
        if len(held) == _CHUNK:
            yield ",\n".join(held).encode("ascii")
            held.clear()
    if held:
        yield ",\n".join(held).encode("ascii")


def _zero(trace: Trace) -> int:
    tables = (trace.ops, trace.calls, trace.ranges, trace.overheads)
    starts = [int(table["start"].min()) for table in tables if len(table)]
    starts += [int(table["at"].min()) for table in (trace.samples, trace.cpu) if len(table)]
    return min([0, *starts])


def _process(trace: Trace) -> int:
    mine = trace.calls[trace.calls["thread"] == trace.main_thread]
    found = mine if len(mine) else trace.calls
    return int(found["process"][0]) if len(found) else trace.main_thread


def _chunks(table: NDArray[Any], *fields: str) -> Iterator[list[tuple[Any, ...]]]:
    for begin in range(0, len(table), _CHUNK):
        some = table[begin : begin + _CHUNK]
        yield list(zip(*(some[field].tolist() for field in fields), strict=True))


def _operations(trace: Trace, base: _Base, rows: Rows) -> Iterator[str]:
    zero, names = base.zero, base.names
    for (device, context, stream), mine in _groups(trace.ops, "device", "context", "stream"):
        for place, apart in enumerate(without_overlap(mine)):
            row = rows.of_stream(device, context, stream, place)
            head = f'{{"ph":"X","pid":{row.process},"tid":{row.thread}'
            for chunk in _chunks(
                apart, "kind", "start", "end", "name", "bytes", "source", "target",
                "blocks", "threads", "registers", "shared_bytes", "local_bytes",
            ):  # fmt: skip
                for kind, start, end, name, size, source, target, blocks, threads, regs, shared, local in chunk:
                    told = _OPERATIONS.get(kind, "operation")
                    if kind == DeviceKind.KERNEL:
                        shown = names[name] if 0 <= name < len(names) else '"kernel"'
                        more = (
                            f'"blocks":{blocks},"threads":{threads},"registers":{regs},"shared_bytes":{shared},'
                            f'"local_bytes":{local}'
                        )
                    else:
                        shown = f'"{told}"'
                        rate = f',"GB/s":{size / (end - start):.3f}' if size > 0 and end > start else ""
                        more = f'"bytes":{size},"from":"{_memory(source)}","to":"{_memory(target)}"{rate}'
                    yield (
                        f'{head},"ts":{(start - zero) / 1000:.3f},"dur":{(end - start) / 1000:.3f},"name":{shown},'
                        f'"cat":"{told}","args":{{{more}}}}}'
                    )


def _which(table: NDArray[Any], *fields: str) -> NDArray[np.int64]:
    """Return a number for each record that is the same for those alike in these fields."""
    which = np.zeros(len(table), np.int64)
    for field in fields:
        values, place = np.unique(table[field], return_inverse=True)
        which = which * max(1, len(values)) + place
    return which


def _all_places(table: NDArray[Any], *fields: str) -> NDArray[np.int64]:
    """Return the `places` of all records, each among those alike in these fields."""
    which = _which(table, *fields)
    made = np.zeros(len(table), np.int64)
    for group in np.unique(which).tolist():
        made[which == group] = places(table[which == group])
    return made


def _groups(table: NDArray[Any], *fields: str) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
    """Return the records by these fields, in the order of the table."""
    which = _which(table, *fields)
    for group in np.unique(which).tolist():
        mine = table[which == group]
        yield tuple(int(mine[field][0]) for field in fields), mine


def _memory(kind: int) -> str:
    return Memory(kind).name.lower() if kind in Memory._value2member_map_ else "unknown"


def _calls(trace: Trace, base: _Base, rows: Rows) -> Iterator[str]:
    zero, names = base.zero, base.names
    kinds = {int(kind): kind.name.lower() for kind in CallKind}
    for (process, thread), mine in _groups(trace.calls, "process", "thread"):
        for place, apart in enumerate(without_overlap(mine)):
            row = rows.of_thread(process, thread, "", place)
            head = f'{{"ph":"X","pid":{row.process},"tid":{row.thread}'
            for chunk in _chunks(apart, "kind", "start", "end", "name", "result"):
                for kind, start, end, name, result in chunk:
                    shown = names[name] if 0 <= name < len(names) else '"call"'
                    failed = f',"args":{{"result":{result}}}' if result else ""
                    yield (
                        f'{head},"ts":{(start - zero) / 1000:.3f},"dur":{(end - start) / 1000:.3f},"name":{shown},'
                        f'"cat":"{kinds.get(kind, "call")}"{failed}}}'
                    )


def _arrows(trace: Trace, base: _Base, rows: Rows) -> Iterator[str]:
    """Lead from each call to the first operation that it put on a device."""
    ops, calls, zero = trace.ops, trace.calls, base.zero
    call_numbers, first_calls = np.unique(calls["correlation"], return_index=True)
    op_numbers, first_ops = np.unique(ops["correlation"], return_index=True)
    numbers, of_calls, of_ops = np.intersect1d(call_numbers, op_numbers, assume_unique=True, return_indices=True)
    from_calls, to_ops = first_calls[of_calls], first_ops[of_ops]
    rows_of_calls, rows_of_ops = (
        _all_places(calls, "process", "thread"),
        _all_places(ops, "device", "context", "stream"),
    )
    kept = ops["start"][to_ops] >= calls["start"][from_calls]
    kept &= (rows_of_calls[from_calls] >= 0) & (rows_of_ops[to_ops] >= 0)
    numbers, from_calls, to_ops = numbers[kept], from_calls[kept], to_ops[kept]
    for begin in range(0, len(numbers), _CHUNK):
        piece = slice(begin, begin + _CHUNK)
        left, right = calls[from_calls[piece]], ops[to_ops[piece]]
        for number, process, thread, start, place, device, context, stream, arrived, beside in zip(
            numbers[piece].tolist(),
            *(left[field].tolist() for field in ("process", "thread", "start")),
            rows_of_calls[from_calls[piece]].tolist(),
            *(right[field].tolist() for field in ("device", "context", "stream", "start")),
            rows_of_ops[to_ops[piece]].tolist(),
            strict=True,
        ):
            begin_row = rows.of_thread(process, thread, "", place)
            end_row = rows.of_stream(device, context, stream, beside)
            yield (
                f'{{"ph":"s","id":{number},"pid":{begin_row.process},"tid":{begin_row.thread},'
                f'"ts":{(start - zero) / 1000:.3f},"name":"submits","cat":"submits"}}'
            )
            yield (
                f'{{"ph":"f","bp":"e","id":{number},"pid":{end_row.process},"tid":{end_row.thread},'
                f'"ts":{(arrived - zero) / 1000:.3f},"name":"submits","cat":"submits"}}'
            )


def _ranges(trace: Trace, base: _Base, rows: Rows) -> Iterator[str]:
    for thread in np.unique(trace.ranges["thread"]).tolist():
        mine = trace.ranges[trace.ranges["thread"] == thread]
        for place, apart in enumerate(without_overlap(mine)):
            row = rows.of_thread(base.process, thread, "NVTX", place)
            for chunk in _chunks(apart, "start", "end", "name"):
                for start, end, name in chunk:
                    shown = base.names[name] if 0 <= name < len(base.names) else '""'
                    yield _slice(row, start - base.zero, end - start, shown, "nvtx")


def _samples(trace: Trace, base: _Base, rows: Rows) -> Iterator[str]:
    """A thread's samples as spans: the same line again and again is one, up to the next sample."""
    kinds = {int(kind): kind.name.lower() for kind in Doing}
    lines = [json.dumps(f"{line.file}:{line.line} {line.function}") for line in trace.lines]
    for thread in np.unique(trace.samples["thread"]).tolist():
        mine = trace.samples[trace.samples["thread"] == thread]
        at = mine["at"]
        usual = int(np.median(np.diff(at))) if len(at) > 1 else 0
        lasts = np.minimum(np.append(np.diff(at), usual), 4 * usual)
        new = np.ones(len(mine), bool)
        new[1:] = (
            (mine["line"][1:] != mine["line"][:-1])
            | (mine["doing"][1:] != mine["doing"][:-1])
            | (np.diff(at) > 4 * usual)
        )
        begins = np.flatnonzero(new)
        ends = np.append(begins[1:], len(mine)) - 1
        row = rows.of_thread(base.process, thread, "Python")
        for first, last in zip(begins.tolist(), ends.tolist(), strict=True):
            line, doing = int(mine["line"][first]), int(mine["doing"][first])
            shown = lines[line] if 0 <= line < len(lines) else '"outside of the program"'
            length = int(at[last] + lasts[last] - at[first])
            args = f',"args":{{"samples":{last - first + 1}}}'
            yield _slice(row, int(at[first]) - base.zero, length, shown, kinds.get(doing, "python"), args)


def _overheads(trace: Trace, base: _Base, rows: Rows) -> Iterator[str]:
    kinds = {int(kind): kind.name.lower().replace("_", " ") for kind in Overhead}
    for thread in np.unique(trace.overheads["thread"]).tolist():
        mine = trace.overheads[trace.overheads["thread"] == thread]
        for place, apart in enumerate(without_overlap(mine)):
            row = rows.of_thread(base.process, thread, "overhead", place)
            for chunk in _chunks(apart, "kind", "start", "end"):
                for kind, start, end in chunk:
                    shown = json.dumps(kinds.get(kind, "overhead"))
                    yield _slice(row, start - base.zero, end - start, shown, "overhead")


def _slice(row: Row, start: int, length: int, name: str, category: str, more: str = "") -> str:
    return (
        f'{{"ph":"X","pid":{row.process},"tid":{row.thread},"ts":{start / 1000:.3f},"dur":{max(0, length) / 1000:.3f},'
        f'"name":{name},"cat":"{category}"{more}}}'
    )


def _cpu(trace: Trace, base: _Base) -> Iterator[str]:
    """The part of a core that each thread which calls the driver used."""
    for thread in sorted({trace.main_thread, *np.unique(trace.calls["thread"]).tolist()}):
        mine = trace.cpu[trace.cpu["thread"] == thread]
        apart = np.diff(mine["at"])
        used = np.clip(np.diff(mine["cpu"]) / np.maximum(apart, 1), 0.0, 1.0)
        for at, share in zip(mine["at"][:-1].tolist(), used.tolist(), strict=False):
            yield (
                f'{{"ph":"C","pid":{base.process},"ts":{(at - base.zero) / 1000:.3f},'
                f'"name":"CPU of thread {thread}","args":{{"cores":{share:.3f}}}}}'
            )


def _end_of_records(trace: Trace, base: _Base) -> Iterator[str]:
    if trace.complete_until is not None:
        yield (
            f'{{"ph":"i","s":"g","pid":{base.process},"tid":{trace.main_thread},'
            f'"ts":{(trace.complete_until - base.zero) / 1000:.3f},"name":"from here on records were lost"}}'
        )
