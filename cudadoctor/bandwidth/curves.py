"""How long one copy takes, from 4 B to 1 GiB: what the fit of overhead and rate is made from.

Each time is that of a single copy between two events, queued behind a held stream and after a warm-up, so it has no
part of the queueing by the host, but all that the device does for each copy, and the events' own resolution (0.5 µs).
"""

from __future__ import annotations

import numpy as np

from cudadoctor.attribution.statistics import median
from cudadoctor.bandwidth.patterns import Words, fill, first_difference
from cudadoctor.bandwidth.plan import CURVE_SIZES
from cudadoctor.bandwidth.transfers import POISON_WORD, Step, TimingError, VerificationError
from cudadoctor.bandwidth.workspace import Workspace
from cudadoctor.facts.bandwidth import CurvePoint, SizeCurve
from cudadoctor.units import format_size

SAMPLES = 9
SIZE_BUDGET_S = 4.0
"""About how long the copies of one size may take together; on a slow link the curve ends earlier."""

_SEED = 0x0BAD_CAFE
_WORD_BYTES = 8


def measure_curve(key: str, workspace: Workspace, *, device: int, step: Step) -> SizeCurve:
    """Time pinned copies of each size that fits, and verify one of each; the fit is left to the parent.

    Raises:
        VerificationError: What arrived is not what was sent; there is no curve then.
        TimingError: A copy took no time.
        DriverError: A call failed.
    """
    to_device = key.startswith("h2d")
    driver = workspace.driver
    copy, bring_back = ("cuMemcpyHtoDAsync", "cuMemcpyDtoH") if to_device else ("cuMemcpyDtoHAsync", "cuMemcpyDtoH")
    sizes = [size for size in CURVE_SIZES if size <= workspace.size_bytes]
    fill(workspace.source, _SEED)
    if not to_device:
        with step("cuMemcpyHtoD"):
            driver.copy_to_device(workspace.device_source, workspace.source.ctypes.data, sizes[-1])
    points: list[CurvePoint] = []
    for size in sizes:
        if points and 2 * SAMPLES * size / points[-1].size_bytes * points[-1].seconds > SIZE_BUDGET_S:
            break
        if to_device:
            with step("cuMemsetD32Async"):
                driver.fill(workspace.device_target, POISON_WORD, size // 4, workspace.stream)
                driver.synchronize_stream(workspace.stream)
        else:
            _bytes_of(workspace.target, size)[:] = 0
        with step(copy):
            seconds = tuple(_time_one(workspace, size, to_device=to_device) for _ in range(SAMPLES))
        with step(bring_back):
            if to_device:
                driver.copy_to_host(workspace.target.ctypes.data, workspace.device_target, size)
            _verify(workspace, size)
        points.append(CurvePoint(size_bytes=size, seconds=median(seconds), samples_seconds=seconds))
    return SizeCurve(key=key, device=device, points=tuple(points))


def _time_one(workspace: Workspace, size: int, *, to_device: bool) -> float:
    ws, driver = workspace, workspace.driver

    def copy() -> None:
        if to_device:
            driver.copy_to_device(ws.device_target, ws.source.ctypes.data, size, ws.stream)
        else:
            driver.copy_to_host(ws.target.ctypes.data, ws.device_source, size, ws.stream)

    with ws.hold.held(ws.stream):
        copy()
        driver.record(ws.start, ws.stream)
        copy()
        driver.record(ws.stop, ws.stream)
    driver.synchronize_stream(ws.stream)
    seconds = driver.elapsed_ms(ws.start, ws.stop) / 1e3
    if not seconds > 0:
        raise TimingError(f"a copy of {format_size(size)} took {seconds} s by the events around it")
    return seconds


def _verify(workspace: Workspace, size: int) -> None:
    if size < _WORD_BYTES:
        same = np.array_equal(_bytes_of(workspace.target, size), _bytes_of(workspace.source, size))
        offset = None if same else 0
    else:
        offset = first_difference(workspace.target[: size // _WORD_BYTES], _SEED)
    if offset is not None:
        raise VerificationError(f"a copy of {format_size(size)} differs from what was sent at byte {offset}")


def _bytes_of(words: Words, size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return words.view(np.uint8)[:size]
