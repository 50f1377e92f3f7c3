"""The whole run in buckets: how busy each device was, and what the thread was at that issues its work. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.model import WORK
from cudadoctor.attribution.profile.trace import CallKind, DeviceKind, Doing, Trace
from cudadoctor.facts.timeline import SpanKind, Strip, StripRow

BUCKETS = 200
_LONG_NS = 20_000
"""Shorter calls that do nothing belong to the way into the next that does something."""
_WAY_NS = 200_000
"""The longest way of a library into a call, as the decomposition has it."""
_REACH_NS = 500_000_000
"""A sample speaks for buckets up to this long after it, where none was taken in them."""

CALL_NAMES: dict[int, SpanKind] = {
    CallKind.LAUNCH: "launching",
    CallKind.COPY: "copying",
    CallKind.MEMSET: "copying",
    CallKind.SYNC: "synchronizing",
    CallKind.ALLOCATE: "allocating",
    CallKind.FREE: "allocating",
    CallKind.MODULE: "compiling and loading",
    CallKind.CONTEXT: "context",
}
"""What calls are for, by the names of the idle parts; all others are `other calls`."""

_DOING_NAMES = {
    Doing.PYTHON: "Python",
    Doing.FEEDING: "Python",
    Doing.COMPILING: "compiling and loading",
    Doing.SLEEPING: "waiting",
    Doing.READING: "reading files",
    Doing.IMPORTING: "importing",
}

Floats = NDArray[np.float64]


def strip(trace: Trace) -> Strip:
    """Return how the whole run went."""
    end = max(trace.end, 1)
    edges = np.linspace(0.0, float(end), BUCKETS + 1)
    rows = [*_of_devices(trace, edges), *_of_host(trace, edges)]
    until = trace.complete_until
    known = np.ones(BUCKETS, bool) if until is None else edges[:-1] < until
    return Strip(
        bucket_s=end / BUCKETS / 1e9,
        rows=tuple(
            StripRow(
                name=name, shares=tuple(round(float(share), 3) for share in np.where(known, shares, 0.0)), device=on
            )
            for name, on, shares in rows
            if shares[known].max(initial=0.0) >= 0.0005
        ),
        thread=issuing_thread(trace),
        known_until_s=None if until is None else until / 1e9,
    )


def issuing_thread(trace: Trace) -> int:
    """Return the thread that launches and copies most, the main one where none does."""
    issues = trace.calls["thread"][np.isin(trace.calls["kind"], (CallKind.LAUNCH, CallKind.COPY, CallKind.MEMSET))]
    if not len(issues):
        return trace.main_thread
    threads, many = np.unique(issues, return_counts=True)
    return int(threads[many.argmax()])


def _of_devices(trace: Trace, edges: Floats) -> list[tuple[str, int | None, Floats]]:
    rows: list[tuple[str, int | None, Floats]] = []
    for device in np.unique(trace.ops["device"]).tolist():
        mine = trace.ops[trace.ops["device"] == device]
        kernels = _covered(mine[np.isin(mine["kind"], (DeviceKind.KERNEL, DeviceKind.GRAPH))], edges)
        rows.append(("kernels", device, kernels))
        rows.append(("copies", device, np.maximum(_covered(mine, edges) - kernels, 0.0)))
    return rows


def _of_host(trace: Trace, edges: Floats) -> list[tuple[str, int | None, Floats]]:
    thread = issuing_thread(trace)
    calls = _with_ways(trace.calls[trace.calls["thread"] == thread])
    made: dict[str, Floats] = {}
    for kind in np.unique(calls["kind"]).tolist():
        name: str = CALL_NAMES.get(kind, "other calls")
        made[name] = made.get(name, np.zeros(BUCKETS)) + _covered(calls[calls["kind"] == kind], edges)
    total = np.maximum(sum(made.values(), np.zeros(BUCKETS)), 1.0)
    made = {name: shares / total for name, shares in made.items()}
    free = 1.0 - sum(made.values(), np.zeros(BUCKETS))
    for name, shares in _between_calls(trace, thread, calls, edges).items():
        made[name] = made.get(name, np.zeros(BUCKETS)) + shares * free
    # No more Python can have run than the thread used CPU time: the rest of it waited in a native function.
    used = _cpu(trace, thread, edges)
    python = made.pop("Python", np.zeros(BUCKETS))
    made["Python"] = np.minimum(python, np.nan_to_num(used))
    for name, where in (("host", np.isnan(used)), ("waiting", ~np.isnan(used))):
        made[name] = made.get(name, np.zeros(BUCKETS)) + np.where(where, python - made["Python"], 0.0)
    return [(name, None, shares) for name, shares in made.items()]


def _with_ways(calls: NDArray[Any]) -> NDArray[Any]:
    """Return the calls that do something or take long, each from where the library's way into it began."""
    kept: NDArray[Any] = calls[np.isin(calls["kind"], WORK) | (calls["end"] - calls["start"] >= _LONG_NS)].copy()
    if len(kept):
        ended = np.maximum.accumulate(kept["end"])[:-1]
        near = kept["start"][1:] - ended <= _WAY_NS
        kept["start"][1:] = np.where(near & np.isin(kept["kind"][1:], WORK), ended, kept["start"][1:])
    return kept


