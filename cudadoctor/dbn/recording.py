"""Record what the host does in a minibatch, and how long the device works on each of it.

The host's times come from minibatches that were trained with a clock around every step. The device's time of a kernel
comes from a CUDA graph that holds it a hundred times over, because no host is fast enough to keep a GPU busy with
kernels of a few microseconds; that of a copy from events around it on an idle device.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from cudadoctor.attribution.decomposition import without_timer
from cudadoctor.dbn.ops.device import cuda
from cudadoctor.dbn.rungs.base import Step, Stepwise
from cudadoctor.facts.explanation import Call

_MINIBATCHES = 24
_FEW, _MANY = 20, 120
_REPEATS = 5

Tick = Callable[[], None]


def record(rung: Stepwise, kernels_us: dict[str, float], tick: Tick) -> tuple[tuple[Call, ...], float]:
    """Train some minibatches of the epoch that was begun with a clock around every step.

    Args:
        rung: Whose minibatches.
        kernels_us: The device's times of launches that are known, by step; those that were measured are added. A rung
            whose arrays lie on the host must find all of them.
        tick: Called now and then.

    Returns:
        One minibatch as calls, with medians, and the wall time of a minibatch with the clocks in it, microseconds.
    """
    durations, timed_us = _timed(rung, tick)
    calls: list[Call] = []
    for number, (step, host_us) in enumerate(zip(rung.steps, durations, strict=True)):
        if step.kind == "host":
            calls.append(Call(name=step.name, kind="host", host_us=host_us))
        elif step.kind == "launch":
            if step.name not in kernels_us:
                kernels_us[step.name] = _kernel_us(rung, number)
            calls += _launch(step, host_us, kernels_us[step.name])
        else:
            calls.append(_copy(rung, step, host_us))
        tick()
    return without_timer(calls, timer_us()), timed_us


def timer_us() -> float:
    """Return what the clock around a step costs itself, microseconds."""
    clock = time.perf_counter_ns
    return statistics.median(-(clock() - clock()) for _ in range(1000)) / 1e3


def _timed(rung: Stepwise, tick: Tick) -> tuple[list[float], float]:
    """Return the median microseconds of each step, and of a whole minibatch."""
    clock = time.perf_counter_ns
    steps = [step.run for step in rung.steps]
    samples: list[list[int]] = [[] for _ in steps]
    cuda.synchronize()
    started = clock()
    for number in range(min(_MINIBATCHES, rung.minibatches)):
        for run, sample in zip(steps, samples, strict=True):
            before = clock()
            run(number)
            sample.append(clock() - before)
    cuda.synchronize()
    wall = (clock() - started) / len(samples[0])
    tick()
    return [statistics.median(sample) / 1e3 for sample in samples], wall / 1e3


def _launch(step: Step, host_us: float, kernel_us: float) -> list[Call]:
    """Take a launch with arrays of the host apart: numba copies each to the device, launches, and copies each back."""
    if not step.arrays or not isinstance(step.arrays[0], np.ndarray):
        if step.waits:
            host_us = max(0.0, _median_us(partial(step.run, 0)) - kernel_us)
        return [Call(name=step.name, kind="launch", host_us=host_us, device_us=kernel_us, waits=step.waits)]
    inward, outward = 0.0, 0.0
    for array in step.arrays:
        device = cuda.to_device(array)
        inward += _median_us(partial(cuda.to_device, array))
        outward += _median_us(partial(device.copy_to_host, array))
    size = sum(array.nbytes for array in step.arrays)
    launch_us = max(0.0, host_us - inward - outward - kernel_us)
    return [
        Call(name=f"{step.name}: arrays in", kind="copy-to-device", host_us=inward, bytes=size, implicit=True),
        Call(name=step.name, kind="launch", host_us=launch_us, device_us=kernel_us),
        Call(
            name=f"{step.name}: arrays out",
            kind="copy-to-host",
            host_us=outward,
            waits=True,
            bytes=size,
            implicit=True,
        ),
    ]


def _copy(rung: Stepwise, step: Step, host_us: float) -> Call:
    """Return a copy; of one that waits, only what it takes beside the device's own time counts as the host's."""
    device_us = _copy_us(rung, step)
    if step.waits:
        host_us = max(0.0, _median_us(partial(step.run, 0)) - device_us)
    return Call(
        name=step.name,
        kind=step.kind,
        host_us=host_us,
        device_us=device_us,
        waits=step.waits,
        bytes=step.bytes,
        pinned=step.pinned,
    )


def _kernel_us(rung: Stepwise, number: int) -> float:
    """Return the device's time of a step's launch in a full queue, from graphs that hold it a few and many times."""
    seconds = {}
    for count in (_FEW, _MANY):
        graph, stream = _graph_of(rung, number, count)
        graph.launch(stream)
        stream.sync()
        seconds[count] = min(_seconds(partial(_run, graph, stream)) for _ in range(_REPEATS))
        graph.close()
    return max(0.0, (seconds[_MANY] - seconds[_FEW]) / (_MANY - _FEW) * 1e6)


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


def _copy_us(rung: Stepwise, step: Step) -> float:
    """Return the device's time of one copy, by events around it."""
    samples: list[float] = []
    for _ in range(2 * _REPEATS):
        before, after = cuda.event(), cuda.event()
        cuda.synchronize()
        before.record(rung.stream)
        step.run(0)
        after.record(rung.stream)
        after.synchronize()
        samples.append(float(cuda.event_elapsed_time(before, after)) * 1e3)
    return statistics.median(samples)


def _median_us(function: Callable[[], object]) -> float:
    samples = []
    for _ in range(2 * _REPEATS):
        cuda.synchronize()
        samples.append(_seconds(function))
    return statistics.median(samples) * 1e6


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started
