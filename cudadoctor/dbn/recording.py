"""Record what the host does in a minibatch, and how long the device works on each of it.

The host's times come from minibatches with a clock around every step, a few in every round of the ladder, right after
the untimed ones that they are compared with: on a shared machine the host's pace changes from second to second. The
device's time of a kernel comes from a CUDA graph that holds it a hundred times over, because no host is fast enough to
keep a GPU busy with kernels of a few microseconds; that of a copy from its bytes and the slope of copies of two sizes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import msgspec
import numpy as np

from cudadoctor.attribution.decomposition import without_timer
from cudadoctor.dbn.ops.device import cuda
from cudadoctor.dbn.rungs.base import Step, Stepwise
from cudadoctor.facts.explanation import Call

_FEW, _MANY = 20, 120
_REPEATS = 5
_SMALL, _LARGE = 1 << 18, 1 << 20

Tick = Callable[[], None]


class Recording:
    """The timed minibatches of one rung."""

    def __init__(self, rung: Stepwise) -> None:
        """Begin with none; the rung has begun its epoch."""
        self._rung = rung
        self._rounds: list[tuple[float, list[float]]] = []

    def train(self, numbers: range) -> float:
        """Train minibatches with a clock around every step; microseconds a minibatch, clocks included."""
        clock = time.perf_counter_ns
        runs = [step.run for step in self._rung.steps]
        sums = [0] * len(runs)
        cuda.synchronize()
        began = clock()
        for number in numbers:
            for i, run in enumerate(runs):
                before = clock()
                run(number)
                sums[i] += clock() - before
        cuda.synchronize()
        wall_us = (clock() - began) / 1e3 / len(numbers)
        self._rounds.append((wall_us, [total / 1e3 / len(numbers) for total in sums]))
        return wall_us

    def _typical(self) -> list[float]:
        """Return each step's mean over the middle third of the rounds by wall time, so that the steps sum to it."""
        rounds = sorted(self._rounds)
        third = len(rounds) // 3
        middle = rounds[third : len(rounds) - third]
        return [statistics.fmean(means) for means in zip(*(means for _, means in middle), strict=True)]

    def host_us(self) -> dict[str, float]:
        """Return the host's time of each launch that does not wait, by step."""
        return {
            step.name: us
            for step, us in zip(self._rung.steps, self._typical(), strict=True)
            if step.kind == "launch" and not step.waits
        }

    def calls(self, kernels_us: dict[str, float], launches_us: Mapping[str, float], tick: Tick) -> tuple[Call, ...]:
        """Return one minibatch as calls, that of the middle rounds; the rung's losses mean nothing afterwards.

        Args:
            kernels_us: The device's times of launches that are known, by step; those that are measured are added. A
                rung whose arrays lie on the host must find all of them.
            launches_us: The host's times of the same launches with arrays of the device.
            tick: Called now and then.
        """
        calls: list[Call] = []
        copies = cache(_copies_us)
        for number, (step, us) in enumerate(zip(self._rung.steps, self._typical(), strict=True)):
            if step.kind == "host":
                calls.append(Call(name=step.name, kind="host", host_us=us))
            elif step.kind != "launch":
                # A copy to the host waited for kernels too, when it was timed among them.
                calls.append(_copy(step, _median_us(partial(step.run, 0)) if step.kind == "copy-to-host" else us))
            elif step.arrays and isinstance(step.arrays[0], np.ndarray):
                calls += _with_copies(step, us, kernels_us[step.name], launches_us.get(step.name, 0.0), copies)
            else:
                if step.name not in kernels_us:
                    kernels_us[step.name] = _kernel_us(self._rung, number)
                device_us = kernels_us[step.name]
                host_us = max(0.0, us - device_us) if step.waits else us
                launch = Call(name=step.name, kind="launch", host_us=host_us, device_us=device_us, waits=step.waits)
                calls.append(msgspec.structs.replace(launch, blocks=step.blocks))
            tick()
        return without_timer(calls, timer_us())


def multiprocessors() -> int | None:
    """Return how many the current device has, None where it does not say."""
    return getattr(cuda.get_current_device(), "MULTIPROCESSOR_COUNT", None)


