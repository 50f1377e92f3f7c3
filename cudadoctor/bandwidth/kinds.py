"""The kinds of copy that take more than the workspace: other host memory, a second stream, or a kernel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from cudadoctor.bandwidth.kernels import UNIT_BYTES, Kernels, open_kernels
from cudadoctor.bandwidth.paging import Fresh, Managed
from cudadoctor.bandwidth.patterns import words_at
from cudadoctor.bandwidth.plan import MAIN_KEYS, WARM_UPS, Plan
from cudadoctor.bandwidth.transfers import During, TimingError, Transfer
from cudadoctor.bandwidth.workspace import Workspace, round_down
from cudadoctor.gpu.driver_api import (
    ATTRIBUTE_CAN_MAP_HOST_MEMORY,
    ATTRIBUTE_CONCURRENT_MANAGED_ACCESS,
    ATTRIBUTE_MANAGED_MEMORY,
    DriverError,
)

_MOST_OPPOSITE = 16
_NEED_PINNED = ("pinned", "bidirectional", "mapped")
# What each kind asks of the device, by the attribute's number, and what it means if the answer is no.
_NEED_ATTRIBUTE = {
    "mapped": ((ATTRIBUTE_CAN_MAP_HOST_MEMORY, "the device cannot map host memory"),),
    "managed": (
        (ATTRIBUTE_MANAGED_MEMORY, "the driver offers no managed memory on this device"),
        (
            ATTRIBUTE_CONCURRENT_MANAGED_ACCESS,
            "pages of managed memory do not move on demand here (CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS is 0), "
            "as under WSL2 and Windows",
        ),
    ),
}


TAKES = {
    "bidirectional": "cuStreamCreate",
    "write_combined": "cuMemHostAlloc",
    "registered": "cuMemHostRegister",
    "mapped": "cuModuleLoadDataEx",
    "local_kernel": "cuModuleLoadDataEx",
    "managed": "cuMemAllocManaged",
}
"""The function by which a kind takes what it needs."""


class NotHereError(Exception):
    """This kind of copy does not apply here; the text says why."""


@contextmanager
def open_transfer(key: str, workspace: Workspace, device: int, plan: Plan) -> Iterator[Transfer]:
    """Take what a kind of copy needs besides the workspace.

    Raises:
        NotHereError: It does not apply here.
        DriverError: What it needs could not be had.
    """
    kind = key.partition("_")[2]
    driver = workspace.driver
    if kind in _NEED_PINNED and workspace.not_pinned:
        raise NotHereError(workspace.not_pinned)
    for number, reason in _NEED_ATTRIBUTE.get(kind, ()):
        if not _has(workspace, number, device):
            raise NotHereError(reason)
    size = workspace.size_bytes
    if key not in MAIN_KEYS and size > plan.extra_bytes:
        size = round_down(plan.extra_bytes)
    with ExitStack() as stack:
        transfer: Transfer
        if kind == "pageable":
            transfer = Transfer(key, workspace, host=workspace.pageable, queued=False)
        elif kind == "registered":
            stack.enter_context(driver.registered(workspace.pageable.ctypes.data, size))
            transfer = Transfer(key, workspace, host=workspace.pageable)
        elif kind == "write_combined":
            address = stack.enter_context(driver.pinned_memory(size, write_combined=True))
            transfer = WriteCombined(key, workspace, host=words_at(address, size))
        elif kind == "bidirectional":
            other = stack.enter_context(driver.stream())
            start, stop = stack.enter_context(driver.event()), stack.enter_context(driver.event())
            transfer = Bidirectional(key, workspace, other, start, stop)
        elif kind in ("mapped", "local_kernel"):
            transfer = ByKernel(key, workspace, stack.enter_context(open_kernels(driver, device)))
        elif kind == "managed":
            size = min(size, round_down(int(0.9 * driver.free_memory_bytes())))
            address = stack.enter_context(driver.managed_memory(size))
            transfer = Managed(key, workspace, words_at(address, size), device)
        elif kind == "pageable_fresh":
            transfer = Fresh(key, workspace)
        else:
            transfer = Transfer(key, workspace)
        transfer.size_bytes = size // transfer.unit_bytes * transfer.unit_bytes
        yield transfer


def _has(workspace: Workspace, attribute: int, device: int) -> bool:
    try:
        return workspace.driver.attribute(attribute, device) == 1
    except DriverError:  # a driver that does not know the attribute
        return False


class WriteCombined(Transfer):
    """Copies of write-combined memory, which the host is too slow to read: the device brings it back."""

    def verify(self, seed: int) -> None:
        """Compare what arrived with what was sent.

        Raises:
            VerificationError: They differ.
        """
        if self.direction == "d2h":
            ws = self.workspace
            self.poison(ws.device_target)
            ws.driver.synchronize_stream(ws.stream)
            ws.driver.copy_to_device(ws.device_target, self.arrival.ctypes.data, self.size_bytes)
        self.compare_on_device(self.workspace.device_target, seed)


class Bidirectional(Transfer):
    """Pinned copies while others go the other way, on a stream of their own."""

    def __init__(self, key: str, workspace: Workspace, other: int, start: int, stop: int) -> None:
        """Use a second stream, and the events that tell from when to when it was busy."""
        super().__init__(key, workspace)
        self._opposite = "d2h" if self.direction == "h2d" else "h2d"
        self._other, self._start, self._stop = other, start, stop
        self._factor = 2

    def _time_queued(self, copies: int, during: During) -> float:
        """Time the copies; those of the other direction last longer, and if they did not there are twice as many."""
        while self._factor <= _MOST_OPPOSITE:
            seconds = self._try(copies, during)
            if seconds is not None:
                return seconds
            self._factor *= 2
        raise TimingError("the copies in the other direction ended first, however many there were")

    def _try(self, copies: int, during: During) -> float | None:
        ws, driver = self.workspace, self.workspace.driver
        with ws.hold.held(self._other, ws.stream):
            driver.record(self._start, self._other)
            for _ in range(self._factor * (WARM_UPS + copies)):
                self.queue(self._opposite, self._other)
            driver.record(self._stop, self._other)
            for _ in range(WARM_UPS):
                self.copy()
            driver.record(ws.start, ws.stream)
            for _ in range(copies):
                self.copy()
            driver.record(ws.stop, ws.stream)
        with during():
            driver.synchronize_stream(ws.stream)
        driver.synchronize_stream(self._other)
        if driver.elapsed_ms(self._start, self._stop) < driver.elapsed_ms(self._start, ws.stop):
            return None
        return driver.elapsed_ms(ws.start, ws.stop) / 1e3


class ByKernel(Transfer):
    """Copies by threads of the GPU, which load and store the memory themselves, on the host or on the device."""

    mover = "kernel"
    unit_bytes = UNIT_BYTES

    def __init__(self, key: str, workspace: Workspace, kernels: Kernels) -> None:
        """Use loaded kernels."""
        super().__init__(key, workspace)
        self._kernels = kernels
        ws, driver = workspace, workspace.driver
        self._from, self._to = ws.device_source, ws.device_target
        if self.direction == "h2d":
            self._from = driver.device_address_of(ws.source.ctypes.data)
        elif self.direction == "d2h":
            self._to = driver.device_address_of(ws.target.ctypes.data)

    @property
    def calls(self) -> tuple[str, str, str]:
        """The functions that prepare, copy and bring back."""
        prepare, _, bring_back = super().calls
        return prepare, "cuLaunchKernel", bring_back

    def copy(self) -> None:
        """Queue one copy."""
        self._kernels.copy(self._to, self._from, self.size_bytes, self.workspace.stream)
