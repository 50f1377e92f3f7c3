"""What one access or one call costs, whatever its size: a load by the GPU from the host, and calls that copy 4 B.

Calls are made through ctypes with arguments that were converted before; what Python itself takes is in each of them and
was not measured apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from cudadoctor.attribution.statistics import median
from cudadoctor.bandwidth.kernels import open_kernels
from cudadoctor.bandwidth.transfers import POISON_WORD, TimingError, VerificationError
from cudadoctor.bandwidth.workspace import Workspace
from cudadoctor.facts.bandwidth import Latency
from cudadoctor.gpu.driver_api import DriverError

CALLS = {
    "pointer_chase_host": "cuLaunchKernel",
    "submit": "cuMemcpyHtoDAsync",
    "h2d_small": "cuMemcpyHtoD",
    "d2h_small": "cuMemcpyDtoH",
}
"""The function that each latency is about."""

SMALL_BYTES = 4

# 16384 loads, each from a line of its own: more lines than a multiprocessor caches.
_CHASE_BYTES, _LINE_BYTES = 2 * 2**20, 128
_CHASE_SAMPLES = 5
_SUBMITS, _SUBMIT_SAMPLES = 64, 9  # so few that no queue is full
_SMALL_WARM_UPS, _SMALL_SAMPLES = 20, 101


def measure_latency(key: str, workspace: Workspace, device: int) -> Latency:
    """Take the samples of one latency, and verify what was loaded or copied.

    Raises:
        VerificationError: What arrived is not what was sent; there is no latency then.
        TimingError: It took no time.
        DriverError: A call failed.
    """
    samples = {
        "pointer_chase_host": lambda: _chase(workspace, device),
        "submit": lambda: _submit(workspace),
        "h2d_small": lambda: _small(workspace, to_device=True),
        "d2h_small": lambda: _small(workspace, to_device=False),
    }[key]()
    if not min(samples) > 0:
        raise TimingError(f"{CALLS[key]} took {min(samples)} s by the clock that timed it")
    return Latency(key=key, device=device, seconds=median(samples), samples_seconds=tuple(samples))


def _chase(workspace: Workspace, device: int) -> list[float]:
    """Let one thread of the GPU follow pointers through pinned memory, in an order that no prefetcher guesses."""
    ws, driver = workspace, workspace.driver
    lines = min(_CHASE_BYTES, ws.size_bytes) // _LINE_BYTES
    first = driver.device_address_of(ws.source.ctypes.data)
    order = np.concatenate(([0], 1 + np.random.default_rng(7).permutation(lines - 1))).astype(np.uint64)
    addresses = np.uint64(first) + order * np.uint64(_LINE_BYTES)
    loads = lines - 1
    ws.source[(order[:-1] * np.uint64(_LINE_BYTES // 8)).astype(np.intp)] = addresses[1:]
    arrived = driver.device_address_of(ws.target.ctypes.data)
    samples = []
    with open_kernels(driver, device) as kernels:
        for number in range(1 + _CHASE_SAMPLES):
            ws.target[0] = 0
            driver.record(ws.start, ws.stream)
            kernels.chase(first, loads, arrived, ws.stream)
            driver.record(ws.stop, ws.stream)
            driver.synchronize_stream(ws.stream)
            if int(ws.target[0]) != int(addresses[-1]):
                raise VerificationError("the loads of the pointer chase did not end where they should")
            if number:  # the first loads the kernel
                samples.append(driver.elapsed_ms(ws.start, ws.stop) / 1e3 / loads)
    return samples


def _submit(workspace: Workspace) -> list[float]:
    """Time the queueing of small copies on a held stream, so that none of them runs meanwhile."""
    ws = workspace
    name = "cuMemcpyHtoDAsync_v2"
    call = ws.driver.bound(name, ws.device_target, ws.source.ctypes.data, SMALL_BYTES, ws.stream)
    samples = []
    for _ in range(1 + _SUBMIT_SAMPLES):
        with ws.hold.held(ws.stream):
            start = time.perf_counter()
            codes = [call() for _ in range(_SUBMITS)]
            samples.append((time.perf_counter() - start) / _SUBMITS)
        ws.driver.synchronize_stream(ws.stream)
        _check(name, max(codes))
    return samples[1:]


def _small(workspace: Workspace, *, to_device: bool) -> list[float]:
    """Time synchronous copies of 4 B of pinned memory, one by one."""
    ws, driver = workspace, workspace.driver
    host, device = (ws.source, ws.device_target) if to_device else (ws.target, ws.device_source)
    ws.source[0] = sent = np.uint64(0x600D_F00D)
    if to_device:
        name = "cuMemcpyHtoD_v2"
        call = driver.bound(name, device, host.ctypes.data, SMALL_BYTES)
        driver.fill(device, POISON_WORD, 1, ws.stream)
    else:
        name = "cuMemcpyDtoH_v2"
        call = driver.bound(name, host.ctypes.data, device, SMALL_BYTES)
        driver.copy_to_device(device, ws.source.ctypes.data, SMALL_BYTES)
    driver.synchronize()
    ws.target[0] = 0
    samples = _time_each(name, call)
    if to_device:
        driver.copy_to_host(ws.target.ctypes.data, device, SMALL_BYTES)
    if ws.target[0] != sent:
        raise VerificationError(f"{SMALL_BYTES} B came back as {int(ws.target[0]):#x}, {int(sent):#x} were sent")
    return samples


def _time_each(name: str, call: Callable[[], int]) -> list[float]:
    samples = []
    for number in range(_SMALL_WARM_UPS + _SMALL_SAMPLES):
        start = time.perf_counter()
        code = call()
        seconds = time.perf_counter() - start
        _check(name, code)
        if number >= _SMALL_WARM_UPS:
            samples.append(seconds)
    return samples


def _check(name: str, code: int) -> None:
    if code != 0:
        raise DriverError(name, code)
