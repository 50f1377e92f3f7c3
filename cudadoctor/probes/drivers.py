"""Ask NVML and the driver API, each in a child process, both at once; and run kernels after them."""

from __future__ import annotations

import os
from collections.abc import Sequence, Set
from typing import Any, NamedTuple

import msgspec

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.driver import Driver, DriverDevice
from cudadoctor.facts.ladder import KERNEL_STEPS, Step
from cudadoctor.facts.nvml import HEALTH_FACTS, Nvml, NvmlDevice
from cudadoctor.gpu.ask_compute import environment_forbids
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S, Ending, Worker
from cudadoctor.probes.endings import cut_short

Steps = dict[str, Step]

NVML_LIBRARY, CUDA_LIBRARY = "libnvidia-ml.so.1", "libcuda.so.1"


class DriverContact:
    """The two children; start early, collect late, so that they work while files are read."""

    def __init__(
        self, *, limit_s: float = DRIVER_CALL_LIMIT_S, device: int | None = None, absent: Set[str] = frozenset()
    ) -> None:
        """Start both children.

        Args:
            limit_s: Longest that one driver call may take.
            device: Index of the device on which a context is created, 0 by default.
            absent: Libraries that are nowhere on this machine: there is nothing to call, so no child is started.
        """
        self._limit_s = limit_s
        self._device = device or 0
        self._nvml = self._driver = None
        if NVML_LIBRARY not in absent:
            self._nvml = Worker("cudadoctor.gpu.ask_nvml:work", limit_s=limit_s, hooks=False)
        if CUDA_LIBRARY not in absent:
            self._driver = Worker(
                "cudadoctor.gpu.ask_driver:work", {"device": self._device}, limit_s=limit_s, hooks=False
            )

    def kill(self) -> None:
        """End both children, whatever they are at."""
        for worker in (self._nvml, self._driver):
            if worker is not None:
                worker.kill()

    def nvml(self) -> tuple[Nvml | Missing, Steps]:
        """Return NVML's section, and the ladder's step `nvml`."""
        if self._nvml is None:
            not_found = {"code": 12, "code_name": "NVML_ERROR_LIBRARY_NOT_FOUND"}  # as NVML's callers know it
            return _nowhere("nvml", NVML_LIBRARY, **not_found)
        messages = list(self._nvml)
        ending = self._nvml.ending
        failed = _first(messages, "call-failed")
        step = _step("nvml", failed, ending, self._limit_s, passed=_counted(len(_all(messages, "device"))))
        reason = f"NVML: {step.detail}"
        library, system = _first(messages, "library"), _first(messages, "system")
        if library is None and system is None:
            return Missing(reason), {"nvml": step}
        count = _fact(system, "device_count", int, reason)
        if step.state == "passed" and isinstance(count, Known) and count.value == 0:
            step = msgspec.structs.replace(step, state="failed", call="nvmlDeviceGetCount", detail="NVML sees no GPU")
        elif step.state == "passed" and isinstance(count, Missing):
            step = msgspec.structs.replace(step, state="failed", call="nvmlDeviceGetCount", detail=count.reason)
        confidential = _first(messages, "confidential")
        health = {message["index"]: message["facts"] for message in _all(messages, "health")}
        untold = msgspec.to_builtins(dict.fromkeys(HEALTH_FACTS, Missing(reason)))
        devices = (m["device"] | health.get(m["device"]["index"], untold) for m in _all(messages, "device"))
        section = Nvml(
            mapped_path=_fact(library, "path", str, reason),
            mapped_release=_fact(library, "release", str, reason),
            driver_release=_fact(system, "driver_release", str, reason),
            nvml_version=_fact(system, "nvml_version", str, reason),
            cuda_version=_fact(system, "cuda_version", str, reason),
            device_count=count,
            devices=tuple(self._without_own(msgspec.convert(device, NvmlDevice)) for device in devices),
            confidential_compute=_fact(confidential, "confidential_compute", bool, reason),
            confidential_compute_ready=_fact(confidential, "confidential_compute_ready", bool, reason),
        )
        return section, {"nvml": step}

    def _without_own(self, device: NvmlDevice) -> NvmlDevice:
        """Leave out the child that makes a context meanwhile: it is no one else's program."""
        if self._driver is None or isinstance(device.processes, Missing):
            return device
        others = tuple(each for each in device.processes.value if each.pid != self._driver.pid)
        if len(others) == len(device.processes.value):
            return device
        return msgspec.structs.replace(
            device,
            processes=Known(others, device.processes.source),
            compute_processes=Known(sum(each.kind == "compute" for each in others), device.processes.source),
        )

    def driver(self) -> tuple[Driver | Missing, Steps]:
        """Return the driver API's section, and the ladder's steps `libcuda` to `context`."""
        if self._driver is None:
            return _nowhere("libcuda", CUDA_LIBRARY)
        messages = list(self._driver)
        ending = self._driver.ending
        steps = _steps(messages)
        if ending.state != "finished":
            order = [name for name in ("libcuda", "cu-init", "device-count", "context") if name not in steps]
            if order:
                steps[order[0]] = cut_short(order[0], ending, self._limit_s, call=order[0])
        library, version, count = (_first(messages, kind) for kind in ("library", "version", "count"))
        last = next((step for step in reversed(list(steps.values())) if step.state != "passed"), None)
        reason = f"driver API: {last.detail}" if last is not None else "driver API: it was not asked"
        if library is None:
            return Missing(reason), steps
        return Driver(
            mapped_path=_fact(library, "path", str, reason),
            mapped_release=_fact(library, "release", str, reason),
            cuda_version=_fact(version, "cuda_version", str, reason),
            device_count=_fact(count, "device_count", int, reason),
            devices=tuple(msgspec.convert(m["device"], DriverDevice) for m in _all(messages, "device")),
            count_with_all_visible=self._count_with_all_visible(steps),
        ), steps

    def _count_with_all_visible(self, steps: Steps) -> Fact[int]:
        """Ask a second child without CUDA_VISIBLE_DEVICES, where the first saw no device and the variable is set."""
        init, count = steps.get("cu-init"), steps.get("device-count")
        no_device = 100
        sees_none = any(
            step is not None and step.state == "failed" and step.code == no_device for step in (init, count)
        )
        if "CUDA_VISIBLE_DEVICES" not in os.environ:
            return Missing("CUDA_VISIBLE_DEVICES is not set")
        if not sees_none:
            return Missing("devices were seen with CUDA_VISIBLE_DEVICES as it is")
        environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
        with Worker(
            "cudadoctor.gpu.ask_driver:work",
            {"count_only": True},
            limit_s=self._limit_s,
            environment=environment,
            hooks=False,
        ) as worker:
            none = "the second process saw no device either"
            asked: Fact[int] = _fact(_first(list(worker), "count"), "device_count", int, none)
            return asked


