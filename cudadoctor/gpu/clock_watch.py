"""NVML's readings while a program runs: clocks, limits, and who else uses the GPU."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cudadoctor.facts.explanation import ClockReading, Violation
from cudadoctor.gpu.worker import Worker

TASK = "cudadoctor.gpu.clock_readings:work"

_KEPT = 400
_MOST_GENERATIONS = 30


class ClockWatch:
    """Reads NVML in a child process while the block of the `with` statement runs; quiet where there is no NVML."""

    def __init__(self, pci_address: str | None, *, calm: bool = False) -> None:
        """Watch the GPU at this PCI address, None for none; with `calm` rarely, once its clocks have risen."""
        self._address, self._calm = pci_address, calm
        self._messages: list[dict[str, Any]] = []
        self._marks: list[tuple[float, str]] = []
        self._ours: set[int] = set()
        self._worker: Worker | None = None
        self._started = time.monotonic()

    def __enter__(self) -> ClockWatch:
        if self._address is not None:
            self._worker = Worker(TASK, {"pci_address": self._address, "calm": self._calm})
            threading.Thread(target=self._collect, args=(self._worker,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._worker is not None:
            self._worker.kill()

    def mark(self, during: str) -> None:
        """Say what runs from now on; an empty text for nothing that uses the GPU."""
        self._marks.append((time.monotonic(), during))

    def ours(self, pid: int) -> None:
        """Say that a process on the GPU is the measured program itself; what it starts is its own, too."""
        self._ours.add(pid)

    def readings(self) -> tuple[ClockReading, ...]:
        """Return what was read while something ran, thinned out evenly to a few hundred."""
        found = [
            _reading(message, during, self._started, self._ours)
            for message in list(self._messages)
            if (during := _during(self._marks, message["at"]))
        ]
        every = -(-len(found) // _KEPT) or 1
        return tuple(found[::every])

    def violations(self) -> tuple[Violation, ...]:
        """Return how long each limit held the clocks down between the first reading and the last."""
        messages = list(self._messages)
        if len(messages) < 2:
            return ()
        first, last = messages[0]["violations_ns"], messages[-1]["violations_ns"]
        return tuple(
            Violation(policy=policy, seconds=(last[policy] - first[policy]) / 1e9)
            for policy in first
            if first[policy] is not None and last.get(policy) is not None
        )

    def window_s(self) -> float | None:
        """Return the seconds between the first reading and the last."""
        messages = list(self._messages)
        return messages[-1]["at"] - messages[0]["at"] if len(messages) > 1 else None

    def _collect(self, worker: Worker) -> None:
        for message in worker:
            if message.get("kind") == "reading":
                self._ours |= {pid for pid in message["pids"] or () if _descends(pid, self._ours)}
                self._messages.append(message)


def _descends(pid: int, ancestors: set[int], proc: Path = Path("/proc")) -> bool:
    """Say whether a process is one of these, or was started by one of them or by what they started."""
    for _ in range(_MOST_GENERATIONS):
        if pid in ancestors:
            return True
        try:
            # The name, in parentheses, may hold anything; after it come the state and the parent. Source: proc(5).
            pid = int((proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return False
    return False


def _during(marks: Sequence[tuple[float, str]], at: float) -> str:
    """Return what ran at a moment."""
    return next((during for since, during in reversed(marks) if since <= at), "")


def _reading(message: dict[str, Any], during: str, started: float, ours: set[int]) -> ClockReading:
    values, pids = message["values"], message["pids"]
    power_mw = values.get("power_mw")
    others = None if pids is None else len(set(pids) - ours)
    return ClockReading(
        seconds=message["at"] - started,
        during=during,
        power_w=None if power_mw is None else power_mw / 1000,
        other_processes=others,
        **{
            name: values.get(name) for name in ("sm_mhz", "memory_mhz", "performance_state", "reasons", "temperature_c")
        },
    )
