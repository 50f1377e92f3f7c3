"""Edits of a played program: the same calls and operations as they would be without one cause.

An edit takes out what is known to go, and puts in only what this machine was measured to reach. Edits can be put one
after another.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.charges import OWN, At
from cudadoctor.attribution.profile.excerpt import Excerpt
from cudadoctor.attribution.profile.model import Floats, Ints
from cudadoctor.attribution.profile.replay import Script
from cudadoctor.attribution.profile.trace import CallKind, DeviceKind

Mask = NDArray[np.bool_]
Edit = Callable[[Script], Script]

SMALL_BYTES = 64 * 1024
"""Up to here a copy's time is its overhead, and the driver takes pageable bytes along without waiting."""
_NUMBER_BYTES = 16
"""A constant of an expression, as JAX brings it to the device where nothing compiles it in."""
_MOST_IN_GRAPH = 32
"""Launches that one launch of a graph stands for at most, where nothing else ends the sequence."""
_AWAKE = 0.55
"""Part of its time that the host takes for a launch where nothing is waited for in between, beside a wait after each.

Measured on H100s: 35 µs of 62 with JAX, 28 of 53 with numba.
"""
_PINNED_COST = 6_000.0
"""Host nanoseconds for an asynchronous copy, where none was recorded; measured on an H100 with numba."""


def without_calls(excerpt: Excerpt, calls: Mask, *, way: bool = True) -> Edit:
    """Leave out calls with their operations, what they wait for, and the way into them."""
    gone, _ = _with_minor(excerpt, calls)
    into = excerpt.host.into[excerpt.calls]
    ops = _ops_of(excerpt, calls)

    def edit(script: Script) -> Script:
        return script._replace(
            gap=np.where(gone & way, script.gap * (1.0 - into), script.gap),
            cost=np.where(gone, 0.0, script.cost),
            tail=np.where(calls, 0.0, script.tail),
            wait=np.where(calls, -1, script.wait),
            dropped=script.dropped | ops,
        )

    return edit


def as_graph(excerpt: Excerpt) -> tuple[Edit, int]:
    """Launch what is launched one after another in one piece; also return how many launches that leaves out."""
    follows = chained(excerpt)
    gone, _ = _with_minor(excerpt, follows)
    into = excerpt.host.into[excerpt.calls]
    ops = _ops_of(excerpt, follows)

    def edit(script: Script) -> Script:
        return script._replace(
            gap=np.where(gone, script.gap * (1.0 - into), script.gap),
            cost=np.where(gone, 0.0, script.cost),
            lag=np.where(ops, 0.0, script.lag),
        )

    return edit, int(follows.sum())


def chained(excerpt: Excerpt) -> Mask:
    """Return the launches that follow another launch in their lane, with nothing done between.

    What a graph holds beside kernels counts: memsets, and copies on the device or of a number to it that nothing waits
    for.
    """
    launches = (excerpt.kind == CallKind.LAUNCH) | (excerpt.kind == CallKind.MEMSET)
    number = (excerpt.ops["kind"] == DeviceKind.COPY_TO_DEVICE) & (excerpt.ops["bytes"] <= _NUMBER_BYTES)
    held = (number | (excerpt.ops["kind"] == DeviceKind.COPY_ON_DEVICE)) & (excerpt.op_call >= 0)
    launches[excerpt.op_call[held]] |= excerpt.base.wait[excerpt.op_call[held]] < 0
    works = excerpt.host.target[excerpt.calls] == np.arange(excerpt.first, excerpt.first + len(excerpt.kind))
    follows = np.zeros(len(excerpt.kind), bool)
    for lane in np.unique(excerpt.base.lane):
        mine = np.flatnonzero((excerpt.base.lane == lane) & works)
        both = launches[mine][1:] & launches[mine][:-1]
        # A long piece of Python ends a sequence.
        short = excerpt.host.into[excerpt.calls][mine][1:] > 0.5
        chain = np.concatenate([[False], both & short])
        heads = np.maximum.accumulate(np.where(~chain, np.arange(len(chain)), 0))
        follows[mine] = chain & ((np.arange(len(chain)) - heads) % _MOST_IN_GRAPH != 0)
    return follows


def in_sequences(excerpt: Excerpt) -> Mask:
    """Return the launches that follow another or are followed by one: what a kernel of many steps may take in."""
    made = chained(excerpt)
    following = next_work(excerpt)
    made |= (following >= 0) & made[np.maximum(following, 0)]
    return made