def _between_calls(trace: Trace, thread: int, calls: NDArray[Any], edges: Floats) -> dict[str, Floats]:
    """Return which part of the time between calls went to what, by the samples taken there."""
    samples = trace.samples[trace.samples["thread"] == thread]
    if len(calls):
        ended = np.maximum.accumulate(calls["end"])
        before = np.searchsorted(calls["start"], samples["at"], side="right") - 1
        samples = samples[(before < 0) | (samples["at"] > ended[np.maximum(before, 0)])]
    bucket = np.clip(np.searchsorted(edges, samples["at"], side="right") - 1, 0, BUCKETS - 1)
    many = np.bincount(bucket, minlength=BUCKETS)
    last = np.maximum.accumulate(np.where(many > 0, np.arange(BUCKETS), -1))
    told = (last >= 0) & (edges[:-1] - edges[np.maximum(last, 0) + 1] <= _REACH_NS)
    made = {"host": np.where(told, 0.0, 1.0)}
    for doing, name in _DOING_NAMES.items():
        part = np.bincount(bucket[samples["doing"] == doing], minlength=BUCKETS) / np.maximum(many, 1)
        made[name] = made.get(name, 0.0) + np.where(told, part[np.maximum(last, 0)], 0.0)
    return made


def _cpu(trace: Trace, thread: int, edges: Floats) -> Floats:
    """Return the CPU time of a thread as a part of each bucket, NaN where it was not read."""
    mine = trace.cpu[trace.cpu["thread"] == thread]
    if len(mine) < 2:
        return np.full(BUCKETS, np.nan)
    used = np.diff(np.interp(edges, mine["at"], np.maximum.accumulate(mine["cpu"])))
    read = (edges[1:] > mine["at"][0]) & (edges[:-1] < mine["at"][-1])
    shares: Floats = np.where(read, used / np.diff(edges), np.nan)
    return shares


def _covered(spans: NDArray[Any], edges: Floats) -> Floats:
    """Return which part of each bucket lies in at least one of the spans, which are sorted by start."""
    if not len(spans):
        return np.zeros(len(edges) - 1)
    start, end = spans["start"].astype(np.float64), spans["end"].astype(np.float64)
    reached = np.maximum.accumulate(end)
    start[1:] = np.maximum(start[1:], reached[:-1])
    keep = end > start
    start, end = start[keep], end[keep]
    if not len(start):
        return np.zeros(len(edges) - 1)
    at = np.stack([start, end], axis=1).ravel()
    sums = np.stack([np.zeros(len(start)), end - start], axis=1).ravel().cumsum()
    shares: Floats = np.clip(np.diff(np.interp(edges, at, sums)) / np.diff(edges), 0.0, 1.0)
    return shares