def timer_us() -> float:
    """Return what the clock around a step costs itself, microseconds."""
    clock = time.perf_counter_ns
    return statistics.median(-(clock() - clock()) for _ in range(1000)) / 1e3


def _copies_us(size: int) -> tuple[float, float]:
    """Return what numba's copy of an array of some bytes takes to a new one on the device, and back."""
    array = np.zeros(size, np.uint8)
    device = cuda.to_device(array)
    return _median_us(partial(cuda.to_device, array)), _median_us(partial(device.copy_to_host, array))


def _with_copies(
    step: Step, total_us: float, kernel_us: float, launch_us: float, copies: Callable[[int], tuple[float, float]]
) -> list[Call]:
    """Take a launch with arrays of the host apart: numba copies each to the device, launches, and copies each back.

    The launch itself costs what it costs with arrays of the device; the rest is copies in and out, in proportion to
    what the same copies take on their own.
    """
    each = [copies(array.nbytes) for array in step.arrays]
    inward, outward = (sum(way) for way in zip(*each, strict=True))
    copies_us = max(0.0, total_us - launch_us - kernel_us)
    size = sum(array.nbytes for array in step.arrays)
    into, out = (copies_us * part / (inward + outward) for part in (inward, outward))
    return [
        Call(name=f"{step.name}: arrays in", kind="copy-to-device", host_us=into, bytes=size, implicit=True),
        Call(name=step.name, kind="launch", host_us=launch_us, device_us=kernel_us, blocks=step.blocks),
        Call(name=f"{step.name}: arrays out", kind="copy-to-host", host_us=out, waits=True, bytes=size, implicit=True),
    ]


def _copy(step: Step, us: float) -> Call:
    """Return a copy: of one that waits, only what it takes beside the device's own time counts as the host's."""
    device_us = step.bytes * us_per_byte(step.kind == "copy-to-device", step.pinned)
    return Call(
        name=step.name,
        kind=step.kind,
        host_us=max(0.0, us - device_us) if step.waits else us,
        device_us=device_us,
        waits=step.waits,
        bytes=step.bytes,
        pinned=step.pinned,
    )


@cache
def us_per_byte(to_device: bool, pinned: bool) -> float:
    """Return what a byte more adds to a copy, microseconds: the slope between two sizes, without the fixed cost."""
    seconds = []
    for size in (_SMALL, _LARGE):
        host = cuda.pinned_array(size, np.uint8) if pinned else np.zeros(size, np.uint8)
        host[:] = 1
        device = cuda.to_device(host)
        copy = device.copy_to_device if to_device else device.copy_to_host
        copy(host)
        seconds.append(min(_microseconds(partial(copy, host)) for _ in range(4 * _REPEATS)))
    return max(0.0, (seconds[1] - seconds[0]) / (_LARGE - _SMALL))


def _kernel_us(rung: Stepwise, number: int) -> float:
    """Return the device's time of a step's launch in a full queue, from graphs that hold it a few and many times."""
    took = {}
    for count in (_FEW, _MANY):
        graph, stream = _graph_of(rung, number, count)
        _run(graph, stream)
        took[count] = min(_microseconds(partial(_run, graph, stream)) for _ in range(_REPEATS))
        graph.close()
    return max(0.0, (took[_MANY] - took[_FEW]) / (_MANY - _FEW))


def _graph_of(rung: Stepwise, number: int, count: int) -> tuple[Any, Any]:
    from cuda.core import Device

    stream = Device(cuda.get_current_device().id).create_stream()
    builder = stream.create_graph_builder()
    builder.begin_building()
    try:
        run = rung.steps_on(builder)[number].run
        for _ in range(count):
            run(0)
    finally:
        builder.end_building()
    return builder.complete(), stream


def _run(graph: Any, stream: Any) -> None:
    graph.launch(stream)
    stream.sync()


def _median_us(function: Callable[[], object]) -> float:
    return statistics.median(_microseconds(function) for _ in range(4 * _REPEATS))


def _microseconds(function: Callable[[], object]) -> float:
    """Return how long a call takes that is begun when the device has nothing to do."""
    cuda.synchronize()
    started = time.perf_counter()
    function()
    return (time.perf_counter() - started) * 1e6
