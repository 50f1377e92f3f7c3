"""What a run pays once: compiling and loading before its steps, PTX that the driver compiles, and clocks that rise.

What is imported before the GPU is first used is start-up as any program has; what a first step still imports is not.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cudadoctor.attribution.profile import kernels
from cudadoctor.attribution.profile.charges import NAMES, At
from cudadoctor.attribution.profile.decomposition import Busy, decompose, name_of
from cudadoctor.attribution.profile.host import Host
from cudadoctor.attribution.profile.model import Model
from cudadoctor.attribution.profile.steps import Found
from cudadoctor.attribution.profile.trace import CallKind, Overhead
from cudadoctor.facts.profile import Sign, WhatIf

MOST = 0.75
"""Part of what is done once in that and the steady steps together: below it, a program has a warm-up as any has."""


def warm_up(model: Model, host: Host, found: Found, busy: Busy, *, wall: float, error: float) -> Iterator[WhatIf]:
    """Yield what the whole run would take without compiling and slow first steps, where these are most of its work.

    Args:
        model: The trace.
        host: What its lanes do.
        found: Its steps.
        busy: What the GPU that works most did.
        wall: What the run takes without the tracer, nanoseconds.
        error: How far the replay is from the untraced runs, a fraction.
    """
    if found.by == "none" or model.trace.complete_until is not None:
        return  # how long the steps went on is not known
    begin = found.window[0]
    start = decompose(model, host, busy, "whole", 0.0, begin)
    loading = 1e6 * sum(part.ms for part in start.parts if part.name == NAMES[At.LOADING])
    importing = 1e6 * sum(part.ms for part in start.parts if part.kind == "idle" and part.name == NAMES[At.IMPORTING])
    extra = warm_up_cost(found)
    overheads = model.trace.overheads
    compiler = overheads[overheads["kind"] == Overhead.DRIVER_COMPILER]
    jit = float((compiler["end"] - compiler["start"])[compiler["start"] < begin].sum())
    steps = found.window[1] - begin
    if jit >= MOST * (jit + steps):
        yield _run(
            "ptx-jit-first-run", jit, wall, error, "the driver's cache keeps what it has compiled",
            (_sign("time in which the driver compiled PTX, s", jit / 1e9),),
        )  # fmt: skip
    if _left_out(model, found):
        return
    once = max(loading, min(extra, begin))
    saved = max(loading + importing, once)
    if once >= MOST * (once + steps) and jit < 0.5 * once:
        yield _run(
            "warmup-in-timing", saved, wall, error, "the first steps are left out of a timing, or the run is longer",
            (
                _sign("compiling and loading before the steady steps, s", loading / 1e9),
                _sign("importing after the first GPU work, s", importing / 1e9),
                _sign("steps of the warm-up", float(found.warm_up)),
                _sign("what they take more than as many steady ones, s", extra / 1e9),
                _sign("steady steps, s", steps / 1e9),
            ),
        )  # fmt: skip


def ramp(model: Model, *, wall: float, error: float) -> Iterator[WhatIf]:
    """Yield what the whole run would take with the clocks up from the first."""
    found = kernels.ramp(model)
    if found is not None:
        yield _run(
            "clock-ramp", found.cost, wall, error, "the clocks are up when the program starts",
            (
                _sign("first launches over later ones, identical kernels", found.factor),
                _sign("until, s", found.until / 1e9),
            ),
            where=(name_of(model, found.name),),
        )  # fmt: skip


def _left_out(model: Model, found: Found) -> bool:
    """Say whether the program waits for the device between its warm-up and its steps, and not in these: it times them.

    That is what one does who warms up on purpose, and looks at the clock afterwards.
    """
    calls = model.calls
    first, last = int(found.calls[found.warm_up]), int(found.calls[-1])
    waits = calls.kind == CallKind.SYNC
    loads = np.flatnonzero(calls.kind[:first] == CallKind.MODULE)
    after = int(loads[-1]) + 1 if len(loads) else 0
    return bool(waits[after:first].any()) and float(waits[first:last].sum()) < 0.5 * found.steady


def warm_up_cost(found: Found) -> float:
    """Return what the steps of the warm-up take more than as many of the others, nanoseconds."""
    if not found.warm_up or found.steady < 1:
        return 0.0
    usual = float(found.durations.mean())
    return max(0.0, float(found.at[found.warm_up] - found.at[0]) - usual * found.warm_up)


def _run(
    cause: str, saved: float, wall: float, error: float, assumes: str, seen: tuple[Sign, ...], *,
    where: tuple[str, ...] = (),
) -> WhatIf:  # fmt: skip
    half = max(0.05, abs(error)) * saved
    return WhatIf(
        cause=cause, scope="run", assumes=assumes, now_ms=wall / 1e6, predicted_ms=(wall - saved) / 1e6,
        saved_ms=saved / 1e6, low_ms=(saved - half) / 1e6, high_ms=(saved + half) / 1e6, run_saved_s=saved / 1e9,
        further_ms=saved / 1e6, seen=seen, where=where,
    )  # fmt: skip


def _sign(name: str, value: float) -> Sign:
    return Sign(name=name, value=float(f"{value:.4g}"), source="trace")
