"""What if a cause were gone: edit the recorded calls as the next rung would make them, and play them again.

An edit takes out what is known to go and puts in only what was measured (a pinned copy of that size, the launch of a
graph), so a prediction never rests on a guess. What the replay does not explain of the control run is taken to shrink
with the rest; that it might stay whole or go whole is part of the error.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from statistics import fmean

import msgspec

from cudadoctor.attribution.decomposition import MISMATCH_LIMIT
from cudadoctor.attribution.replay import replay
from cudadoctor.facts.base import Missing
from cudadoctor.facts.explanation import Call, Prediction, Rung

Calls = tuple[Call, ...]


def without_implicit_copies(calls: Sequence[Call], first: Sequence[Call] = (), last: Sequence[Call] = ()) -> Calls:
    """Leave out what the library adds on its own around launches (R0 to R1).

    Args:
        calls: A minibatch whose implicit calls are marked.
        first: What the program must do itself instead, before: the copy of the minibatch, as measured.
        last: And after: reading the loss back.
    """
    return (*first, *(call for call in calls if not call.implicit), *last)


def with_pinned_copies(calls: Sequence[Call], measured: Sequence[Call]) -> Calls | Missing:
    """Replace copies from and to pageable memory by pinned ones, which wait for nothing on the way in (R1 to R2).

    Args:
        calls: A minibatch.
        measured: Pinned copies that were measured on this machine. One of a size between two of them is interpolated.

    Returns:
        The calls, or why not: no pinned copy of about that size was measured.
    """
    edited = []
    for call in calls:
        if call.kind not in ("copy-to-device", "copy-to-host") or call.pinned:
            edited.append(call)
            continue
        times = _pinned_times(call, measured)
        if times is None:
            return Missing(f"no pinned copy of about {call.bytes} bytes was measured ({call.name})")
        waits = call.waits and call.kind == "copy-to-host"
        edited.append(msgspec.structs.replace(call, host_us=times[0], device_us=times[1], pinned=True, waits=waits))
    return tuple(edited)


def with_resident_data(calls: Sequence[Call], drop: Collection[str] = (), add: Sequence[Call] = ()) -> Calls:
    """Leave out the copies of data to the device (R2 to R3).

    Args:
        calls: A minibatch.
        drop: Names of calls that only serve those copies: gathering rows on the host, waiting for a buffer.
        add: What the device must do instead, put first: gathering rows there, as measured.
    """
    return (*add, *(call for call in calls if call.kind != "copy-to-device" and call.name not in drop))


def without_read_back(calls: Sequence[Call], drop: Collection[str] = ()) -> Calls:
    """Leave out read-backs and waits (R3 to R4), and calls named in `drop` that only serve them."""
    return without_waits(tuple(call for call in calls if call.kind != "copy-to-host" and call.name not in drop))


def without_waits(calls: Sequence[Call]) -> Calls:
    """Leave out plain waits; copies that must wait still do."""
    return tuple(
        msgspec.structs.replace(call, waits=False) if call.waits and call.kind not in _COPIES else call
        for call in calls
        if call.kind != "wait"
    )


def without_allocation(calls: Sequence[Call]) -> Calls:
    """Leave out allocating and freeing device memory."""
    return tuple(call for call in calls if call.kind not in ("allocate", "free"))


def with_fused_kernels(
    calls: Sequence[Call], kernels: Sequence[tuple[str, float]], launch_us: float | None = None
) -> Calls:
    """Replace the launches by those of fused kernels (R4 to R5).

    Args:
        calls: A minibatch.
        kernels: Name and measured device time of each fused kernel, in order.
        launch_us: Host time of one launch; if it was not measured apart, what a launch costs in `calls`, with the
            host's own Python spread over the launches.
    """
    launches = [call for call in calls if call.kind == "launch"]
    rest = [call for call in calls if call.kind not in ("launch", "host")]
    if launch_us is None:
        python = sum(call.host_us for call in calls if call.kind == "host")
        launch_us = fmean(call.host_us for call in launches) + python / len(launches) if launches else 0.0
    else:
        rest = [call for call in calls if call.kind != "launch"]
    fused = (Call(name=name, kind="launch", host_us=launch_us, device_us=device_us) for name, device_us in kernels)
    before = [call for call in rest if call.kind == "copy-to-device"]
    return (*before, *fused, *(call for call in rest if call.kind != "copy-to-device"))


def as_graph(calls: Sequence[Call], launch_us: float, gap_us: float = 0.0, minibatches: int = 1) -> Calls:
    """Launch all device work of a minibatch at once (R5 to R6).

    Args:
        calls: A minibatch.
        launch_us: Measured host time of launching the graph.
        gap_us: Measured time between the end of one node and the start of the next.
        minibatches: How many minibatches one graph holds.
    """
    work = [call for call in calls if call.device_us > 0]
    device_us = sum(call.device_us for call in work) + gap_us * max(0, len(work) - 1 / minibatches)
    return (Call(name="graph", kind="launch", host_us=launch_us / minibatches, device_us=device_us),)


def predict(
    before: Rung, calls: Sequence[Call], to_rung: str, removes: str, inputs_error_us: float = 0.0
) -> Prediction | Missing:
    """Predict the next rung from one that was measured and recorded.

    Args:
        before: The rung before, with its median, interval and calls.
        calls: Its calls as the next rung would make them.
        to_rung: Id of the next rung.
        removes: What that rung removes.
        inputs_error_us: How far the measured times that the edit put in may be off, all together.

    Returns:
        The prediction, or why there is none: the rung before was not measured or not recorded, or its calls played
        again are more than 5 % off.
    """
    if before.state != "measured" or before.median_us is None or not before.calls:
        return Missing(f"{before.id} was not measured and recorded")
    control = before.median_us
    replayed = replay(before.calls).period_us
    if control <= 0 or abs(replayed / control - 1) > MISMATCH_LIMIT:
        return Missing(f"the replay of {before.id} gives {replayed:.1f} µs and not {control:.1f}")
    ratio = replay(calls).period_us / replayed
    half = half_width(before)
    unexplained = abs(control - replayed) * max(ratio, abs(1 - ratio))
    return Prediction(
        from_rung=before.id,
        to_rung=to_rung,
        removes=removes,
        predicted_us=control * ratio,
        error_us=math.hypot(half * ratio, unexplained, inputs_error_us),
    )


def half_width(rung: Rung) -> float:
    """Return half the interval of a rung's median, or the median's farther distance to an end if that is more."""
    if rung.median_us is None or rung.low_us is None or rung.high_us is None:
        return 0.0
    return max(rung.high_us - rung.median_us, rung.median_us - rung.low_us, 0.0)


def with_measured(predictions: Sequence[Prediction], rungs: Sequence[Rung]) -> tuple[Prediction, ...]:
    """Put beside each prediction what its rung measured."""
    medians = {rung.id: rung.median_us for rung in rungs if rung.state == "measured"}
    return tuple(msgspec.structs.replace(each, measured_us=medians.get(each.to_rung)) for each in predictions)


def mean_absolute_error(predictions: Sequence[Prediction]) -> float | None:
    """Return the mean of |predicted - measured| / measured; bounds do not count. None where nothing was measured."""
    errors = [
        abs(each.predicted_us - each.measured_us) / each.measured_us
        for each in predictions
        if each.measured_us and not each.bound
    ]
    return fmean(errors) if errors else None


_COPIES = ("copy-to-device", "copy-to-host")


def _pinned_times(call: Call, measured: Sequence[Call]) -> tuple[float, float] | None:
    """Return host and device time of a pinned copy of a call's size, between two that were measured."""
    known = sorted(
        (each for each in measured if each.kind == call.kind and each.pinned and each.bytes > 0),
        key=lambda each: each.bytes,
    )
    below = [each for each in known if each.bytes <= call.bytes]
    above = [each for each in known if each.bytes >= call.bytes]
    if not below or not above:
        return None
    low, high = below[-1], above[0]
    share = 0.0 if high.bytes == low.bytes else (call.bytes - low.bytes) / (high.bytes - low.bytes)
    return (
        low.host_us + share * (high.host_us - low.host_us),
        low.device_us + share * (high.device_us - low.device_us),
    )