def _nowhere(name: str, soname: str, **code: Any) -> tuple[Missing, Steps]:
    """Return what stands for a library that is nowhere on this machine."""
    detail = f"there is no {soname} on this machine"
    return Missing(detail), {name: Step(name=name, state="failed", call=f"search for {soname}", detail=detail, **code)}


class KernelRun(NamedTuple):
    """What the child answered that compiles and runs kernels.

    `steps` are those of the first device from `kernel-compile` on, `further` those of the others from `context` on.
    `mapped` are the CUDA libraries that the child had loaded when it had compiled.
    """

    steps: Steps
    further: tuple[Step, ...]
    mapped: Known[tuple[str, ...]] | Missing


def start_kernels(*, limit_s: float = DRIVER_CALL_LIMIT_S) -> Worker | None:
    """Start the child that compiles and runs kernels; it imports numba, and waits before it asks the driver.

    Returns:
        The child, or None where the environment forbids that a kernel is tried.
    """
    if environment_forbids() is not None:
        return None
    return Worker("cudadoctor.gpu.ask_compute:work", limit_s=limit_s, waits=True)


def run_kernels(worker: Worker | None, devices: Sequence[int], *, limit_s: float = DRIVER_CALL_LIMIT_S) -> KernelRun:
    """Let the child try these devices.

    A GPU that takes the child along does not take the others: a new child goes on behind it. One that hangs does, since
    each that hangs as well would cost its whole time limit.

    Args:
        worker: What `start_kernels` returned.
        devices: Indices of the driver API; a context was made on the first.
        limit_s: Longest that one driver call may take.
    """
    if worker is None:
        forbidden = environment_forbids() or "no kernel was tried"
        step = Step(name="kernel-compile", state="not reached", call="", detail=forbidden)
        return KernelRun({step.name: step}, (), Missing(forbidden))
    found: list[Step] = []
    mapped: dict[str, Any] | None = None
    left = list(devices)
    while left:
        worker.go({"devices": left, "first": devices[0]})
        messages = list(worker)
        found += _steps_of_all(messages)
        mapped = mapped or _first(messages, "mapped")
        if worker.ending.state == "finished":
            break
        at = next((m["index"] for m in reversed(messages) if m["kind"] == "device"), left[0])
        found.append(_ended_badly(found, at, first=devices[0], ending=worker.ending, limit_s=limit_s))
        left = left[left.index(at) + 1 :]
        if worker.ending.state == "timed out":
            detail = f"not tried, since the check of GPU {at} hung"
            found += (Step(name="context", state="not reached", call="", detail=detail, device=each) for each in left)
            break
        if left:
            worker.kill()
            worker = start_kernels(limit_s=limit_s)
            if worker is None:
                break
    own = {step.name: step for step in found if step.device == devices[0]}
    further = tuple(step for step in found if step.device != devices[0])
    if mapped is None or not mapped["paths"]:
        reason = "the process that was to compile a kernel did not come that far, or this is not Linux"
        return KernelRun(own, further, Missing(reason))
    source = "/proc/self/maps of the process that compiled a kernel"
    return KernelRun(own, further, Known(tuple(mapped["paths"]), source))


