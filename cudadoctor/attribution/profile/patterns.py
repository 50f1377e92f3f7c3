"""What slow programs look like in a trace: patterns of calls, each with the program as it would be without it.

A pattern alone is no cause (see `what_ifs` and `causes`): it says what to take out, what was seen, and whether the
signs are those that the cause needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from cudadoctor.attribution.profile import copying, edits, staging
from cudadoctor.attribution.profile.charges import At
from cudadoctor.attribution.profile.edits import SMALL_BYTES, Mask
from cudadoctor.attribution.profile.excerpt import Excerpt
from cudadoctor.attribution.profile.trace import CallKind, DeviceKind, Doing
from cudadoctor.attribution.profile.window import Candidate, Window
from cudadoctor.facts.profile import Sign

EXPOSED_LAUNCHES = 0.25
EXPOSED_HOST = 0.25
BUSY_HOST = 0.8
IDLE_HOST = 0.3
IDLE_BEFORE = 0.5
LEAST_SHARE = 0.05
_MOSTLY = 0.5
_REDUCES = re.compile(r"reduc|(?:^|[_:\W])(?:dot|asum|nrm2|norm|sum|mean|amax|amin|max|min|any|all)(?:$|[_:\W])", re.I)
_MOST_REDUCTIONS = 4
"""Kernels that one sum, norm or maximum may take."""
_GAP = 1_500.0
"""Nanoseconds between two kernels of a stream that were queued: not idle for want of work."""


def candidates(window: Window) -> Iterator[Candidate]:
    """Yield what may slow the program down, by its calls."""
    implicit = copying.implicit_copies(window.excerpt)
    told: set[str] = set()
    for pattern in PATTERNS:
        found = pattern(window, implicit)
        if found is not None and found.cause not in told:
            told.add(found.cause)
            yield found


def _read_back(window: Window, implicit: Mask) -> Candidate | None:
    calls = read_backs(window.excerpt, implicit)
    if not calls.any() or not window.regular(calls):
        return None
    excerpt = window.excerpt
    copies = calls & (excerpt.kind == CallKind.COPY)
    moved = excerpt.ops["bytes"][(excerpt.op_call >= 0) & copies[np.maximum(excerpt.op_call, 0)]]
    edit, awake = edits.without_calls(excerpt, calls), edits.with_host_awake(excerpt)
    return Candidate(
        "readback-every-step",
        edit,
        "results are added up on the device and read back at the end",
        (
            window.sign("read-backs, a step", window.per_step(copies)),
            window.sign("bytes of one, median", float(np.median(moved)) if len(moved) else 0.0),
        ),
        at_best=edits.both(edits.without_calls(excerpt, calls | _made_to_be_read(excerpt, copies)), awake),
    )


def _made_to_be_read(excerpt: Excerpt, copies: Mask) -> Mask:
    """Return the launches just before these copies that sum up what is copied: they may go with the read-backs."""
    names = excerpt.model.trace.names
    sums = np.array([_REDUCES.search(name) is not None for name in names] + [False])
    summing = np.zeros(len(excerpt.kind), bool)
    mine = (excerpt.ops["kind"] == DeviceKind.KERNEL) & (excerpt.op_call >= 0)
    summing[excerpt.op_call[mine]] = sums[np.clip(excerpt.ops["name"][mine], -1, len(names) - 1)]
    following = edits.next_work(excerpt)
    made = np.zeros(len(excerpt.kind), bool)
    leads = copies
    for _ in range(_MOST_REDUCTIONS):
        leads = summing & (following >= 0) & leads[np.maximum(following, 0)]
        made |= leads
    return made


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
    # A wait just before such a copy is for what it brings.
    made |= (excerpt.kind == CallKind.SYNC) & (following >= 0) & (waits | synced)[np.maximum(following, 0)]
    return made


def _sync(window: Window, implicit: Mask) -> Candidate | None:
    excerpt = window.excerpt
    syncs = (excerpt.kind == CallKind.SYNC) & ~read_backs(excerpt, implicit)
    if not syncs.any() or not window.regular(syncs):
        return None
    edit = edits.without_calls(excerpt, syncs)
    return Candidate(
        "sync-every-step",
        edit,
        "the host goes on without waiting",
        (
            window.sign("waits, a step", window.per_step(syncs)),
            window.sign("share in which the GPU is idle after them", window.parts.share("idle", "synchronizing")),
        ),
        at_best=edits.both(edit, edits.with_host_awake(excerpt)),
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
    seen: tuple[Sign, ...] = (
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
    fed = _fed(window.excerpt)
    fits = large and known and busy >= BUSY_HOST
    if fed >= _MOSTLY:
        seen = (*seen, window.sign("part of it in a data loader that has no worker", fed, "samples"))
        return Candidate("dataloader-bound", edit, "data is made ready beside the GPU's work", seen, fits, bound=True)
    return Candidate(
        "host-bound-not-gpu", edit, "that work is done elsewhere, or beside the GPU's", seen, fits, bound=True
    )


def _fed(excerpt: Excerpt) -> float:
    """Return which part of the Python that ran between the calls of an excerpt a data loader had asked for."""
    trace, calls = excerpt.model.trace, excerpt.model.calls
    made = asked = 0
    for lane in np.unique(calls.lane[excerpt.calls]).tolist():
        mine = np.flatnonzero(calls.lane == lane)
        samples = trace.samples[np.isin(trace.samples["thread"], excerpt.model.lanes[lane])]
        begin, end = calls.start[excerpt.calls][0], calls.end[excerpt.calls].max()
        samples = samples[(samples["at"] >= begin) & (samples["at"] < end)]
        before = np.maximum(np.searchsorted(calls.start[mine], samples["at"], side="right") - 1, 0)
        doing = samples["doing"][samples["at"] > calls.end[mine[before]]]
        made += int(np.isin(doing, (Doing.PYTHON, Doing.FEEDING)).sum())
        asked += int((doing == Doing.FEEDING).sum())
    return asked / max(1, made)


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
        at_best=edits.without_calls(excerpt, edits.in_sequences(excerpt)),
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


Pattern = Callable[[Window, Mask], Candidate | None]

PATTERNS: tuple[Pattern, ...] = (
    copying.implicit, _compile, _read_back, _allocation, copying.small, copying.pageable, staging.staged,
    copying.transfer, _sync, _launch, _host,
)  # fmt: skip
"""Where two explain the same time, the one that comes first here is the root."""
