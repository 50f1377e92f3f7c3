"""Pageable arrays that a runtime copies into pinned memory by itself, before it asks for a copy to the device.

XLA does that with every large NumPy array, on a thread of its pool, and CuPy's `asarray` on the thread that calls it.
The copy to the device then runs at the rate of the link, so nothing of it looks pageable; but before each one the host
is at work, and for as long as it takes one core to move these bytes. CuPy makes an event for each such copy, to know
when the buffer may be filled again; who keeps pinned buffers of their own makes theirs once.
"""

from __future__ import annotations

import numpy as np

from cudadoctor.attribution.profile.by_callback import helpers
from cudadoctor.attribution.profile.causes import STAGING_RATE
from cudadoctor.attribution.profile.charges import OWN, At
from cudadoctor.attribution.profile.edits import Edit, Mask
from cudadoctor.attribution.profile.excerpt import Excerpt
from cudadoctor.attribution.profile.model import Floats
from cudadoctor.attribution.profile.replay import Script
from cudadoctor.attribution.profile.trace import DeviceKind, Memory
from cudadoctor.attribution.profile.window import Candidate, Window

_LEAST_BYTES = 1 << 20
_CORE = (3e9, 30e9)
"""Bytes a second that one core moves: less is more than a copy, as where the array is made there, too."""
_INTERRUPTED = 4.0
_AT_WORK = 0.5
_LEAST_SHARE = 0.15
_LEAD = 20_000.0
"""Nanoseconds from one copy to asking for the next, of those that were staged ahead."""


def staged(window: Window, around: Mask) -> Candidate | None:
    """Find large copies to the device before each of which the host fills a pinned buffer."""
    excerpt = window.excerpt
    pool = helpers(excerpt.model.trace)
    ops = excerpt.ops
    large = (ops["kind"] == DeviceKind.COPY_TO_DEVICE) & (ops["bytes"] >= _LEAST_BYTES) & (excerpt.op_call >= 0)
    large &= (ops["source"] == Memory.PINNED) & ~around[np.maximum(excerpt.op_call, 0)]
    threads = excerpt.model.trace.calls["thread"][excerpt.calls]
    by_runtime = np.isin(threads, pool) | _with_an_event(excerpt)
    large &= by_runtime[np.maximum(excerpt.op_call, 0)]
    if not large.any():
        return None
    moved = np.zeros(len(excerpt.kind))
    np.add.at(moved, excerpt.op_call[large], ops["bytes"][large])
    # What leads to a copy: the time before it and before the calls that prepare it.
    target = excerpt.host.target[excerpt.calls] - excerpt.first
    inside = (target >= 0) & (target < len(moved))
    leads = inside & (moved[np.where(inside, target, 0)] > 0)
    gap = excerpt.base.gap
    lead = np.bincount(target[leads], gap[leads], len(moved))
    rate = np.divide(moved * 1e9, lead, out=np.full(len(moved), np.inf), where=lead > 0)
    usual = float(np.median(rate[moved > 0]))
    # A core that is interrupted now and then takes longer for some.
    fill = (moved > 0) & (rate >= usual / _INTERRUPTED) & (rate <= _CORE[1])
    if not _CORE[0] <= usual <= _CORE[1] or not window.regular(fill):
        return None
    python = excerpt.host.shares[excerpt.calls][:, OWN.index(At.PYTHON)].astype(np.float64)
    filling = leads & fill[np.where(inside, target, 0)]
    at_work = float((gap * python)[filling].sum()) / max(1.0, float(gap[filling].sum()))
    share = float(lead[fill].sum()) / max(1.0, excerpt.now * excerpt.steps)
    link = float(moved[fill].sum()) / max(1.0, float(excerpt.base.duration[large].sum()))
    kept = np.ones(len(moved))
    kept[filling] = np.minimum(1.0, _LEAD / np.maximum(1.0, lead[np.where(inside, target, 0)][filling]))
    return Candidate(
        "pageable-transfer",
        _with_gaps(kept),
        "the arrays are in pinned memory or on the device before they are asked for",
        (
            window.sign("share of the time in which the host fills it", share),
            window.sign("part of it in which the thread used the CPU", at_work, "CPU time of the thread"),
            window.sign("MiB, a step", float(moved[fill].sum()) / excerpt.steps / 2**20),
            window.sign(STAGING_RATE, usual / 1e9),
            window.sign("the copies themselves, GB/s", link),
        ),
        fits=share >= _LEAST_SHARE and at_work >= _AT_WORK,
        bound=True,
    )


def _with_an_event(excerpt: Excerpt) -> Mask:
    """Return the calls after which the lane makes a new event and records it."""
    makes, records = _called(excerpt, "cuEventCreate"), _called(excerpt, "cuEventRecord")
    made = np.zeros(len(excerpt.kind), bool)
    for lane in np.unique(excerpt.base.lane):
        mine = np.flatnonzero(excerpt.base.lane == lane)
        made[mine[:-2]] = makes[mine[1:-1]] & records[mine[2:]]
    return made


def _called(excerpt: Excerpt, name: str) -> Mask:
    trace = excerpt.model.trace
    numbers = [i for i, each in enumerate(trace.names) if each.startswith(name)]
    made: Mask = np.isin(trace.calls["name"][excerpt.calls], numbers)
    return made


def _with_gaps(kept: Floats) -> Edit:
    def edit(script: Script) -> Script:
        return script._replace(gap=script.gap * kept)

    return edit
