"""NVML's readings while copies run: which of them fell into a copy, what they say together, and the link's errors."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from cudadoctor.facts.bandwidth import LinkErrors, LinkUnderLoad
from cudadoctor.facts.base import Fact, Known, Missing
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


_REPLAYS = "nvmlDeviceGetPcieReplayCounter"
_NEXT_READING_LIMIT_S, _PAUSE_S = 0.5, 0.005


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
        self._corrected = corrected_errors(self._address)
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

    def errors(self) -> LinkErrors:
        """Return the error counters at the beginning and now; call it before `summary`, which ends the readings."""
        now = time.monotonic()
        end = now + _NEXT_READING_LIMIT_S
        while not self.ended() and time.monotonic() < end and not (self._readings and self._readings[-1].start >= now):
            time.sleep(_PAUSE_S)
        readings = list(self._readings)
        return LinkErrors(
            replays_before=self._replays(readings[:1]),
            replays_after=self._replays(readings[-1:]),
            corrected_before=self._corrected,
            corrected_after=corrected_errors(self._address),
        )

    def _replays(self, readings: list[Reading]) -> Fact[int]:
        if not readings:
            return Missing(self._why_none())
        value = readings[0].values.get("replays", "it was not asked")
        return Known(value, _REPLAYS) if isinstance(value, int) else Missing(value)

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


def corrected_errors(address: str, devices: Path = Path("/sys/bus/pci/devices")) -> Fact[int]:
    """Return how many errors both ends of a device's link have corrected (AER), as the kernel counts them.

    An end counts what it received: the device what came from the host, the port above it what came from the device.

    Source: Documentation/ABI/testing/sysfs-bus-pci-devices-aer_stats of the Linux kernel.
    """
    device = (devices / address).resolve()
    counts = {}
    for end in (device, device.parent):
        try:
            text = (end / "aer_dev_correctable").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        total = [line.split()[1:] for line in text.splitlines() if line.startswith("TOTAL_ERR_COR")]
        if total and total[0] and total[0][0].isdigit():
            counts[end.name] = int(total[0][0])
    if not counts:
        return Missing(f"{devices / address}/aer_dev_correctable cannot be read: AER is off, or hidden from here")
    return Known(sum(counts.values()), f"aer_dev_correctable of {' and '.join(counts)}")