def with_pinned(excerpt: Excerpt, to_device: float | None, to_host: float | None) -> Edit:
    """Copy from and to pinned memory, at the rates (bytes a second) that this machine was measured to reach."""
    ops = excerpt.ops
    duration = np.full(len(ops), np.nan)
    for kind, rate in ((DeviceKind.COPY_TO_DEVICE, to_device), (DeviceKind.COPY_TO_HOST, to_host)):
        if rate:
            mine = excerpt.pageable & (ops["kind"] == kind) & (ops["bytes"] > SMALL_BYTES)
            duration[mine] = ops["bytes"][mine] / rate * 1e9
    faster = ~np.isnan(duration)
    free = faster & ops["asynchronous"] & (ops["kind"] == DeviceKind.COPY_TO_DEVICE)
    freed = np.zeros(len(excerpt.kind), bool)
    freed[excerpt.op_call[free & (excerpt.op_call >= 0)]] = True
    touched = np.zeros(len(excerpt.kind), bool)
    touched[excerpt.op_call[faster & (excerpt.op_call >= 0)]] = True
    usual = _usual_lag(excerpt)

    def edit(script: Script) -> Script:
        return script._replace(
            duration=np.where(faster, np.minimum(script.duration, np.nan_to_num(duration)), script.duration),
            lag=np.where(faster, np.minimum(script.lag, usual), script.lag),
            cost=np.where(touched, np.minimum(script.cost, _PINNED_COST), script.cost),
            tail=np.where(freed, 0.0, np.where(touched, np.minimum(script.tail, _PINNED_COST), script.tail)),
            wait=np.where(freed, -1, script.wait),
        )

    return edit


def with_one_copy_each_way(excerpt: Excerpt, copies: Mask, rates: dict[int, float | None]) -> Edit:
    """Keep one of these copies (of calls) a step and direction, with all bytes of the others."""
    kept = np.zeros(len(excerpt.kind), bool)
    duration = np.full(len(excerpt.ops), np.nan)
    step = excerpt.step
    mine = np.flatnonzero((excerpt.op_call >= 0) & copies[np.maximum(excerpt.op_call, 0)])
    key = step[excerpt.op_call[mine]] * 64 + excerpt.ops["kind"][mine]
    order = np.argsort(key, kind="stable")
    for group in np.split(mine[order], np.flatnonzero(np.diff(key[order])) + 1) if len(mine) else ():
        moved = excerpt.ops["bytes"][group]
        largest = group[int(moved.argmax())]
        rate = rates.get(int(excerpt.ops["kind"][largest]))
        kept[excerpt.op_call[largest]] = True
        own = float(excerpt.base.duration[largest])
        duration[largest] = (
            max(own, float(moved.sum()) / rate * 1e9) if rate else float(excerpt.base.duration[group].sum())
        )
    drop = without_calls(excerpt, copies & ~kept)
    longer = ~np.isnan(duration)

    def edit(script: Script) -> Script:
        script = drop(script)
        return script._replace(duration=np.where(longer, np.nan_to_num(duration), script.duration))

    return edit


def without_host_time(excerpt: Excerpt, *which: At) -> Edit:
    """Leave out what the host does by itself between calls, of these kinds."""
    shares = excerpt.host.shares[excerpt.calls].astype(np.float64)
    part = sum((shares[:, OWN.index(each)] for each in which), np.zeros(len(shares)))
    kept = 1.0 - (1.0 - excerpt.host.into[excerpt.calls]) * np.clip(part, 0.0, 1.0)

    def edit(script: Script) -> Script:
        return script._replace(gap=script.gap * kept)

    return edit


def with_faster_kernels(excerpt: Excerpt, factor: Floats) -> Edit:
    """Let each operation take this part of its time."""

    def edit(script: Script) -> Script:
        return script._replace(duration=script.duration * factor)

    return edit


def with_host_awake(excerpt: Excerpt) -> Edit:
    """Let calls and the ways into them be as fast as they may be where nothing is waited for in each step.

    What the host does by itself stays: its caches and clocks are up anyhow.
    """
    into = excerpt.host.into[excerpt.calls]

    def edit(script: Script) -> Script:
        return script._replace(
            gap=script.gap * (1.0 - (1.0 - _AWAKE) * into), cost=script.cost * _AWAKE, tail=script.tail * _AWAKE
        )

    return edit


def both(first: Edit, second: Edit) -> Edit:
    """Put one edit after another."""
    return lambda script: second(first(script))


def next_work(excerpt: Excerpt) -> Ints:
    """Return for each call the lane's next call that does something after it, -1 for none in the excerpt."""
    n = len(excerpt.kind)
    following = np.full(n, -1, np.int64)
    target = excerpt.host.target[excerpt.calls] - excerpt.first
    for lane in np.unique(excerpt.base.lane):
        mine = np.flatnonzero(excerpt.base.lane == lane)
        after = target[mine[1:]]
        following[mine[:-1]] = np.where((after >= 0) & (after < n), after, -1)
    return following


def _with_minor(excerpt: Excerpt, calls: Mask) -> tuple[Mask, Ints]:
    """Return these calls and those that only lead to them."""
    target = excerpt.host.target[excerpt.calls] - excerpt.first
    inside = (target >= 0) & (target < len(calls))
    return calls | (inside & calls[np.where(inside, target, 0)]), target


def _ops_of(excerpt: Excerpt, calls: Mask) -> Mask:
    made: Mask = (excerpt.op_call >= 0) & calls[np.maximum(excerpt.op_call, 0)]
    return made


def _usual_lag(excerpt: Excerpt) -> float:
    kernels = excerpt.ops["kind"] == DeviceKind.KERNEL
    return float(np.median(excerpt.base.lag[kernels])) if kernels.any() else 5_000.0
