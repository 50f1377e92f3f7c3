"""Tables of a traced run: its kernels, copies and calls by total time, and the user's lines the host was found at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cudadoctor.attribution.profile.decomposition import COPIES, Busy, direction, host_memory, name_of
from cudadoctor.attribution.profile.grouping import grouped
from cudadoctor.attribution.profile.model import Floats, Ints, Model
from cudadoctor.attribution.profile.trace import CallKind, DeviceKind, Doing, Peaks
from cudadoctor.facts.profile import CallRow, CopyRow, KernelRow, LineRow

MOST_ROWS = 50
_MOST_LINES = 20
_DOING = {
    Doing.PYTHON: "Python",
    Doing.FEEDING: "Python",
    Doing.COMPILING: "compiling",
    Doing.SLEEPING: "sleeping",
    Doing.READING: "reading",
    Doing.IMPORTING: "importing",
}
_IN_CALL = {
    CallKind.LAUNCH: "launching",
    CallKind.COPY: "copying",
    CallKind.MEMSET: "copying",
    CallKind.SYNC: "synchronizing",
    CallKind.ALLOCATE: "allocating",
    CallKind.FREE: "allocating",
    CallKind.MODULE: "loading",
}
_KIND_NAMES = {kind: kind.name.lower() for kind in CallKind}


def kernel_rows(model: Model) -> tuple[KernelRow, ...]:
    """Return the kernels of the whole run by name, longest in all first."""
    ops = model.trace.ops
    ops = ops[(ops["kind"] == DeviceKind.KERNEL) | (ops["kind"] == DeviceKind.GRAPH)]
    names = np.where(ops["kind"] == DeviceKind.GRAPH, -2, ops["name"]).astype(np.int64)
    duration = (ops["end"] - ops["start"]).astype(np.float64)
    total = float(duration.sum()) or 1.0
    rows = []
    for name, mine in _largest(names, duration):
        time = duration[mine]
        longest = ops[mine[int(time.argmax())]]
        rows.append(
            KernelRow(
                name=name_of(model, name), count=len(mine), total_ms=float(time.sum()) / 1e6,
                median_us=float(np.median(time)) / 1e3, share=float(time.sum()) / total,
                blocks=int(longest["blocks"]), threads=int(longest["threads"]), registers=int(longest["registers"]),
                shared_bytes=int(longest["shared_bytes"]), local_bytes=int(longest["local_bytes"]),
            )
        )  # fmt: skip
    return tuple(rows)


def copy_rows(model: Model, busies: Sequence[Busy], peaks: Peaks) -> tuple[CopyRow, ...]:
    """Return the copies of the whole run by direction and memory, longest in all first."""
    ops = model.trace.ops
    duration = (ops["end"] - ops["start"]).astype(np.float64)
    exposed = np.zeros(len(ops))
    for busy in busies:
        exposed[busy.places] = busy.exposed(-1e18, 1e18)
    copies = np.flatnonzero(np.isin(ops["kind"], COPIES))
    firsts, which, _ = grouped(*(ops[field][copies] for field in ("kind", "source", "target")))
    groups: dict[tuple[str, str], list[Ints]] = {}
    for place, first in enumerate(firsts.tolist()):
        op = ops[copies[first]]
        where = direction(op["kind"]), host_memory(op["kind"], op["source"], op["target"])
        groups.setdefault(where, []).append(copies[which == place])
    peak = {"to device": peaks.to_device, "to host": peaks.to_host}
    rows = []
    for (way, memory), found in groups.items():
        mine = np.concatenate(found)
        moved, time = ops["bytes"][mine].astype(np.float64), duration[mine]
        most = peak.get(way)
        rows.append(
            CopyRow(
                direction=way,  # type: ignore[arg-type]
                memory=memory,  # type: ignore[arg-type]
                count=len(mine),
                bytes=int(moved.sum()),
                total_ms=float(time.sum()) / 1e6,
                exposed_ms=float(exposed[mine].sum()) / 1e6,
                median_bytes=float(np.median(moved)),
                median_us=float(np.median(time)) / 1e3,
                gb_per_s=float(moved.sum() / time.sum()) if time.sum() > 0 else None,
                peak_gb_per_s=most / 1e9 if most else None,
            )
        )
    return tuple(sorted(rows, key=lambda row: -row.total_ms))


def call_rows(model: Model) -> tuple[CallRow, ...]:
    """Return the calls of the whole run by name, longest in all first."""
    calls = model.trace.calls
    duration = (calls["end"] - calls["start"]).astype(np.float64)
    return tuple(
        CallRow(
            name=model.trace.names[name] if 0 <= name < len(model.trace.names) else "unnamed call",
            kind=_KIND_NAMES.get(int(calls["kind"][mine[0]]), "other"),  # type: ignore[call-overload]
            count=len(mine),
            total_ms=float(duration[mine].sum()) / 1e6,
            median_us=float(np.median(duration[mine])) / 1e3,
        )
        for name, mine in _largest(calls["name"].astype(np.int64), duration)
    )


def line_rows(model: Model, busies: Sequence[Busy], begin: float, end: float) -> tuple[LineRow, ...]:
    """Return the lines at which the lane that issues most work was found in a window, most often first."""
    trace, calls = model.trace, model.calls
    lane = int(np.bincount(calls.lane[calls.op_count > 0]).argmax()) if (calls.op_count > 0).any() else 0
    samples = trace.samples
    mine = (samples["at"] >= begin) & (samples["at"] < end) & np.isin(samples["thread"], model.lanes[lane])
    samples = samples[mine & (samples["line"] >= 0) & (samples["line"] < len(trace.lines))]
    if not len(samples):
        return ()
    at = samples["at"].astype(np.float64)
    busy = np.zeros(len(at), bool)
    for each in busies:
        busy |= each.busy(at, at + 1) > 0
    places = np.flatnonzero(calls.lane == lane)
    inside = np.searchsorted(calls.start[places], samples["at"], side="right") - 1
    within = (inside >= 0) & (samples["at"] <= calls.end[places[np.maximum(inside, 0)]]) if len(places) else inside > 0
    kinds = np.where(within, calls.kind[places[np.maximum(inside, 0)]] if len(places) else 0, 0)
    idle_in_all = max(1, int((~busy).sum()))
    rows = []
    for line, found in _largest(samples["line"].astype(np.int64), np.ones(len(samples)), _MOST_LINES):
        told = [
            _DOING.get(int(d), "Python") if not k else _IN_CALL.get(int(k), "calling")  # type: ignore[call-overload]
            for k, d in zip(kinds[found].tolist(), samples["doing"][found].tolist(), strict=True)
        ]
        place = trace.lines[line]
        rows.append(
            LineRow(
                file=place.file, line=place.line, function=place.function,
                doing=max(sorted(set(told)), key=told.count),
                samples=len(found), share=len(found) / len(samples),
                idle_share=float((~busy[found]).sum()) / idle_in_all,
            )
        )  # fmt: skip
    return tuple(rows)


def _largest(key: Ints, weight: Floats, most: int = MOST_ROWS) -> list[tuple[int, Ints]]:
    """Return the keys with the largest sums, and their places."""
    if not len(key):
        return []
    firsts, which, many = grouped(key)
    order = np.argsort(which, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(many)])
    sums = np.bincount(which, weight)
    top = np.argsort(-sums, kind="stable")[:most]
    return [(int(key[firsts[place]]), order[bounds[place] : bounds[place + 1]]) for place in top]
