"""What the tracer costs a launch, a copy and any other call: measured on this machine, in a child of its own.

Each is called in batches with the tracer off, then on; the fastest batch of each counts, since others only add time.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

from cudadoctor.attribution.profile.trace import TracerCost
from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.cupti import pool
from cudadoctor.gpu.cupti.callbacks import compile_callbacks
from cudadoctor.gpu.cupti.tracing import Tracing, start
from cudadoctor.gpu.driver_api import ATTRIBUTE_MULTIPROCESSOR_COUNT, Driver, open_driver
from cudadoctor.gpu.worker import Worker

TASK = "cudadoctor.profile.calibration:work"

_FP32_PER_FP64 = 87  # CU_DEVICE_ATTRIBUTE_SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO

_BATCHES, _CALLS = 15, 200
_COPY_BYTES = 4

_KERNEL = """
.version 6.0
.target sm_50
.address_size 64
.visible .entry nothing() { ret; }
"""


class Calibration(NamedTuple):
    """What the tracer costs, and what the device said of itself."""

    cost: TracerCost
    multiprocessors: int
    fp32_per_fp64: float


def measure(libraries: list[str], device: int, limit_s: float) -> Calibration | str:
    """Return the costs in nanoseconds, or why they could not be measured."""
    found: Calibration | None = None
    worker = Worker(TASK, {"libraries": libraries, "device": device}, limit_s=limit_s, hooks=False)
    for message in worker:
        if message.get("kind") == "cost":
            cost = TracerCost(**message["cost"])
            found = Calibration(cost, message["multiprocessors"], message["fp32_per_fp64"])
    if found is not None:
        return found
    ending = worker.ending
    where = f" in {ending.step}" if ending.step else ""
    return ending.detail.splitlines()[-1] if ending.detail else f"{ending.state}{where}"


def work(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Send a `cost`: that of the tracer, and what the device says of itself.

    Args:
        arguments: `libraries` and `device`.
        reporter: Where to send.

    Raises:
        DriverError: The device cannot be used.
        NotTracedError: No library can trace.
    """
    driver = open_driver()
    with reporter.step("cuInit"):
        driver.initialise()
    device = driver.device(arguments["device"])
    with ExitStack() as stack:
        with reporter.step("cuDevicePrimaryCtxRetain"):
            stack.enter_context(driver.primary_context(device))
        cost = _cost(driver, arguments["libraries"], reporter)
    reporter.send(
        "cost",
        cost=cost,
        multiprocessors=driver.attribute(ATTRIBUTE_MULTIPROCESSOR_COUNT, device),
        fp32_per_fp64=float(driver.attribute(_FP32_PER_FP64, device)),
    )


def _cost(driver: Driver, libraries: list[str], reporter: Reporter) -> dict[str, float]:
    """Return nanoseconds by kind of call."""
    with driver.module(_KERNEL) as module, driver.device_memory(_COPY_BYTES) as memory, driver.stream() as stream:
        function = driver.function(module, "nothing")
        host = ctypes.create_string_buffer(_COPY_BYTES)
        calls: dict[str, Callable[[], object]] = {
            "launch": lambda: driver.launch(function, stream),
            "copy": lambda: driver.copy_to_device(memory, ctypes.addressof(host), _COPY_BYTES),
            "call": driver.version,
        }
        with reporter.step("launches without a tracer"):
            without = {name: _fastest(call, driver.synchronize) for name, call in calls.items()}
        tracing = _switch_on(libraries, reporter)
        with reporter.step("launches with a tracer"):
            traced = {name: _fastest(call, driver.synchronize) for name, call in calls.items()}
            tracing.stop()
    return {name: max(0.0, traced[name] - without[name]) for name in calls}


def _switch_on(libraries: list[str], reporter: Reporter) -> Tracing:
    layout = pool.Layout.within(64)
    descriptor = os.memfd_create("cudadoctor-calibration")
    pool.prepare(descriptor, layout, compile_callbacks(layout))
    memory, layout = pool.open_pool(descriptor)
    with reporter.step("switching the tracer on"):
        return start(memory, pool.Writer(memory, layout), libraries)


def _fastest(call: Callable[[], object], synchronize: Callable[[], None]) -> float:
    """Return nanoseconds a call in the fastest of some batches."""
    best = float("inf")
    for _ in range(_BATCHES):
        synchronize()
        began = time.perf_counter_ns()
        for _ in range(_CALLS):
            call()
        best = min(best, (time.perf_counter_ns() - began) / _CALLS)
        synchronize()
    return best