def _steps_of_all(messages: list[dict[str, Any]]) -> list[Step]:
    return [msgspec.convert(message["step"], Step) for message in _all(messages, "step-result")]


def _ended_badly(found: Sequence[Step], device: int, *, first: int, ending: Ending, limit_s: float) -> Step:
    """Return the step that a child was at when it ended without an answer."""
    names = KERNEL_STEPS if device == first else ("context", *KERNEL_STEPS)
    there = {step.name for step in found if step.device == device}
    name = next((name for name in names if name not in there), names[-1])
    return msgspec.structs.replace(cut_short(name, ending, limit_s, call=name), device=device)


def _step(name: str, failed: dict[str, Any] | None, ending: Ending, limit_s: float, *, passed: str) -> Step:
    """Make a step of how a child ended, or of the call that it said had failed."""
    if ending.state != "finished":
        return cut_short(name, ending, limit_s, call=name)
    if failed is not None:
        return Step(
            name=name,
            state="failed",
            call=failed["call"],
            detail=failed["detail"],
            code=failed["code"],
            code_name=failed["name"],
        )
    return Step(name=name, state="passed", call=name, detail=passed, seconds=ending.seconds)


def _counted(gpus: int) -> str:
    return f"{gpus} GPU answered" if gpus == 1 else f"{gpus} GPUs answered"


def _steps(messages: list[dict[str, Any]]) -> Steps:
    """Return the steps that a child reported, by name."""
    return {step.name: step for step in _steps_of_all(messages)}


def _all(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [message for message in messages if message["kind"] == kind]


def _first(messages: list[dict[str, Any]], kind: str) -> dict[str, Any] | None:
    return next(iter(_all(messages, kind)), None)


def _fact(message: dict[str, Any] | None, key: str, kind: type, reason: str) -> Any:
    """Decode one fact of a message; where the message never came, the reason says why."""
    if message is None:
        return Missing(reason)
    return msgspec.convert(message[key], type=Known[kind] | Missing)  # type: ignore[valid-type]
