"""Measure copy bandwidth on one GPU: `run` in this process, `work` in the child that touches the driver."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, nullcontext, suppress
from typing import TYPE_CHECKING, Any

import msgspec

from cudadoctor.bandwidth.expected import expected_link
from cudadoctor.bandwidth.plan import KEYS, Options, Plan
from cudadoctor.facts.bandwidth import Bandwidth, BandwidthResult, LinkUnderLoad, SkippedMeasurement
from cudadoctor.facts.base import Missing
from cudadoctor.facts.ladder import Step, StepState
from cudadoctor.facts.pci import Pci, PciDevice
from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.driver_api import (
    ATTRIBUTE_INTEGRATED,
    ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES,
    Driver,
    DriverError,
    open_driver,
)
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S, Ending, Worker
from cudadoctor.text import printable

if TYPE_CHECKING:
    from cudadoctor.bandwidth.link_watch import LinkWatch
    from cudadoctor.bandwidth.workspace import Workspace

TASK = "cudadoctor.bandwidth.measure:work"

_FIRST_READING_LIMIT_S = 2.0
_ENOUGH_READINGS = 3
# NVML answers its eight questions within some ms, so one round of copies that long should do.
_ROUND_S, _MOST_ROUNDS = 0.1, 5


class BandwidthError(Exception):
    """Nothing could be measured; the text is one line that says why."""


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """The device was found and opened."""

    device: int
    name: str
    uuid: str
    pci_address: str
    coherent: bool


class Sampled(msgspec.Struct, frozen=True):
    """One sample was taken and verified."""

    key: str
    gb_per_s: float


class Measured(msgspec.Struct, frozen=True):
    """One kind of copy is done."""

    result: BandwidthResult


class Skipped(msgspec.Struct, frozen=True):
    """One kind of copy has no result."""

    skipped: SkippedMeasurement


class Finished(msgspec.Struct, frozen=True):
    """All is done; `bandwidth` holds all results and what was skipped. It comes last, and once."""

    bandwidth: Bandwidth


Event = Started | Sampled | Measured | Skipped | Finished


def run(
    options: Options, *, environment: Mapping[str, str] | None = None, limit_s: float = DRIVER_CALL_LIMIT_S
) -> Iterator[Event]:
    """Measure, and yield what happens; the last event is `Finished`.

    What was measured before a crash or a hang is kept, and the rest is skipped with the reason.

    Args:
        options: What to measure.
        environment: The child's environment, this process's own by default.
        limit_s: How long one driver call, or one sample, may take.

    Raises:
        BandwidthError: There is no GPU to measure, or nothing was measured before the driver hung or died.
        ValueError: The plan asks for a kind of copy that does not exist.
    """
    unknown = [key for key in options.plan.keys if key not in KEYS]
    if unknown:
        raise ValueError(f"no such measurement: {', '.join(unknown)}; there are {', '.join(KEYS)}")
    began = time.monotonic()
    started: Started | None = None
    results: list[BandwidthResult] = []
    skipped: list[SkippedMeasurement] = []
    link: LinkUnderLoad | None = None
    arguments = {"plan": msgspec.to_builtins(options.plan), "limit_s": limit_s}
    with Worker(TASK, arguments, limit_s=limit_s, environment=environment) as worker:
        for message in worker:
            event = _event(message)
            if isinstance(event, Started):
                started = event
            elif isinstance(event, Measured):
                results.append(event.result)
            elif isinstance(event, Skipped):
                skipped.append(event.skipped)
            elif isinstance(event, LinkUnderLoad):
                link = event
                continue
            if event is not None:
                yield event
    reason = _reason(worker.ending)
    if started is None or (not results and worker.ending.state != "finished"):
        raise BandwidthError(reason)
    answered = {result.key for result in results} | {skip.key for skip in skipped}
    for key in options.plan.keys:
        if key not in answered:
            skip = SkippedMeasurement(key=key, device=started.device, reason=reason)
            skipped.append(skip)
            yield Skipped(skip)
    to_host = [result.gb_per_s for result in results if result.key != "d2d_local"]
    expected = expected_link(
        _on_bus(options.pci, started.pci_address),
        link,
        address=started.pci_address,
        coherent=started.coherent,
        measured_gb_per_s=max(to_host, default=None),
    )
    yield Finished(
        Bandwidth(
            device=started.device,
            device_name=started.name,
            device_uuid=started.uuid,
            pci_address=started.pci_address,
            results=tuple(results),
            skipped=tuple(skipped),
            expected=expected,
            link_under_load=link,
            seconds=time.monotonic() - began,
            cut_short=_cut_short(worker.ending, reason),
        )
    )


def _event(message: dict[str, Any]) -> Started | Sampled | Measured | Skipped | LinkUnderLoad | None:
    kind = message["kind"]
    if kind == "started":
        return msgspec.convert(message["device"], Started)
    if kind == "sample":
        return Sampled(message["key"], message["gb_per_s"])
    if kind == "result":
        return Measured(msgspec.convert(message["result"], BandwidthResult))
    if kind == "skipped":
        return Skipped(msgspec.convert(message["skipped"], SkippedMeasurement))
    if kind == "link":
        return msgspec.convert(message["link"], LinkUnderLoad)
    return None


def _reason(ending: Ending) -> str:
    """Say in one line why the child did not do all that it was asked."""
    where = ending.step or "the measurement"
    if ending.state == "timed out":
        return f"{where} did not return in time"
    if ending.state == "crashed":
        return f"the driver crashed in {where} ({ending.signal or f'exit code {ending.exit_code}'})"
    return printable(ending.detail.strip().partition("\n")[0]) or "the measurement ended without a reason"


def _cut_short(ending: Ending, reason: str) -> Step | None:
    """Return the call in which the driver hung or died, None if it did neither."""
    if ending.state not in ("timed out", "crashed"):
        return None
    call = ending.step or "the measurement"
    state: StepState = "timed out" if ending.state == "timed out" else "crashed"
    return Step(name="bandwidth", state=state, call=call, detail=reason, signal=ending.signal, seconds=ending.seconds)


def _on_bus(pci: Pci | Missing, address: str) -> PciDevice | None:
    if isinstance(pci, Missing):
        return None
    return next((device for device in pci.devices if device.address == address), None)


# The child's side


def work(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Open the device of a `Plan`, measure each kind of copy, and send what happens.

    Args:
        arguments: `plan`, and `limit_s` as for `run`.
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
        _measure_all(driver, started, plan, limit_s, reporter)


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


def _measure_all(driver: Driver, started: Started, plan: Plan, limit_s: float, reporter: Reporter) -> None:
    """Measure with buffers that last for all kinds of copy, and with NVML watched while pinned ones run."""
    # numpy is for the child only: the parent must stay light.
    from cudadoctor.bandwidth.host_memory import available_bytes
    from cudadoctor.bandwidth.link_watch import LinkWatch
    from cudadoctor.bandwidth.workspace import NoRoomError, open_workspace

    keys = [key for key in KEYS if key in plan.keys]
    with ExitStack() as stack:
        watch = stack.enter_context(LinkWatch(started.pci_address)) if any("pinned" in key for key in keys) else None
        try:
            with reporter.step("cuMemAlloc and cuMemHostAlloc", limit_s=limit_s):
                workspace = stack.enter_context(open_workspace(driver, plan.size_bytes, host_free=available_bytes()))
        except (DriverError, NoRoomError) as error:
            for key in keys:
                _skip(reporter, key, started.device, str(error))
            return
        for key in keys:
            _measure_one(key, workspace, started.device, plan, watch, limit_s, reporter)
            if watch is not None and key == [key for key in keys if "pinned" in key][-1]:
                _send_link(workspace, started.device, watch, reporter)


def _measure_one(
    key: str,
    workspace: Workspace,
    device: int,
    plan: Plan,
    watch: LinkWatch | None,
    limit_s: float,
    reporter: Reporter,
) -> None:
    from cudadoctor.bandwidth.transfers import TimingError, Transfer, VerificationError, measure

    if "pinned" in key and workspace.not_pinned:
        _skip(reporter, key, device, workspace.not_pinned)
        return
    try:
        result = measure(
            Transfer(key, workspace),
            device=device,
            plan=plan,
            step=lambda call: reporter.step(call, limit_s=limit_s),
            during=watch.during if watch is not None and "pinned" in key else nullcontext,
            sampled=lambda gb_per_s: reporter.send("sample", key=key, gb_per_s=gb_per_s),
            note="; ".join(workspace.notes),
        )
    except VerificationError as error:
        _skip(reporter, key, device, f"verification failed: {error}")
    except (DriverError, TimingError) as error:
        _skip(reporter, key, device, str(error))
    else:
        reporter.send("result", result=msgspec.to_builtins(result))


def _skip(reporter: Reporter, key: str, device: int, reason: str) -> None:
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
        link = watch.summary(device)
    reporter.send("link", link=msgspec.to_builtins(link))
