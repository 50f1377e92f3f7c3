"""What a process uses while it runs, read from outside: the CPU time of its threads, and which processes it starts."""

from __future__ import annotations

import os
import threading
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.trace import CPU_TIMES, READS

_INTERVAL_S = 0.005
_OWN_SHARE = 0.03
"""The reading itself may take this part of a core; with many threads it becomes rarer."""

_PROC = Path("/proc")


class ProcessWatch:
    """Reads /proc of a process until it is stopped; empty where there is no /proc."""

    def __init__(self, pid: int, proc: Path = _PROC) -> None:
        """Watch this process."""
        self._folder, self._pid = proc / str(pid), pid
        self._proc = proc
        self._times = {name: array("q") for name in ("at", "thread", "cpu")}
        self._reads = {name: array("q") for name in ("at", "asked", "storage")}
        self._before: dict[int, tuple[int, int, bool]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> ProcessWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=2.0)

    def cpu_times(self) -> NDArray[Any]:
        """Return `CPU_TIMES` with times of `time.monotonic_ns`."""
        return _table(CPU_TIMES, self._times)

    def reads(self) -> NDArray[Any]:
        """Return `READS` with times of `time.monotonic_ns`."""
        return _table(READS, self._reads)

    def _run(self) -> None:
        pause = _INTERVAL_S
        while not self._stop.wait(pause):
            started = time.monotonic()
            if not self._round():
                return
            pause = max(_INTERVAL_S, (time.monotonic() - started) / _OWN_SHARE)

    def _round(self) -> bool:
        try:
            threads = os.listdir(self._folder / "task")
        except OSError:
            return False
        for name in threads:
            try:
                with open(self._folder / "task" / name / "schedstat", "rb") as file:
                    cpu = int(file.read().split()[0])
            except (OSError, ValueError, IndexError):
                continue
            self._note(int(name), cpu)
        self._note_reads()
        return True

    def _note(self, thread: int, cpu: int) -> None:
        """Keep a reading if it differs from the one before, and then that one too, so that between them lines hold."""
        now = time.monotonic_ns()
        before = self._before.get(thread)
        if before is not None and before[1] == cpu:
            self._before[thread] = (now, cpu, False)
            return
        if before is not None and not before[2]:
            self._keep(before[0], thread, before[1])
        self._keep(now, thread, cpu)
        self._before[thread] = (now, cpu, True)

    def _keep(self, at: int, thread: int, cpu: int) -> None:
        for name, value in (("at", at), ("thread", thread), ("cpu", cpu)):
            self._times[name].append(value)

    def _note_reads(self) -> None:
        try:
            with open(self._folder / "io", "rb") as file:
                fields = dict(line.split(b": ") for line in file.read().splitlines())
            asked, storage = int(fields[b"rchar"]), int(fields[b"read_bytes"])
        except (OSError, ValueError, KeyError):
            return
        if not self._reads["at"] or (self._reads["asked"][-1], self._reads["storage"][-1]) != (asked, storage):
            for name, value in (("at", time.monotonic_ns()), ("asked", asked), ("storage", storage)):
                self._reads[name].append(value)


def _table(kind: np.dtype[Any], columns: dict[str, array[int]]) -> NDArray[Any]:
    length = min(len(column) for column in columns.values())
    rows = np.zeros(length, kind)
    for name, column in columns.items():
        rows[name] = np.frombuffer(column, np.int64)[:length] if length else 0
    return rows[np.argsort(rows["at"], kind="stable")]
