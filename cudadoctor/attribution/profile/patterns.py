"""What slow programs look like in a trace: patterns of calls, each with the program as it would be without it.

A pattern alone is no cause (see `what_ifs` and `causes`): it says what to take out, what was seen, and whether the
signs are those that the cause needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from cudadoctor.attribution.profile import edits
from cudadoctor.attribution.profile.charges import At
from cudadoctor.attribution.profile.edits import SMALL_BYTES, Edit, Mask
from cudadoctor.attribution.profile.excerpt import Excerpt
from cudadoctor.attribution.profile.trace import CallKind, DeviceKind, Memory, Peaks
from cudadoctor.facts.profile import Breakdown, Sign

EXPOSED_LAUNCHES = 0.25
EXPOSED_COPIES = 0.15
EXPOSED_HOST = 0.25
BUSY_HOST = 0.8
IDLE_HOST = 0.3
IDLE_BEFORE = 0.5
SLOW_COPY = 0.6
AT_THE_LINK = 0.8
MANY_COPIES = 3
MOST_STEPS = 0.5
LEAST_SHARE = 0.05
_GAP = 1_500.0
"""Nanoseconds between two kernels of a stream that were queued: not idle for want of work."""


class Candidate(NamedTuple):
    """One cause that may be: how the program would be without it, and what was seen."""

    cause: str
    edit: Edit
    assumes: str
    seen: tuple[Sign, ...]
    fits: bool = True
    bound: bool = False
    kernels: tuple[int, ...] = ()


class Window(NamedTuple):
    """What patterns are looked for in: an excerpt, the breakdown of its GPU, and what this machine can reach."""

    excerpt: Excerpt
    parts: Breakdown
    peaks: Peaks

    def sign(self, name: str, value: float, source: str = "trace") -> Sign:
        """Return a sign with its figure rounded."""
        return Sign(name=name, value=float(f"{value:.4g}"), source=source)

    def exposed_copies(self) -> float:
        """Return which part of the time copies take that nothing hides."""
        return self.parts.share("copies") + self.parts.share("idle", "copying")

    def per_step(self, calls: Mask) -> float:
        """Return how many of these calls a step makes."""
        return float(calls.sum()) / self.excerpt.steps

    def regular(self, calls: Mask) -> bool:
        """Say whether most steps make such a call."""
        return len(np.unique(self.excerpt.step[calls])) >= MOST_STEPS * (len(self.excerpt.bounds) - 1)


def candidates(window: Window) -> Iterator[Candidate]:
    """Yield what may slow the program down, by its calls."""
    implicit = implicit_copies(window.excerpt)
    for pattern in PATTERNS:
        found = pattern(window, implicit)
        if found is not None:
            yield found


def implicit_copies(excerpt: Excerpt) -> Mask:
    """Return the calls that copy the same host arrays in before a launch and out after it, with their memory.

    Before a launch some pageable arrays go in, and after it arrays of exactly these sizes come back: nobody writes
    that, a library does it that was given host arrays.
    """
    kind, n = excerpt.kind, len(excerpt.kind)
    marked = np.zeros(n, bool)
    copied = np.zeros(n, np.int64)
    moved = np.zeros(n, np.int64)
    mine = (excerpt.op_call >= 0) & excerpt.pageable
    copied[excerpt.op_call[mine]] = excerpt.ops["kind"][mine]
    moved[excerpt.op_call[mine]] = excerpt.ops["bytes"][mine]
    memory = (kind == CallKind.ALLOCATE) | (kind == CallKind.FREE)
    for lane in np.unique(excerpt.base.lane):
        places = np.flatnonzero(excerpt.base.lane == lane)
        launches = np.flatnonzero(kind[places] == CallKind.LAUNCH)
        edges = np.concatenate([[-1], launches, [len(places)]])
        for begin, launch, end in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
            ahead, behind = places[begin + 1 : launch], places[launch + 1 : end]
            inward = ahead[copied[ahead] == DeviceKind.COPY_TO_DEVICE]
            outward = behind[copied[behind] == DeviceKind.COPY_TO_HOST]
            if not len(inward) or not len(outward):
                continue
            back = outward[: len(inward)]
            if sorted(moved[inward].tolist()) != sorted(moved[back].tolist()):
                continue
            marked[inward] = marked[back] = True
            marked[ahead[memory[ahead]]] = True
            marked[behind[memory[behind]]] = True
    return marked


def _implicit(window: Window, implicit: Mask) -> Candidate | None:
    excerpt = window.excerpt
    copies = implicit & (excerpt.kind == CallKind.COPY)
    if not copies.any() or not window.regular(copies):
        return None
    moved = excerpt.ops["bytes"][(excerpt.op_call >= 0) & copies[np.maximum(excerpt.op_call, 0)]].sum()
    return Candidate(
        "implicit-host-copies",
        edits.without_calls(excerpt, implicit),
        "the arrays stay on the device",
        (
            window.sign("copies around launches, a step", window.per_step(copies)),
            window.sign("bytes that they move, a step", float(moved) / excerpt.steps),
        ),
        # One array each way may as well be what the program wants.
        fits=bool(copies.sum() >= 3 * _launches(excerpt).sum() or (implicit & ~copies).any()),
    )


def _pageable(window: Window, implicit: Mask) -> Candidate | None:
    excerpt, peaks = window.excerpt, window.peaks
    large = _large(excerpt)
    pageable = large & excerpt.pageable
    rates = {DeviceKind.COPY_TO_DEVICE: peaks.to_device, DeviceKind.COPY_TO_HOST: peaks.to_host}
    known = np.isin(excerpt.ops["kind"], [kind for kind, rate in rates.items() if rate])
    pageable &= known
    if not pageable.any():
        return None
    moved, nanoseconds = float(excerpt.ops["bytes"][pageable].sum()), _taken(excerpt, pageable)
    fastest = sum(
        float(excerpt.ops["bytes"][pageable & (excerpt.ops["kind"] == k)].sum()) / r for k, r in rates.items() if r
    )
    part = moved / max(1.0, float(excerpt.ops["bytes"][large].sum()))
    slower = fastest * 1e9 / max(nanoseconds, 1.0)
    exposed = window.exposed_copies()
    if part <= 0.5 or slower >= AT_THE_LINK:
        return None
    return Candidate(
        "pageable-transfer",
        edits.with_pinned(excerpt, peaks.to_device, peaks.to_host),
        "the same copies from pinned memory, at the rate that this machine reaches",
        (
            window.sign("share of exposed copies", exposed, "decomposition"),
            window.sign("pageable part of the bytes", part),
            window.sign("their rate, GB/s", moved / max(nanoseconds, 1.0)),
            window.sign("pinned memory here, GB/s", moved / max(fastest, 1e-12) / 1e9, "measured"),
        ),
        fits=exposed >= EXPOSED_COPIES and slower < SLOW_COPY,
    )


def _transfer(window: Window, implicit: Mask) -> Candidate | None:
    excerpt, peaks = window.excerpt, window.peaks
    large = _large(excerpt)
    pinned = large & ~excerpt.pageable
    if not pinned.any() or float(excerpt.ops["bytes"][pinned].sum()) <= 0.5 * float(excerpt.ops["bytes"][large].sum()):
        return None
    rates = {DeviceKind.COPY_TO_DEVICE: peaks.to_device, DeviceKind.COPY_TO_HOST: peaks.to_host}
    moved, nanoseconds = float(excerpt.ops["bytes"][pinned].sum()), _taken(excerpt, pinned)
    best = max((rate for rate in rates.values() if rate), default=None)
    if best is None:
        return None
    fastest = sum(
        float(excerpt.ops["bytes"][pinned & (excerpt.ops["kind"] == kind)].sum()) / (rate or best)
        for kind, rate in rates.items()
    )
    reached = fastest * 1e9 / max(nanoseconds, 1.0)
    exposed = window.exposed_copies()
    calls = np.zeros(len(excerpt.kind), bool)
    calls[excerpt.op_call[pinned & (excerpt.op_call >= 0)]] = True
    return Candidate(
        "transfer-bound",
        edits.without_calls(excerpt, calls),
        "the data stays on the device",
        (
            window.sign("share of exposed copies", exposed, "decomposition"),
            window.sign("bytes, a step", moved / excerpt.steps),
            window.sign("their rate, GB/s", moved / max(nanoseconds, 1.0)),
            window.sign("part of what the link carries", reached, "measured"),
        ),
        fits=exposed >= EXPOSED_COPIES and reached >= AT_THE_LINK,
        bound=True,
    )


def _small(window: Window, implicit: Mask) -> Candidate | None:
    excerpt, peaks = window.excerpt, window.peaks
    ops = (_link(excerpt)) & (excerpt.op_call >= 0)
    ops &= ~implicit[np.maximum(excerpt.op_call, 0)]
    calls = np.zeros(len(excerpt.kind), bool)
    calls[excerpt.op_call[ops]] = True
    if not calls.any():
        return None
    # A program that copies and launches in turn has as many steps as launches; what it does in one go is what counts.
    many = window.per_step(calls)
    middle = float(np.median(excerpt.ops["bytes"][ops]))
    if many <= MANY_COPIES or middle > SMALL_BYTES:
        return None
    host = excerpt.base.cost + excerpt.base.tail + excerpt.base.gap * excerpt.host.into[excerpt.calls]
    rates = {int(DeviceKind.COPY_TO_DEVICE): peaks.to_device, int(DeviceKind.COPY_TO_HOST): peaks.to_host}
    return Candidate(
        "small-transfers",
        edits.with_one_copy_each_way(excerpt, calls, rates),
        "one copy each way a step",
        (
            window.sign("copies, a step", many),
            window.sign("median copy, bytes", middle),
            window.sign("host time of one, median, µs", float(np.median(host[calls])) / 1e3),
        ),
    )


def _read_back(window: Window, implicit: Mask) -> Candidate | None:
    calls = read_backs(window.excerpt, implicit)
    if not calls.any() or not window.regular(calls):
        return None
    excerpt = window.excerpt
    copies = calls & (excerpt.kind == CallKind.COPY)
    moved = excerpt.ops["bytes"][(excerpt.op_call >= 0) & copies[np.maximum(excerpt.op_call, 0)]]
    return Candidate(
        "readback-every-step",
        edits.without_calls(excerpt, calls),
        "results are added up on the device and read back at the end",
        (
            window.sign("read-backs, a step", window.per_step(copies)),
            window.sign("bytes of one, median", float(np.median(moved)) if len(moved) else 0.0),
        ),
    )


def read_backs(excerpt: Excerpt, implicit: Mask) -> Mask:
    """Return the calls that bring a small result to the host and wait for it."""
    small = (excerpt.ops["kind"] == DeviceKind.COPY_TO_HOST) & (excerpt.ops["bytes"] <= SMALL_BYTES)
    calls = np.zeros(len(excerpt.kind), bool)
    calls[excerpt.op_call[small & (excerpt.op_call >= 0)]] = True
    calls &= ~implicit
    following = edits.next_work(excerpt)
    synced = calls & (following >= 0) & (excerpt.kind[np.maximum(following, 0)] == CallKind.SYNC)
    waits = calls & (excerpt.base.wait >= 0)
    made: Mask = waits | synced
    made[following[synced]] = True
    return made


def _sync(window: Window, implicit: Mask) -> Candidate | None:
    excerpt = window.excerpt
    syncs = (excerpt.kind == CallKind.SYNC) & ~read_backs(excerpt, implicit)
    if not syncs.any() or not window.regular(syncs):
        return None
    return Candidate(
        "sync-every-step",
        edits.without_calls(excerpt, syncs),
        "the host goes on without waiting",
        (
            window.sign("waits, a step", window.per_step(syncs)),
            window.sign("share in which the GPU is idle after them", window.parts.share("idle", "synchronizing")),
        ),
    )


def _allocation(window: Window, implicit: Mask) -> Candidate | None:
    excerpt = window.excerpt
    calls = ((excerpt.kind == CallKind.ALLOCATE) | (excerpt.kind == CallKind.FREE)) & ~implicit
    if not calls.any() or not window.regular(calls):
        return None
    taken = (excerpt.model.calls.end - excerpt.model.calls.start)[excerpt.calls][calls]
    share = float(taken.sum()) / max(1.0, excerpt.now * excerpt.steps)
    return Candidate(
        "allocation-in-loop",
        edits.without_calls(excerpt, calls),
        "buffers are made once and used again",
        (
            window.sign("allocations and frees, a step", window.per_step(calls)),
            window.sign("time of one, median, µs", float(np.median(taken)) / 1e3),
            window.sign("time in them over wall time", share),
        ),
        fits=share >= LEAST_SHARE,
    )


def _compile(window: Window, implicit: Mask) -> Candidate | None:
    excerpt = window.excerpt
    modules = excerpt.kind == CallKind.MODULE
    shares = excerpt.host.shares[excerpt.calls][:, 0]
    own = excerpt.base.gap * (1 - excerpt.host.into[excerpt.calls]) * shares
    at = modules | (own > LEAST_SHARE * excerpt.now)
    if not at.any() or not window.regular(at):
        return None
    share = float(own.sum() + (excerpt.base.cost + excerpt.base.tail)[modules].sum()) / max(
        1.0, excerpt.now * excerpt.steps
    )
    return Candidate(
        "compile-every-step",
        edits.both(edits.without_host_time(excerpt, At.LOADING), edits.without_calls(excerpt, modules)),
        "kernels are compiled once, before the loop",
        (
            window.sign("modules loaded, a step", window.per_step(modules)),
            window.sign("share of compiling and loading", share),
        ),
        fits=share >= LEAST_SHARE,
    )


def _host(window: Window, implicit: Mask) -> Candidate | None:
    """Tell Python at work from waiting and from reading files, by the largest of them."""
    shares = {at: window.parts.share("idle", name) for at, name in _OWN.items()}
    exposed = sum(shares.values())
    if exposed < LEAST_SHARE:
        return None
    busy = shares[At.PYTHON] / exposed
    seen = (
        window.sign("share in which the GPU waits for the program's own code", exposed, "decomposition"),
        window.sign("part of it in which the thread used the CPU", busy, "CPU time of the thread"),
        window.sign("part of it in reading files", shares[At.READING] / exposed, "samples"),
    )
    edit = edits.without_host_time(window.excerpt, *_OWN)
    large = exposed >= EXPOSED_HOST
    if shares[At.READING] >= 0.5 * exposed:
        return Candidate("storage-bound", edit, "files are read ahead, or once", seen, fits=large, bound=True)
    known = shares[At.HOST] <= 0.5 * exposed
    if shares[At.WAITING] > shares[At.PYTHON]:
        fits = large and known and busy <= IDLE_HOST
        return Candidate("dataloader-bound", edit, "data is made ready beside the GPU's work", seen, fits, bound=True)
    fits = large and known and busy >= BUSY_HOST
    return Candidate(
        "host-bound-not-gpu", edit, "that work is done elsewhere, or beside the GPU's", seen, fits, bound=True
    )


def _launch(window: Window, implicit: Mask) -> Candidate | None:
    excerpt = window.excerpt
    launches = _launches(excerpt)
    kernels = (excerpt.ops["kind"] == DeviceKind.KERNEL) & (excerpt.op_call >= 0)
    if launches.sum() < 2 or not kernels.any():
        return None
    edit, left_out = edits.as_graph(excerpt)
    if not left_out:
        return None
    kernel = float(np.median(excerpt.base.duration[kernels]))
    host = float(np.median((excerpt.base.cost + excerpt.base.gap * excerpt.host.into[excerpt.calls])[launches]))
    idle, exposed = idle_before(excerpt, launches), window.parts.share("idle", "launching")
    return Candidate(
        "launch-bound-small-work",
        edit,
        "the launches of a step are recorded once as a graph, or fused",
        (
            window.sign("launches, a step", window.per_step(launches)),
            window.sign("host time of a launch, median, µs", host / 1e3),
            window.sign("kernel, median, µs", kernel / 1e3),
            window.sign("share in which the GPU waits for a launch", exposed, "decomposition"),
            window.sign("share of launches that find the GPU idle", idle, "replay"),
        ),
        fits=exposed >= EXPOSED_LAUNCHES and kernel < host and idle >= IDLE_BEFORE,
    )


def idle_before(excerpt: Excerpt, launches: Mask) -> float:
    """Return for which part of the launches the device had nothing to do when their kernel came."""
    order = np.argsort(excerpt.played.op_start, kind="stable")
    reached = np.maximum.accumulate(excerpt.played.op_end[order])
    idle = np.zeros(len(order), bool)
    idle[order[1:]] = excerpt.played.op_start[order[1:]] > reached[:-1] + _GAP
    mine = (excerpt.op_call >= 0) & launches[np.maximum(excerpt.op_call, 0)]
    return float(idle[mine].mean()) if mine.any() else 0.0


_OWN = {At.PYTHON: "Python", At.WAITING: "waiting", At.READING: "reading files", At.HOST: "host"}


def _launches(excerpt: Excerpt) -> Mask:
    made: Mask = excerpt.kind == CallKind.LAUNCH
    return made


def _link(excerpt: Excerpt) -> Mask:
    made: Mask = np.isin(excerpt.ops["kind"], (DeviceKind.COPY_TO_DEVICE, DeviceKind.COPY_TO_HOST))
    return made


def _large(excerpt: Excerpt) -> Mask:
    made: Mask = _link(excerpt) & (excerpt.ops["bytes"] > SMALL_BYTES)
    managed = (excerpt.ops["source"] == Memory.MANAGED) | (excerpt.ops["target"] == Memory.MANAGED)
    made &= ~managed
    return made


def _taken(excerpt: Excerpt, ops: Mask) -> float:
    """Return how long copies took, nanoseconds: of one that its call waited for, all from the staging on."""
    durations = excerpt.base.duration[ops].sum()
    return float(durations)


Pattern = Callable[[Window, Mask], Candidate | None]

PATTERNS: tuple[Pattern, ...] = (
    _implicit, _compile, _read_back, _allocation, _small, _pageable, _transfer, _sync, _launch, _host,
)  # fmt: skip
"""Where two explain the same time, the one that comes first here is the root."""
