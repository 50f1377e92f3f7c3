"""The child's side of what several GPUs do together: open them, measure, send what happens."""

from __future__ import annotations

import itertools
from contextlib import AbstractContextManager, ExitStack

import msgspec

from cudadoctor.bandwidth.host_memory import available_bytes
from cudadoctor.bandwidth.plan import Plan
from cudadoctor.bandwidth.several import (
    PEER_KEYS,
    TOGETHER_KEYS,
    Lane,
    measure_peer,
    measure_together,
    open_lanes,
    prepare_peers,
)
from cudadoctor.bandwidth.task import skip
from cudadoctor.bandwidth.transfers import Step, TimingError, VerificationError
from cudadoctor.bandwidth.workspace import NoRoomError
from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.driver_api import Driver, DriverError

_NO_ACCESS = "cuDeviceCanAccessPeer says that GPU {mover} cannot reach the memory of GPU {other} directly"


def measure_several(driver: Driver, plan: Plan, limit_s: float, reporter: Reporter) -> None:
    """Measure each GPU of the plan alone, all at once, and each pair of them; what fails is skipped with its reason."""

    def step(call: str) -> AbstractContextManager[None]:
        return reporter.step(call, limit_s=limit_s)

    with ExitStack() as stack:
        try:
            with reporter.step("cuDevicePrimaryCtxRetain", limit_s=limit_s * len(plan.gpus)):
                devices = [driver.device(index) for index in plan.gpus]
                lanes = stack.enter_context(open_lanes(driver, devices, plan.peer_bytes, host_free=available_bytes()))
        except (DriverError, NoRoomError) as error:
            names = [several_name(key, where) for key in TOGETHER_KEYS for where in ("alone", "together")]
            for name in (*names, *PEER_KEYS):
                skip(reporter, name, plan.gpus[0], f"several GPUs could not be opened: {error}")
            return
        for key in TOGETHER_KEYS:
            for lane in lanes:
                _measure_at_once("alone", key, driver, [lane], plan, step, reporter)
            _measure_at_once("together", key, driver, lanes, plan, step, reporter)
        try:
            with step("cuMemcpyHtoD"):
                prepare_peers(driver, lanes)
        except DriverError as error:
            for key in PEER_KEYS:
                skip(reporter, key, lanes[0].device, str(error))
            return
        for (source, target), key in itertools.product(itertools.permutations(lanes, 2), PEER_KEYS):
            _measure_pair(key, driver, source, target, plan, step, reporter)


def several_name(key: str, where: str) -> str:
    """Return what the copies of several GPUs are called where they must not be taken for those of the measured one."""
    return f"{key}_{where}"


def _measure_at_once(
    where: str, key: str, driver: Driver, lanes: list[Lane], plan: Plan, step: Step, reporter: Reporter
) -> None:
    """Measure some GPUs at once, and send their results as `where` says: `alone` for one, `together` for all."""
    reason = next((lane.workspace.not_pinned for lane in lanes if lane.workspace.not_pinned), "")
    try:
        results = [] if reason else measure_together(key, driver, lanes, plan, step)
    except VerificationError as error:
        reason = f"verification failed: {error}"
    except (DriverError, TimingError) as error:
        reason = str(error)
    if reason:
        skip(reporter, several_name(key, where), lanes[0].device, reason)
        return
    for result in results:
        reporter.send(where, result=msgspec.to_builtins(result))


def _measure_pair(
    key: str, driver: Driver, source: Lane, target: Lane, plan: Plan, step: Step, reporter: Reporter
) -> None:
    mover, other = (target, source) if key == "p2p_read" else (source, target)
    pair = f"GPU {source.device} to GPU {target.device}"
    for access in (False, True):
        words = f"{pair}, peer access {'on' if access else 'off'}"
        try:
            if access and not driver.can_access_peer(mover.device, other.device):
                reason = _NO_ACCESS.format(mover=mover.device, other=other.device)
                skip(reporter, key, mover.device, f"{words}: {reason}")
                continue
            result = measure_peer(key, driver, source, target, plan, step, access=access)
        except VerificationError as error:
            # The words before the colon tell rules what kind of failure it is.
            skip(reporter, key, mover.device, f"verification failed: {words}: {error}")
        except (DriverError, TimingError) as error:
            skip(reporter, key, mover.device, f"{words}: {error}")
        else:
            reporter.send("peer", result=msgspec.to_builtins(result))
