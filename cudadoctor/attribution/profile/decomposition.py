"""Where the wall time of one GPU goes: kernels, copies that no kernel hides, and an idle device by what held it up.

Each moment belongs to one thing. Where kernels overlap it belongs to the one that began first; where a copy and a
kernel do, to the kernel. An idle moment belongs to what the lane was doing that issued the next operation; once that
was issued, to the call which issued it (the way to the device is part of a launch). So the parts sum to the wall time,
up to rounding; the residual is what no record explains: idle time before an operation whose call was not recorded, and
all after the records break off.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from cudadoctor.attribution.profile.charges import NAMES, At
from cudadoctor.attribution.profile.grouping import grouped
from cudadoctor.attribution.profile.host import Host
from cudadoctor.attribution.profile.lane_time import TRACER
from cudadoctor.attribution.profile.model import Floats, Ints, Model
from cudadoctor.attribution.profile.trace import DeviceKind, Memory
from cudadoctor.facts.profile import Breakdown, Part

COPIES = (
    DeviceKind.COPY_TO_DEVICE,
    DeviceKind.COPY_TO_HOST,
    DeviceKind.COPY_ON_DEVICE,
    DeviceKind.COPY_BETWEEN_DEVICES,
    DeviceKind.COPY_ON_HOST,
    DeviceKind.MEMSET,
)
_MOST_KERNELS = 20
_DIRECTIONS: dict[int, str] = {
    DeviceKind.COPY_TO_DEVICE: "to device",
    DeviceKind.COPY_TO_HOST: "to host",
    DeviceKind.COPY_ON_DEVICE: "on device",
    DeviceKind.COPY_BETWEEN_DEVICES: "between devices",
    DeviceKind.COPY_ON_HOST: "on host",
    DeviceKind.MEMSET: "set",
}
_MEMORIES: dict[int, str] = {
    Memory.PAGEABLE: "pageable",
    Memory.PINNED: "pinned",
    Memory.MANAGED: "managed",
    Memory.MANAGED_STATIC: "managed",
}


def direction(kind: int) -> str:
    """Return which way a copy goes, in words."""
    return _DIRECTIONS.get(kind, "on device")


def host_memory(kind: int, source: int, target: int) -> str:
    """Return what kind of memory the host's end of a copy is."""
    if kind not in (DeviceKind.COPY_TO_DEVICE, DeviceKind.COPY_TO_HOST):
        return "device"
    end = source if kind == DeviceKind.COPY_TO_DEVICE else target
    return _MEMORIES.get(end, "unknown")


class Busy:
    """What a device worked on: for each of its operations the time that is its alone, sorted by start."""

    def __init__(self, model: Model, device: int) -> None:
        """Lay the operations of a device over each other."""
        ops = model.trace.ops
        self.device = int(device)
        self.places = np.flatnonzero(ops["device"] == device)
        mine = ops[self.places]
        self.start, self.end = mine["start"].astype(np.int64), mine["end"].astype(np.int64)
        self.kernel = (mine["kind"] == DeviceKind.KERNEL) | (mine["kind"] == DeviceKind.GRAPH)
        kernels = np.flatnonzero(self.kernel)
        self._kernel_sums = _Union(self.start[kernels], self.end[kernels])
        self._all_sums = _Union(self.start, self.end)
        self.alone_from, self.alone_to = self.start.copy(), self.end.copy()
        for which in (kernels, np.flatnonzero(~self.kernel)):
            reached = np.maximum.accumulate(self.end[which]) if len(which) else self.end[which]
            self.alone_from[which[1:]] = np.maximum(self.start[which[1:]], reached[:-1])
        self.alone_to = np.maximum(self.end, self.alone_from)

    def exposed(self, begin: float, end: float) -> Floats:
        """Return how long each operation within a window had the device for itself, nanoseconds."""
        low = np.clip(self.alone_from, begin, end)
        high = np.clip(self.alone_to, begin, end)
        length = (high - low).astype(np.float64)
        copies = ~self.kernel
        length[copies] -= self._kernel_sums.between(low[copies], high[copies])
        made: Floats = np.maximum(length, 0.0)
        return made

    def busy(self, begin: Floats, end: Floats) -> Floats:
        """Return how long the device worked in each span."""
        return self._all_sums.between(begin, end)

    def gaps(self, begin: float, end: float) -> tuple[Floats, Floats, Ints]:
        """Return the idle spans of a window, and the place of the operation that ended each (-1: none did)."""
        reached = np.maximum.accumulate(self.end)
        low = np.concatenate([[-np.inf], reached.astype(np.float64)])
        high = np.concatenate([self.start.astype(np.float64), [np.inf]])
        following = np.concatenate([self.places, [-1]])
        keep = (high > low) & (high > begin) & (low < end)
        return np.maximum(low[keep], begin), np.minimum(high[keep], end), following[keep]


class _Union:
    """Running sum of the time in which at least one of some spans is under way; the spans are sorted by start."""

    def __init__(self, start: Ints, end: Ints) -> None:
        reached = np.maximum.accumulate(end) if len(end) else end
        begins = start.copy()
        begins[1:] = np.maximum(start[1:], reached[:-1])
        keep = end > begins
        begins, ends = begins[keep], end[keep]
        self.at = np.stack([begins, ends], axis=1).ravel().astype(np.float64)
        self.sums = np.stack([np.zeros(len(begins)), (ends - begins).astype(np.float64)], axis=1).ravel().cumsum()

    def between(self, begin: Floats | Ints, end: Floats | Ints) -> Floats:
        if not len(self.at):
            return np.zeros(len(begin))
        made: Floats = np.interp(end, self.at, self.sums) - np.interp(begin, self.at, self.sums)
        return made


