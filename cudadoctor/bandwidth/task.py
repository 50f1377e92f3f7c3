"""The child's side of a bandwidth measurement: open the device, measure each kind of copy, send what happens."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cudadoctor.bandwidth.events import Started
from cudadoctor.bandwidth.plan import KEYS, SEVERAL, Plan, curve_name
from cudadoctor.facts.bandwidth import SkippedMeasurement
from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.driver_api import (
    ATTRIBUTE_INTEGRATED,
    ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES,
    Driver,
    DriverError,
    open_driver,
)
from cudadoctor.text import printable

if TYPE_CHECKING:
    from cudadoctor.bandwidth.link_watch import LinkWatch
    from cudadoctor.bandwidth.workspace import Workspace

_FIRST_READING_LIMIT_S = 2.0
_ENOUGH_READINGS = 3
_WATCHED = ("h2d_pinned", "d2h_pinned")
# NVML answers its eight questions within some ms, so one round of copies that long should do.
_ROUND_S, _MOST_ROUNDS = 0.1, 5


def work(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Open the device of a `Plan`, measure each kind of copy, and send what happens.

    Args:
        arguments: `plan`, `limit_s` as for `run`, and `root`, where /sys is.
        reporter: Where to send.

    Raises:
        OSError: There is no driver library.
        DriverError: The driver does not start, or gives no context.
        LookupError: It has no such device.
    """
    plan = msgspec.convert(arguments["plan"], Plan)
    # Large buffers take their time to pin, to fill and to compare.
    limit_s = arguments["limit_s"] + max(0.0, plan.size_bytes - 2**30) / 1e9
    with reporter.step("dlopen libcuda"):
        driver = open_driver()
    with reporter.step("cuInit"):
        driver.initialise()
    with reporter.step("cuDeviceGet"):
        device = find_device(driver, plan.device)
        started = _started(driver, device)
    with ExitStack() as stack:
        with reporter.step("cuDevicePrimaryCtxRetain"):
            stack.enter_context(driver.primary_context(device))
        reporter.send("started", device=msgspec.to_builtins(started))
        _measure_all(driver, started, plan, limit_s, reporter, Path(arguments.get("root", "/")))


def find_device(driver: Driver, wanted: int | str) -> int:
    """Return the device with CUDA's index, or with a UUID or the beginning of one.

    Raises:
        LookupError: There is none, or several.
    """
    count = driver.device_count()
    if isinstance(wanted, int):
        if not 0 <= wanted < count:
            raise LookupError(f"there is no device {wanted}: the driver shows {count}, counted from 0")
        return driver.device(wanted)
    found = [device for device in map(driver.device, range(count)) if driver.uuid(device).startswith(wanted)]
    if len(found) != 1:
        raise LookupError(f"{len(found)} of {count} devices have a UUID that begins with {wanted}")
    return found[0]


def _started(driver: Driver, device: int) -> Started:
    coherent = any(
        _attribute(driver, number, device) == 1
        for number in (ATTRIBUTE_INTEGRATED, ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES)
    )
    return Started(
        device=device,
        name=driver.name(device),
        uuid=driver.uuid(device),
        pci_address=driver.pci_address(device),
        coherent=coherent,
    )


def _attribute(driver: Driver, number: int, device: int) -> int | None:
    """Return an attribute, None from a driver that is too old to know it."""
    try:
        return driver.attribute(number, device)
    except DriverError:
        return None


def _measure_all(driver: Driver, started: Started, plan: Plan, limit_s: float, reporter: Reporter, root: Path) -> None:
    """Measure with buffers that last for all kinds of copy, and with NVML watched while the link is loaded."""
    # numpy is for the child only: the parent must stay light.
    from cudadoctor.bandwidth.host_memory import available_bytes
    from cudadoctor.bandwidth.link_watch import LinkWatch
    from cudadoctor.bandwidth.workspace import NoRoomError, open_workspace

    keys = [key for key in KEYS if key in plan.keys]
    loading = [key for key in keys if loads_the_link(key)]
    with ExitStack() as stack:
        watch = stack.enter_context(LinkWatch(started.pci_address)) if loading else None
        try:
            with reporter.step("cuMemAlloc and cuMemHostAlloc", limit_s=limit_s):
                workspace = stack.enter_context(open_workspace(driver, plan.size_bytes, host_free=available_bytes()))
        except (DriverError, NoRoomError) as error:
            for key in plan.costs:
                skip(reporter, key, started.device, str(error))
            return
        if watch is not None:  # so that error counters are read before the first copy
            watch.wait_until_reading(_FIRST_READING_LIMIT_S)
        for key in keys:
            _measure_one(key, workspace, started.device, plan, watch, limit_s, reporter)
            if watch is not None and key == loading[-1]:
                _send_link(workspace, started.device, watch, reporter)
        if plan.numa:
            from cudadoctor.bandwidth.numa_task import measure_nodes

            measure_nodes(workspace, started.device, started.pci_address, plan, limit_s, reporter, root)
        for key in plan.latencies:
            _measure_latency(key, workspace, started.device, limit_s, reporter)
    if plan.curves:
        _measure_curves(driver, started.device, plan, limit_s, reporter)
    if plan.numba:
        from cudadoctor.bandwidth.numba_task import measure_numba

        measure_numba(driver, started.device, plan, limit_s, reporter)
    if len(plan.gpus) > 1:
        from cudadoctor.bandwidth.several_task import measure_several

        measure_several(driver, plan, limit_s, reporter)
    elif plan.gpus:
        count = driver.device_count()
        why = "the driver shows one GPU" if count == 1 else f"of {count} GPUs one alone is free"
        skip(reporter, SEVERAL, started.device, why)


