"""Several GPUs: pinned copies of each alone and of all at once, and copies from one to another.

Each GPU has buffers, a stream and a hold of its own. All streams are held while copies are queued, and released one
right after the other; each GPU's rate is taken by its own events, and copies that follow keep its link busy until the
slower ones are done too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import msgspec

from cudadoctor.attribution.statistics import median
from cudadoctor.bandwidth.patterns import fill
from cudadoctor.bandwidth.plan import WARM_UPS, Plan
from cudadoctor.bandwidth.transfers import Step, Transfer, rate
from cudadoctor.bandwidth.workspace import Workspace, open_workspace
from cudadoctor.facts.bandwidth import BandwidthResult, PeerResult
from cudadoctor.gpu.driver_api import Driver, DriverError

PEER_KEYS = ("p2p_read", "p2p_write")
TOGETHER_KEYS = ("h2d_pinned", "d2h_pinned")

_SEED = 0x5EED_0F_A11


class Lane(msgspec.Struct, kw_only=True):
    """One of several GPUs: its context, and buffers in it."""

    device: int
    context: int
    workspace: Workspace


@contextmanager
def open_lanes(driver: Driver, devices: Sequence[int], size_bytes: int, *, host_free: int) -> Iterator[list[Lane]]:
    """Take a context and buffers of one size on each device; afterwards no context is current.

    Raises:
        NoRoomError: There is not enough memory on one of them.
        DriverError: One of them gives no context.
    """
    with ExitStack() as stack:
        lanes: list[Lane] = []
        for device in devices:
            context = stack.enter_context(driver.retained_context(device))
            driver.use(context)
            size = min([size_bytes, *(lane.workspace.size_bytes for lane in lanes)])
            workspace = stack.enter_context(open_workspace(driver, size, host_free=host_free // len(devices)))
            stack.callback(_use_if_possible, driver, context)  # before its buffers go
            lanes.append(Lane(device=device, context=context, workspace=workspace))
        for lane in lanes:
            lane.workspace.size_bytes = lanes[-1].workspace.size_bytes
        yield lanes


def measure_together(key: str, driver: Driver, lanes: Sequence[Lane], plan: Plan, step: Step) -> list[BandwidthResult]:
    """Take the samples of pinned copies that these GPUs make at once, which may be one alone; one result a GPU.

    Raises:
        VerificationError: What arrived at one of them is not what was sent.
        TimingError: The copies took no time.
        DriverError: A call failed.
    """
    transfers = [Transfer(key, lane.workspace) for lane in lanes]
    samples: list[list[float]] = [[] for _ in lanes]
    prepare, copy, bring_back = transfers[0].calls
    for number in range(plan.samples):
        seeds = [_SEED + number * len(lanes) + place for place in range(len(lanes))]
        with step(prepare):
            for lane, transfer, seed in zip(lanes, transfers, seeds, strict=True):
                driver.use(lane.context)
                transfer.prepare(seed, first=number == 0)
        with step(copy):
            with ExitStack() as holds:
                for lane, transfer in zip(lanes, transfers, strict=True):
                    driver.use(lane.context)
                    holds.enter_context(lane.workspace.hold.held(lane.workspace.stream))
                    _queue(driver, lane.workspace, transfer, plan.copies)
            for lane, rates in zip(lanes, samples, strict=True):
                driver.use(lane.context)
                driver.synchronize_stream(lane.workspace.stream)
                seconds = driver.elapsed_ms(lane.workspace.start, lane.workspace.stop) / 1e3
                rates.append(rate(plan.copies, lane.workspace.size_bytes, seconds))
        with step(bring_back):
            for lane, transfer, seed in zip(lanes, transfers, seeds, strict=True):
                driver.use(lane.context)
                transfer.verify(seed)
    return [
        BandwidthResult(
            key=key,
            device=lane.device,
            size_bytes=lane.workspace.size_bytes,
            gb_per_s=median(rates),
            samples_gb_per_s=tuple(rates),
            verified=True,
            copies_per_sample=plan.copies,
            timer="events",
            note=lane.workspace.hold.note,
        )
        for lane, rates in zip(lanes, samples, strict=True)
    ]


def _queue(driver: Driver, workspace: Workspace, transfer: Transfer, copies: int) -> None:
    for _ in range(WARM_UPS):
        transfer.copy()
    driver.record(workspace.start, workspace.stream)
    for _ in range(copies):
        transfer.copy()
    driver.record(workspace.stop, workspace.stream)
    for _ in range(copies):
        transfer.copy()


def prepare_peers(driver: Driver, lanes: Sequence[Lane]) -> None:
    """Put a pattern on each device, which the copies to others take from there."""
    for lane in lanes:
        driver.use(lane.context)
        ws = lane.workspace
        fill(ws.source[: ws.size_bytes // 8], _seed_of(lane))
        driver.copy_to_device(ws.device_source, ws.source.ctypes.data, ws.size_bytes)
        driver.synchronize()


def measure_peer(
    key: str, driver: Driver, source: Lane, target: Lane, plan: Plan, step: Step, *, access: bool
) -> PeerResult:
    """Take the samples of copies from one GPU to another; `prepare_peers` must have been called.

    Raises:
        VerificationError: What arrived is not what was sent.
        TimingError: The copies took no time.
        DriverError: A call failed.
    """
    mover, other = (target, source) if key == "p2p_read" else (source, target)
    size, ws = mover.workspace.size_bytes, mover.workspace
    arrival = Transfer("d2d_local", target.workspace)
    samples = []
    with ExitStack() as stack:
        driver.use(mover.context)
        if access:
            with step("cuCtxEnablePeerAccess"):
                stack.enter_context(driver.peer_access(other.context))
            stack.callback(_use_if_possible, driver, mover.context)  # the access is the mover's
        for _ in range(plan.samples):
            with step("cuMemsetD32Async"):
                driver.use(target.context)
                arrival.poison(target.workspace.device_target)
                driver.synchronize()
            driver.use(mover.context)
            with step("cuMemcpyPeerAsync"):
                with ws.hold.held(ws.stream):
                    for number in range(WARM_UPS + plan.copies):
                        if number == WARM_UPS:
                            driver.record(ws.start, ws.stream)
                        driver.copy_between(
                            target.workspace.device_target,
                            target.context,
                            source.workspace.device_source,
                            source.context,
                            size,
                            ws.stream,
                        )
                    driver.record(ws.stop, ws.stream)
                driver.synchronize_stream(ws.stream)
                seconds = driver.elapsed_ms(ws.start, ws.stop) / 1e3
            with step("cuMemcpyDtoH"):
                driver.use(target.context)
                arrival.compare_on_device(target.workspace.device_target, _seed_of(source))
            samples.append(rate(plan.copies, size, seconds))
    return PeerResult(
        key=key,
        source=source.device,
        target=target.device,
        access=access,
        gb_per_s=median(samples),
        samples_gb_per_s=tuple(samples),
        size_bytes=size,
        verified=True,
    )


def _seed_of(lane: Lane) -> int:
    return _SEED << 8 | lane.device


def _use_if_possible(driver: Driver, context: int) -> None:
    with suppress(DriverError):  # after a fault, everything goes with the process
        driver.use(context)