def decompose(
    model: Model, host: Host, busy: Busy, window: Literal["steady", "whole"], begin: float, end: float
) -> Breakdown:
    """Take the wall time of one GPU between two moments apart, nanoseconds."""
    wall = max(0.0, end - begin)
    parts = [*_worked(model, busy, begin, end)]
    low, high, following = busy.gaps(begin, end)
    until = model.trace.complete_until
    if until is not None:
        high = np.minimum(high, max(float(until), begin))
        keep = high > low
        low, high, following = low[keep], high[keep], following[keep]
    amounts = _charged(model, host, low, high, following)
    if window == "whole" and len(busy.start):
        first, last = float(busy.start[0]), float(busy.end.max())
        ahead, behind = high <= first, low >= last
        parts += _idle("before", amounts[ahead].sum(axis=0))
        parts += _idle("after", amounts[behind & ~ahead].sum(axis=0))
        amounts = amounts[~(ahead | behind)]
    elif window == "whole":
        parts += _idle("before", amounts.sum(axis=0))
        amounts = amounts[:0]
    parts += _idle("idle", amounts.sum(axis=0))
    tracer = sum(part.ms for part in parts if part.kind == "tracer")
    parts = [part for part in parts if part.kind != "tracer"]
    if tracer > 0:
        parts.append(Part(kind="tracer", name="tracer", ms=tracer))
    told = sum(part.ms for part in parts)
    return Breakdown(
        window=window, device=busy.device, wall_ms=wall / 1e6, parts=tuple(parts), residual_ms=wall / 1e6 - told
    )


def _worked(model: Model, busy: Busy, begin: float, end: float) -> Iterable[Part]:
    ops = model.trace.ops[busy.places]
    alone = busy.exposed(begin, end)
    kernels = np.flatnonzero(busy.kernel & (alone > 0))
    names = np.where(ops["kind"][kernels] == DeviceKind.GRAPH, -2, ops["name"][kernels]).astype(np.int64)
    firsts, which, _ = grouped(names)
    values, sums = names[firsts], np.bincount(which, alone[kernels], len(firsts))
    order = np.argsort(-sums, kind="stable")
    for place in order[:_MOST_KERNELS]:
        yield Part(kind="kernels", name=name_of(model, int(values[place])), ms=float(sums[place]) / 1e6)
    if len(order) > _MOST_KERNELS:
        rest = order[_MOST_KERNELS:]
        yield Part(kind="kernels", name=f"{len(rest)} other kernels", ms=float(sums[rest].sum()) / 1e6)
    copies = np.flatnonzero(~busy.kernel & (alone > 0))
    told: dict[str, float] = {}
    if len(copies):
        sorts, which, _ = grouped(*(ops[field][copies] for field in ("kind", "source", "target")))
        sums = np.bincount(which, alone[copies], len(sorts))
        for place, nanoseconds in zip(sorts.tolist(), sums.tolist(), strict=True):
            op = ops[copies[place]]
            name = f"{direction(op['kind'])}, {host_memory(op['kind'], op['source'], op['target'])}"
            told[name] = told.get(name, 0.0) + nanoseconds
    for name, nanoseconds in sorted(told.items(), key=lambda item: -item[1]):
        yield Part(kind="copies", name=name, ms=nanoseconds / 1e6)


def name_of(model: Model, name: int) -> str:
    """Return a kernel's name by its index; -2 is a graph."""
    if name == -2:
        return "CUDA graph"
    return model.trace.names[name] if 0 <= name < len(model.trace.names) else "unnamed kernel"


def _idle(kind: str, amounts: Floats) -> list[Part]:
    made = [
        Part(kind=kind, name=NAMES[at], ms=float(amounts[at]) / 1e6)  # type: ignore[arg-type]
        for at in At
        if amounts[at] > 0
    ]
    made.sort(key=lambda part: -part.ms)
    if amounts[TRACER] > 0:
        made.append(Part(kind="tracer", name="tracer", ms=float(amounts[TRACER]) / 1e6))
    return made


def _charged(model: Model, host: Host, low: Floats, high: Floats, following: Ints) -> Floats:
    """Return what each idle span is charged to: spans x categories and the tracer; nothing where no record tells."""
    amounts = np.zeros((len(low), TRACER + 1))
    if not len(low):
        return amounts
    call_of = np.full(len(model.trace.ops) + 1, -1, np.int64)
    call_of[model.ops.record] = model.ops.call
    call = np.where(following >= 0, call_of[following], -1)
    orphan = (following >= 0) & (call < 0)
    calls = model.calls
    known = call >= 0
    done = np.where(known, np.clip(calls.end[call] if len(calls.end) else 0, low, high), high)
    lane = np.where(known, calls.lane[call] if len(calls.lane) else 0, 0)
    # On its way to the device.
    places = np.flatnonzero(known)
    amounts[places, host.at[call[places]]] += (high - done)[places]
    for each in range(len(model.lanes)):
        mine = np.flatnonzero((lane == each) & ~orphan & (done > low))
        if len(mine):
            amounts[mine] += host.timeline(each).between(low[mine], done[mine])
    return amounts