def loads_the_link(key: str) -> bool:
    """Say whether copies of a kind go over the link one after the other, without waiting for the host."""
    return not key.startswith("d2d") and "pageable" not in key and "managed" not in key


def _measure_one(
    key: str,
    workspace: Workspace,
    device: int,
    plan: Plan,
    watch: LinkWatch | None,
    limit_s: float,
    reporter: Reporter,
) -> None:
    from cudadoctor.bandwidth.kinds import TAKES, NotHereError, open_transfer
    from cudadoctor.bandwidth.transfers import TimingError, VerificationError, measure

    try:
        with ExitStack() as stack:
            with reporter.step(TAKES.get(key.partition("_")[2], "cuDeviceGetAttribute"), limit_s=limit_s):
                transfer = stack.enter_context(open_transfer(key, workspace, device, plan))
            result = measure(
                transfer,
                device=device,
                plan=plan,
                step=lambda call: reporter.step(call, limit_s=limit_s),
                during=watch.during if watch is not None and key in _WATCHED else nullcontext,
                sampled=lambda gb_per_s: reporter.send("sample", key=key, gb_per_s=gb_per_s),
                note="; ".join(workspace.notes),
            )
    except VerificationError as error:
        skip(reporter, key, device, f"verification failed: {error}")
    except (DriverError, NotHereError, TimingError) as error:
        skip(reporter, key, device, str(error))
    else:
        reporter.send("result", asked=key, result=msgspec.to_builtins(result))


def _measure_latency(key: str, workspace: Workspace, device: int, limit_s: float, reporter: Reporter) -> None:
    from cudadoctor.bandwidth.latencies import CALLS, measure_latency
    from cudadoctor.bandwidth.transfers import TimingError, VerificationError

    if workspace.not_pinned:
        skip(reporter, key, device, workspace.not_pinned)
        return
    try:
        with reporter.step(CALLS[key], limit_s=limit_s):
            latency = measure_latency(key, workspace, device)
    except VerificationError as error:
        skip(reporter, key, device, f"verification failed: {error}")
    except (DriverError, TimingError) as error:
        skip(reporter, key, device, str(error))
    else:
        reporter.send("latency", latency=msgspec.to_builtins(latency))


def _measure_curves(driver: Driver, device: int, plan: Plan, limit_s: float, reporter: Reporter) -> None:
    """Measure with buffers of their own, as large as the largest size."""
    from cudadoctor.bandwidth.curves import measure_curve
    from cudadoctor.bandwidth.host_memory import available_bytes
    from cudadoctor.bandwidth.transfers import TimingError, VerificationError
    from cudadoctor.bandwidth.workspace import NoRoomError, open_workspace

    with ExitStack() as stack:
        try:
            with reporter.step("cuMemAlloc and cuMemHostAlloc", limit_s=limit_s):
                workspace = stack.enter_context(open_workspace(driver, plan.curve_bytes, host_free=available_bytes()))
        except (DriverError, NoRoomError) as error:
            for key in plan.curves:
                skip(reporter, curve_name(key), device, str(error))
            return
        for key in plan.curves:
            if workspace.not_pinned:
                skip(reporter, curve_name(key), device, workspace.not_pinned)
                continue
            try:
                curve = measure_curve(
                    key, workspace, device=device, step=lambda call: reporter.step(call, limit_s=limit_s)
                )
            except VerificationError as error:
                skip(reporter, curve_name(key), device, f"verification failed: {error}")
            except (DriverError, TimingError) as error:
                skip(reporter, curve_name(key), device, str(error))
            else:
                reporter.send("curve", curve=msgspec.to_builtins(curve))


def skip(reporter: Reporter, key: str, device: int, reason: str) -> None:
    """Say why there is no result."""
    skipped = SkippedMeasurement(key=key, device=device, reason=printable(reason))
    reporter.send("skipped", skipped=msgspec.to_builtins(skipped))


def _send_link(workspace: Workspace, device: int, watch: LinkWatch, reporter: Reporter) -> None:
    """Send what NVML said during the copies; if they were too short for it, copy a while longer."""
    from cudadoctor.bandwidth.transfers import Transfer

    with reporter.step("cuMemcpyHtoDAsync"):
        if watch.wait_until_reading(_FIRST_READING_LIMIT_S) and not workspace.not_pinned:
            transfer = Transfer("h2d_pinned", workspace)
            for _ in range(_MOST_ROUNDS):
                if watch.count() >= _ENOUGH_READINGS or watch.ended():
                    break
                with suppress(DriverError):  # the measurement that met it has said so
                    transfer.keep_busy(_ROUND_S, watch.during)
        errors = watch.errors()
        link = watch.summary(device)
    reporter.send("link", link=msgspec.to_builtins(link), errors=msgspec.to_builtins(errors))
