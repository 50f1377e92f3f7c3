"""What is drawn of a traced run: all of it as a strip, and two or three typical steps span by span. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile import by_callback
from cudadoctor.attribution.profile.model import tidy
from cudadoctor.attribution.profile.strip import CALL_NAMES, issuing_thread, strip
from cudadoctor.attribution.profile.trace import CallKind, DeviceKind, Memory, Trace
from cudadoctor.facts.profile import Steps
from cudadoctor.facts.timeline import Excerpt, Lane, Span, SpanKind, Timeline
from cudadoctor.text import shortened
from cudadoctor.units import format_size

MOST_SPANS = 600
MOST_LANES = 8
_MOST_RECORDS = 20_000
_FEW_RECORDS = 300
"""Three steps are shown where they have no more records than this, else two."""
_APART = 600
"""Spans closer than this part of the excerpt are not drawn apart."""
_NAME = 80
_SHORTEST = 10.0
_FEW_OPERATIONS = 60
"""Of a run in which nothing repeats, so many from its middle are shown."""

_OP_NAMES: dict[int, SpanKind] = {
    DeviceKind.KERNEL: "kernel",
    DeviceKind.GRAPH: "graph",
    DeviceKind.COPY_TO_DEVICE: "to device",
    DeviceKind.COPY_TO_HOST: "to host",
    DeviceKind.COPY_ON_DEVICE: "on device",
    DeviceKind.COPY_BETWEEN_DEVICES: "between devices",
    DeviceKind.COPY_ON_HOST: "on host",
    DeviceKind.MEMSET: "set",
}
_MEMORY = {Memory.PAGEABLE: "pageable", Memory.PINNED: "pinned", Memory.MANAGED: "managed"}


class _Cut(NamedTuple):
    """A piece of the run in nanoseconds, and how many steps it holds."""

    begin: float
    end: float
    steps: float | None

    def half(self) -> _Cut:
        """Return its first half."""
        return _Cut(self.begin, (self.begin + self.end) / 2, None if self.steps is None else self.steps / 2)


def timeline(trace: Trace, steps: Steps | None = None) -> Timeline:
    """Return what to draw of a trace; `steps` says where the steady steps are. Waits are drawn however they ended."""
    trace = by_callback.with_waits(tidy(trace))
    return Timeline(strip=strip(trace), excerpt=_excerpt(trace, steps) if len(trace.ops) else None)


def _excerpt(trace: Trace, steps: Steps | None) -> Excerpt:
    cut = _typical(trace, steps)
    while _records(trace, cut) > _MOST_RECORDS and cut.end - cut.begin > _SHORTEST:
        cut = cut.half()
    lanes, spans, left_out = _drawn(trace, cut)
    while len(spans) > MOST_SPANS and cut.end - cut.begin > _SHORTEST:
        cut = cut.half()
        lanes, spans, left_out = _drawn(trace, cut)
    return Excerpt(
        start_s=cut.begin / 1e9,
        length_us=(cut.end - cut.begin) / 1e3,
        lanes=lanes,
        spans=spans[:MOST_SPANS],
        steps=cut.steps,
        lanes_left_out=left_out,
    )


def _typical(trace: Trace, steps: Steps | None) -> _Cut:
    """Return two or three steps from the middle of the steady ones that took as long as most; else some operations."""
    ops = trace.ops
    if steps is None or steps.found_by == "none" or steps.window_end_s <= steps.window_start_s:
        first = max(0, (len(ops) - _FEW_OPERATIONS) // 2)
        some = ops[first : first + _FEW_OPERATIONS]
        return _Cut(float(some["start"][0]), float(max(some["end"].max(), some["start"][0] + 1)), None)
    begin, end = steps.window_start_s * 1e9, steps.window_end_s * 1e9
    count = max(1, steps.count)
    starts = _starts(ops, begin, end, count)
    one = _Cut(begin, begin + (end - begin) / count, 1.0)
    held = min(count, 3 if 3 * _records(trace, one) <= _FEW_RECORDS else 2)
    lengths = starts[held:] - starts[:-held]
    off = np.abs(lengths - np.median(lengths)) / max(float(np.median(lengths)), 1.0)
    middle = np.abs(np.arange(len(lengths)) - len(lengths) / 2) / len(lengths)
    first = int(np.argmin(np.round(off, 2) + 0.001 * middle))
    return _Cut(float(starts[first]), float(max(starts[first + held], starts[first] + 1)), float(held))


def _starts(ops: NDArray[Any], begin: float, end: float, count: int) -> NDArray[np.float64]:
    """Return where the steps begin, with the end of the last: by the operation that the window begins with."""
    model = ops[int(np.argmin(np.abs(ops["start"] - begin)))]
    alike = np.ones(len(ops), bool)
    for field in ("kind", "name", "device", "stream", "bytes"):
        alike &= ops[field] == model[field]
    found = ops["start"][alike & (ops["start"] >= begin - 1000) & (ops["start"] < end - 1000)].astype(np.float64)
    each = max(1, round(len(found) / count))
    found = found[::each]
    if abs(len(found) - count) <= 0.05 * count and len(found) > 1:
        return np.append(found, end)
    return np.linspace(begin, end, count + 1)


def _inside(records: NDArray[Any], cut: _Cut) -> NDArray[Any]:
    some = records[: np.searchsorted(records["start"], cut.end)]
    inside: NDArray[Any] = some[some["end"] > cut.begin]
    return inside


def _records(trace: Trace, cut: _Cut) -> int:
    return sum(
        int(np.searchsorted(records["start"], cut.end) - np.searchsorted(records["start"], cut.begin))
        for records in (trace.ops, trace.calls)
    )


def _drawn(trace: Trace, cut: _Cut) -> tuple[tuple[Lane, ...], tuple[Span, ...], int]:
    """Return the lanes, their spans, and how many lanes are left out."""
    ops, calls = _inside(trace.ops, cut), _inside(trace.calls, cut)
    least = (cut.end - cut.begin) / _APART
    calls = calls[(calls["kind"] != CallKind.QUERY) | (calls["end"] - calls["start"] >= least)]
    issuing = issuing_thread(trace)
    threads, called = np.unique(calls["thread"], return_counts=True)
    order = sorted(zip(threads.tolist(), called.tolist(), strict=True), key=lambda each: (each[0] != issuing, -each[1]))
    streams = np.unique(ops[["device", "stream"]]).tolist()
    busy = {key: int((mine["end"] - mine["start"]).sum()) for key in streams for mine in [_of_stream(ops, *key)]}
    shown_streams = sorted(sorted(streams, key=lambda key: -busy[key])[: MOST_LANES - min(3, len(order))])
    shown_threads = [thread for thread, _ in order[: MOST_LANES - len(shown_streams)]]
    lanes = [Lane(kind="thread", number=thread, main=thread == trace.main_thread) for thread in shown_threads]
    spans: list[Span] = []
    for place, thread in enumerate(shown_threads):
        spans += _joined(_called(trace, calls[calls["thread"] == thread]), place, cut, least)
    for place, (device, stream) in enumerate(shown_streams, len(lanes)):
        lanes.append(Lane(kind="stream", number=stream, device=device))
        spans += _joined(_worked(trace, _of_stream(ops, device, stream)), place, cut, least)
    return tuple(lanes), tuple(spans), len(order) + len(streams) - len(lanes)


def _of_stream(ops: NDArray[Any], device: int, stream: int) -> NDArray[Any]:
    mine: NDArray[Any] = ops[(ops["device"] == device) & (ops["stream"] == stream)]
    return mine


def _called(trace: Trace, calls: NDArray[Any]) -> Iterator[tuple[float, float, SpanKind, str]]:
    for kind, start, end, name in calls[["kind", "start", "end", "name"]].tolist():
        yield start, end, CALL_NAMES.get(kind, "other calls"), _name(trace, name)


def _worked(trace: Trace, ops: NDArray[Any]) -> Iterator[tuple[float, float, SpanKind, str]]:
    for kind, start, end, name, size, source, target in ops[
        ["kind", "start", "end", "name", "bytes", "source", "target"]
    ].tolist():
        told = _name(trace, name)
        if not told and size > 0:
            memory = _MEMORY.get(source) or _MEMORY.get(target)
            told = f"{format_size(size)}, {memory}" if memory else format_size(size)
        yield start, end, _OP_NAMES.get(kind, "on device"), told


def _name(trace: Trace, place: int) -> str:
    return shortened(trace.names[place], _NAME) if 0 <= place < len(trace.names) else ""


def _joined(
    records: Iterator[tuple[float, float, SpanKind, str]], lane: int, cut: _Cut, least: float
) -> Iterator[Span]:
    """Return the spans of a lane; short ones of one kind that follow each other closely become one."""
    now: tuple[float, float, SpanKind, str] | None = None
    count, filled = 0, 0.0
    for start, end, kind, name in records:
        if now is not None and kind == now[2] and start - now[1] < least and min(end - start, now[1] - now[0]) < least:
            filled += max(0.0, end - max(start, now[1]))
            now, count = (now[0], max(now[1], end), kind, now[3]), count + 1
            continue
        if now is not None:
            yield _span(*now, lane, cut, count, filled)
        now, count, filled = (start, end, kind, name), 1, float(end - start)
    if now is not None:
        yield _span(*now, lane, cut, count, filled)


def _span(start: float, end: float, kind: SpanKind, name: str, lane: int, cut: _Cut, count: int, filled: float) -> Span:
    share = 1.0 if count == 1 or end <= start else round(min(1.0, filled / (end - start)), 3)
    begin, close = (round((max(cut.begin, min(cut.end, at)) - cut.begin) / 1e3, 3) for at in (start, end))
    return Span(lane=lane, kind=kind, name=name, start_us=begin, end_us=close, count=count, filled=share)
