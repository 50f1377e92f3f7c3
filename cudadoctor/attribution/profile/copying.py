"""Patterns of copies: host arrays in kernels, pageable memory, the limit of the link, and many small ones."""

from __future__ import annotations

import numpy as np

from cudadoctor.attribution.profile import edits
from cudadoctor.attribution.profile.edits import SMALL_BYTES, Mask
from cudadoctor.attribution.profile.excerpt import Excerpt
from cudadoctor.attribution.profile.trace import CallKind, DeviceKind, Memory
from cudadoctor.attribution.profile.window import Candidate, Window

EXPOSED_COPIES = 0.15
SLOW_COPY = 0.6
AT_THE_LINK = 0.8
MANY_COPIES = 3


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


def implicit(window: Window, around: Mask) -> Candidate | None:
    """Find copies that a library makes around launches, `around` them."""
    excerpt = window.excerpt
    copies = around & (excerpt.kind == CallKind.COPY)
    if not copies.any() or not window.regular(copies):
        return None
    moved = excerpt.ops["bytes"][(excerpt.op_call >= 0) & copies[np.maximum(excerpt.op_call, 0)]].sum()
    return Candidate(
        "implicit-host-copies",
        edits.without_calls(excerpt, around),
        "the arrays stay on the device",
        (
            window.sign("copies around launches, a step", window.per_step(copies)),
            window.sign("bytes that they move, a step", float(moved) / excerpt.steps),
        ),
        # One array each way may as well be what the program wants.
        fits=bool(copies.sum() >= 3 * (excerpt.kind == CallKind.LAUNCH).sum() or (around & ~copies).any()),
    )


def pageable(window: Window, around: Mask) -> Candidate | None:
    """Find large copies of pageable memory that are slower than this machine's pinned ones."""
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


def transfer(window: Window, around: Mask) -> Candidate | None:
    """Find large copies of pinned memory at the limit of the link."""
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
            window.sign("MiB, a step", moved / excerpt.steps / 2**20),
            window.sign("their rate, GB/s", moved / max(nanoseconds, 1.0)),
            window.sign("part of what the link carries", reached, "measured"),
        ),
        fits=exposed >= EXPOSED_COPIES and reached >= AT_THE_LINK,
        bound=True,
    )


def small(window: Window, around: Mask) -> Candidate | None:
    """Find many small copies in a step, beside those `around` launches."""
    excerpt, peaks = window.excerpt, window.peaks
    ops = (_link(excerpt)) & (excerpt.op_call >= 0)
    ops &= ~around[np.maximum(excerpt.op_call, 0)]
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
