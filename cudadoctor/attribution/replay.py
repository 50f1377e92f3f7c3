"""Play a minibatch's recorded calls again and again: when is the host at what, and when does the device work?

The device is one queue: what is submitted starts when the device is done with all before it, and not before the host
has spent the call's host time. A call that waits holds the host until the device has done it and all before. Host time
of a plain wait comes after the waiting: it is what the host needs to notice. In steady state each minibatch takes the
same time, the period.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cudadoctor.facts.explanation import Call

_WARM_UP = 2
"""Minibatches played before the one that counts.

The only state that one hands to the next is by how much the device lags behind the host, and that is the same after
each from the first on, unless the device is the slower one and nothing waits for it; then it grows without end.
"""


class HostSpan(msgspec.Struct, frozen=True):
    """What the host did from `start_us` to `end_us`; `waiting` is the part of a call in which it waits."""

    call: Call
    start_us: float
    end_us: float
    waiting: bool = False


class DeviceSpan(msgspec.Struct, frozen=True):
    """What the device worked on from `start_us` to `end_us`."""

    call: Call
    start_us: float
    end_us: float


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """One minibatch in steady state; times count from `start_us`, and what began in the one before may reach into it.

    `device_bound` says that the host runs ahead of the device, further with each minibatch: then the device is never
    idle, and `host` shows a host that is not held up by a full queue.
    """

    period_us: float
    host: tuple[HostSpan, ...]
    device: tuple[DeviceSpan, ...]
    device_bound: bool


class _Clock(msgspec.Struct):
    host: float = 0.0
    device: float = 0.0


def replay(calls: Sequence[Call]) -> Replay:
    """Play calls in steady state.

    Args:
        calls: One minibatch, in order. Times below zero count as zero.

    Returns:
        Period and timelines; the device spans are those of this minibatch and of the one before.
    """
    clock = _Clock()
    host: list[HostSpan] = []
    device: list[DeviceSpan] = []
    earlier: list[DeviceSpan] = []
    before = _Clock()
    for _ in range(_WARM_UP + 1):
        before = _Clock(clock.host, clock.device)
        earlier, host, device = device, [], []
        for call in calls:
            _play(call, clock, host, device)
    by_host, by_device = clock.host - before.host, clock.device - before.device
    work = sum(max(0.0, call.device_us) for call in calls)
    device_bound = work > by_host and not any(call.waits for call in calls)
    start = before.host
    return Replay(
        period_us=by_device if device_bound else by_host,
        host=tuple(HostSpan(s.call, s.start_us - start, s.end_us - start, s.waiting) for s in host),
        device=tuple(DeviceSpan(s.call, s.start_us - start, s.end_us - start) for s in (*earlier, *device)),
        device_bound=device_bound,
    )


def _play(call: Call, clock: _Clock, host: list[HostSpan], device: list[DeviceSpan]) -> None:
    cost, work = max(0.0, call.host_us), max(0.0, call.device_us)
    if call.kind != "wait":
        _spend(call, cost, clock, host)
    if work > 0:
        start = max(clock.host, clock.device)
        clock.device = start + work
        device.append(DeviceSpan(call, start, clock.device))
    if call.waits and clock.device > clock.host:
        host.append(HostSpan(call, clock.host, clock.device, waiting=True))
        clock.host = clock.device
    if call.kind == "wait":
        _spend(call, cost, clock, host)


def _spend(call: Call, cost: float, clock: _Clock, host: list[HostSpan]) -> None:
    if cost > 0:
        host.append(HostSpan(call, clock.host, clock.host + cost))
        clock.host += cost
