"""Where a minibatch's wall time goes: kernels, copies, and an idle device charged to what the host did meanwhile.

The parts are disjoint: one queue works on one thing at a time, and each moment in which it is idle belongs to exactly
one thing that the host did. So they sum to the replayed time, and with the residual to the wall time that was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from cudadoctor.attribution.replay import HostSpan, Replay, replay
from cudadoctor.facts.base import Missing
from cudadoctor.facts.explanation import Call, CallKind, Decomposition, Part

MISMATCH_LIMIT = 0.05
"""How far the replay may be from the untimed run for anything to be predicted from it."""

DILATION_LIMIT = 2.0
"""Beyond this the timers have made another program of the one that was to be timed."""

IDLE_NAMES: dict[CallKind, str] = {
    "host": "Python",
    "launch": "launching",
    "copy-to-device": "copying",
    "copy-to-host": "copying",
    "allocate": "allocating",
    "free": "allocating",
    "wait": "waiting",
}
"""What an idle device is charged to, by what the host did."""


def decompose(
    rung: str, lane: str, calls: Sequence[Call], wall_us: float, dilation: float = 1.0
) -> Decomposition | Missing:
    """Take a minibatch's wall time apart.

    Args:
        rung: Id of the rung.
        lane: Name of the lane.
        calls: One minibatch as it was recorded.
        wall_us: What a minibatch takes without any timer inside.
        dilation: How many times longer the timed minibatches took.

    Returns:
        The parts, or why there are none: nothing was recorded, or the timers slowed the program down too much.
    """
    if not calls:
        return Missing("no calls were recorded")
    if not (math.isfinite(wall_us) and wall_us > 0 and math.isfinite(dilation) and dilation > 0):
        return Missing("the wall time or the dilation is no positive number")
    if dilation > DILATION_LIMIT:
        return Missing(f"the timers made a minibatch take {dilation:.1f} times as long; beyond 2 nothing is judged")
    played = replay(calls)
    return Decomposition(
        rung=rung,
        lane=lane,
        wall_us=wall_us,
        replayed_us=played.period_us,
        dilation=dilation,
        parts=parts_of(played),
        residual_us=wall_us - played.period_us,
    )


def why_no_what_if(decomposition: Decomposition) -> str:
    """Return why nothing may be predicted from what was recorded, "" if something may."""
    off = decomposition.replayed_us / decomposition.wall_us - 1
    if abs(off) <= MISMATCH_LIMIT:
        return ""
    return (
        f"played again, the calls take {decomposition.replayed_us:.1f} µs and not {decomposition.wall_us:.1f}: "
        f"{100 * abs(off):.0f} % {'more' if off > 0 else 'less'}, and {100 * MISMATCH_LIMIT:.0f} % is the limit"
    )


def without_timer(calls: Sequence[Call], timer_us: float) -> tuple[Call, ...]:
    """Return the calls with the timer's own cost, measured once, taken out of what the host spends in each."""
    return tuple(msgspec.structs.replace(call, host_us=max(0.0, call.host_us - timer_us)) for call in calls)


def without_dilation(calls: Sequence[Call], dilation: float) -> tuple[Call, ...]:
    """Return the calls with the host's times as they would be if the timed minibatches had taken as long as the others.

    For timers whose cost is spread over all calls; where they slowed down one kind of call more, the replay tells.
    """
    return tuple(msgspec.structs.replace(call, host_us=call.host_us / dilation) for call in calls)


def parts_of(played: Replay) -> tuple[Part, ...]:
    """Return the parts of a replayed minibatch, which sum to its period."""
    sums: dict[tuple[str, str], float] = {}
    for span in played.device[len(played.device) // 2 :]:  # the later half is of this minibatch
        key = ("kernels", span.call.name) if span.call.kind == "launch" else ("copies", copy_name(span.call))
        sums[key] = sums.get(key, 0.0) + span.end_us - span.start_us
    if not played.device_bound:
        for start, end in _gaps(played):
            for host in played.host:
                overlap = min(end, host.end_us) - max(start, host.start_us)
                if overlap > 0:
                    key = ("idle", _idle_name(host))
                    sums[key] = sums.get(key, 0.0) + overlap
    order = {"kernels": 0, "copies": 1, "idle": 2}
    return tuple(
        Part(kind=kind, name=name, us=us)  # type: ignore[arg-type]
        for (kind, name), us in sorted(sums.items(), key=lambda item: order[item[0][0]])
    )


def copy_name(call: Call) -> str:
    """Return `to device, pageable` and the like; device work of other calls is `other work`."""
    if call.kind not in ("copy-to-device", "copy-to-host"):
        return "other work"
    return f"{'to device' if call.kind == 'copy-to-device' else 'to host'}, {'pinned' if call.pinned else 'pageable'}"


def _idle_name(host: HostSpan) -> str:
    return "waiting" if host.waiting else IDLE_NAMES[host.call.kind]


def _gaps(played: Replay) -> list[tuple[float, float]]:
    """Return when the device is idle, between 0 and the period."""
    gaps = []
    free = 0.0
    for span in played.device:
        if span.start_us > free:
            gaps.append((free, min(span.start_us, played.period_us)))
        free = max(free, span.end_us)
        if free >= played.period_us:
            return gaps
    gaps.append((free, played.period_us))
    return gaps
