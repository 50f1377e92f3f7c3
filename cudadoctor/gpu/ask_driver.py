"""Climb the driver API from the library to a context: the child's side."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.driver import DriverDevice
from cudadoctor.gpu.ask_nvml import cuda_version
from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.driver_api import ATTRIBUTE_MULTIPROCESSOR_COUNT, Driver, DriverError, open_driver
from cudadoctor.gpu.errors import cuda_error
from cudadoctor.gpu.mapped import mapped_path, mapped_release


def work(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Send `library`, `version`, `count`, one `device` each, and a `step-result` for each step of the ladder.

    Args:
        arguments: `device` is the index on which a context is created; with `count_only` the road ends at the count.
        reporter: Where to send.
    """
    climb = _Climb(reporter)
    driver = climb.open()
    if driver is None or not climb.initialise(driver):
        return
    count = climb.count(driver)
    if count is None or arguments.get("count_only"):
        return
    for index in range(count):
        reporter.send("device", device=msgspec.to_builtins(climb.describe(driver, index)))
    climb.context(driver, min(int(arguments["device"]), count - 1))


class _Climb:
    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def open(self) -> Driver | None:
        call = "dlopen libcuda"
        with self._reporter.step(call):
            try:
                driver = open_driver()
            except OSError as error:
                self._result("libcuda", call, "failed", str(error))
                return None
        path = mapped_path("libcuda")
        self._reporter.send("library", **msgspec.to_builtins({"path": path, "release": mapped_release(path)}))
        self._result("libcuda", call, "passed", path.value if isinstance(path, Known) else "loaded")
        # Asked before cuInit, which it does not need: the version explains many a failure of cuInit.
        self._reporter.send(
            "version",
            cuda_version=msgspec.to_builtins(self._ask("cuDriverGetVersion", lambda: cuda_version(driver.version()))),
        )
        return driver

    def initialise(self, driver: Driver) -> bool:
        started = time.perf_counter()
        failure = self._try("cuInit", driver.initialise)
        return self._step("cu-init", "cuInit", failure, "cuInit succeeded", time.perf_counter() - started)

    def count(self, driver: Driver) -> int | None:
        found = self._ask("cuDeviceGetCount", driver.device_count)
        if isinstance(found, Missing):
            self._result("device-count", "cuDeviceGetCount", "failed", found.reason)
            return None
        self._reporter.send("count", device_count=msgspec.to_builtins(found))
        if found.value == 0:
            # CUDA_ERROR_NO_DEVICE is what cuInit itself would have said.
            self._result(
                "device-count",
                "cuDeviceGetCount",
                "failed",
                "the driver API sees no device",
                code=100,
                code_name="CUDA_ERROR_NO_DEVICE",
            )
            return None
        self._result(
            "device-count", "cuDeviceGetCount", "passed", f"{found.value} device{'s' if found.value > 1 else ''}"
        )
        return int(found.value)

    def describe(self, driver: Driver, index: int) -> DriverDevice:
        def ask(call: str, function: Callable[[], Any]) -> Any:
            return self._ask(call, function)

        return DriverDevice(
            index=index,
            name=ask("cuDeviceGetName", lambda: driver.name(index)),
            uuid=ask("cuDeviceGetUuid", lambda: driver.uuid(index)),
            pci_address=ask("cuDeviceGetPCIBusId", lambda: driver.pci_address(index)),
            compute_capability=ask("cuDeviceGetAttribute", lambda: driver.compute_capability(index)),
            memory_total_bytes=ask("cuDeviceTotalMem", lambda: driver.total_memory_bytes(index)),
            multiprocessors=ask(
                "cuDeviceGetAttribute", lambda: driver.attribute(ATTRIBUTE_MULTIPROCESSOR_COUNT, index)
            ),
        )

    def context(self, driver: Driver, index: int) -> None:
        def create() -> None:
            with driver.any_context(driver.device(index)):
                driver.synchronize()

        started = time.perf_counter()
        failure = self._try("cuCtxCreate", create)
        seconds = time.perf_counter() - started
        self._step("context", "cuCtxCreate", failure, f"context on device {index}", seconds, device=index)

    def _step(
        self, step: str, call: str, failure: DriverError | None, passed: str, seconds: float, **more: Any
    ) -> bool:
        if failure is None:
            self._result(step, call, "passed", passed, seconds=seconds, **more)
        else:
            said = str(failure) if failure.code is None else cuda_error(failure.code).meaning
            self._result(step, failure.call, "failed", said, code=failure.code, code_name=failure.name, **more)
        return failure is None

    def _result(self, step: str, call: str, state: str, detail: str, **more: Any) -> None:
        result = {"name": step, "call": call, "state": state, "detail": detail, **more}
        self._reporter.send("step-result", step=result)

    def _try(self, call: str, action: Callable[[], None]) -> DriverError | None:
        with self._reporter.step(call):
            try:
                action()
            except DriverError as error:
                return error
        return None

    def _ask(self, call: str, action: Callable[[], Any]) -> Fact[Any]:
        with self._reporter.step(call):
            try:
                return Known(action(), call)
            except DriverError as error:
                return Missing(f"{call} answered {error.name}" if error.code is not None else str(error))
