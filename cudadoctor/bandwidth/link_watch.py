"""NVML's readings while copies run: which of them fell into a copy, and what they say together."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from cudadoctor.facts.bandwidth import LinkUnderLoad
from cudadoctor.facts.base import Known, Missing
from cudadoctor.gpu.worker import Worker

TASK = "cudadoctor.gpu.link_readings:work"

_CALLS = {
    "generation": "nvmlDeviceGetCurrPcieLinkGeneration",
    "width": "nvmlDeviceGetCurrPcieLinkWidth",
    "generation_max": "nvmlDeviceGetMaxPcieLinkGeneration",
    "width_max": "nvmlDeviceGetMaxPcieLinkWidth",
    "performance_state": "nvmlDeviceGetPerformanceState",
    "sm_clock_mhz": "nvmlDeviceGetClockInfo(SM)",
    "memory_clock_mhz": "nvmlDeviceGetClockInfo(MEM)",
    "clock_event_reasons": "nvmlDeviceGetCurrentClocksEventReasons",
}


class Reading(msgspec.Struct, frozen=True):
    """One round of NVML calls, from `start` to `end` in seconds of `time.monotonic`; a text value is a reason."""

    start: float
    end: float
    values: dict[str, Any]


class LinkWatch:
    """Reads NVML in a child process while the block of the `with` statement runs."""

    def __init__(self, pci_address: str) -> None:
        """Watch the GPU at this PCI address."""
        self._address = pci_address
        self._readings: list[Reading] = []
        self._windows: list[tuple[float, float]] = []
        self._first = threading.Event()

    def __enter__(self) -> LinkWatch:
        self._worker = Worker(TASK, {"pci_address": self._address})
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def wait_until_reading(self, limit_s: float) -> bool:
        """Wait for the first reading, or until it is known that none will come; False after the limit."""
        return self._first.wait(limit_s)

    @contextmanager
    def during(self) -> Iterator[None]:
        """Say that copies run for the length of the block."""
        start = time.monotonic()
        yield
        self._windows.append((start, time.monotonic()))

    def count(self) -> int:
        """Return how many readings fell into copies so far."""
        return len(within(list(self._readings), self._windows))

    def ended(self) -> bool:
        """Say whether no further reading will come."""
        return not self._thread.is_alive()

    def summary(self, device: int) -> LinkUnderLoad:
        """Stop reading, and return what was read during copies."""
        self._stop()
        return summarise(device, within(self._readings, self._windows), self._why_none())

    def _collect(self) -> None:
        for message in self._worker:
            if message.get("kind") == "reading":
                self._readings.append(Reading(message["start"], message["end"], message["values"]))
                self._first.set()
        self._first.set()

    def _stop(self) -> None:
        self._worker.kill()
        self._thread.join(timeout=2.0)

    def _why_none(self) -> str:
        ending = self._worker.ending
        if self._readings:
            return "no reading of NVML fell into a copy"
        if ending.state == "failed":
            return ending.detail
        if ending.state == "timed out":
            return f"{ending.step or 'NVML'} did not answer"
        if ending.signal not in (None, "SIGKILL"):
            return f"{ending.step or 'NVML'} crashed with {ending.signal}"
        return f"{ending.step or 'NVML'} had not answered when the copies were done"


def within(readings: Sequence[Reading], windows: Sequence[tuple[float, float]]) -> list[Reading]:
    """Return the readings that began and ended within one window."""
    return [
        reading for reading in readings if any(start <= reading.start and reading.end <= end for start, end in windows)
    ]


def summarise(device: int, readings: Sequence[Reading], why_none: str) -> LinkUnderLoad:
    """Return what the readings say together.

    Of generation and width the greatest counts: a reading may fall between two copies, when the card has begun to
    save power, and a link that is bad never shows more than it can do. Of the others the median counts, of the values
    themselves, and of the clock event reasons the bits that were set in more than half of the readings.
    """

    def fact(name: str, combine: Callable[[list[int]], int]) -> Any:
        numbers = [value for reading in readings if isinstance(value := reading.values.get(name), int)]
        if numbers:
            return Known(combine(numbers), f"{_CALLS[name]} during pinned copies")
        reasons = [value for reading in readings if isinstance(value := reading.values.get(name), str)]
        return Missing(reasons[0] if reasons else why_none)

    combine: dict[str, Callable[[list[int]], int]] = {
        "generation": max,
        "width": max,
        "clock_event_reasons": _majority_of_bits,
    }
    facts = {name: fact(name, combine.get(name, statistics.median_low)) for name in _CALLS}
    return LinkUnderLoad(device=device, samples=len(readings), **facts)


def _majority_of_bits(masks: list[int]) -> int:
    return sum(1 << bit for bit in range(64) if 2 * sum(mask >> bit & 1 for mask in masks) > len(masks))
