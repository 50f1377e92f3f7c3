"""What a process uses while it runs, read from outside: the CPU time of its threads, and which processes it starts."""

from __future__ import annotations

import os
import threading
import time
from array import array
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.trace import CPU_TIMES, READS

_INTERVAL_S = 0.005
_OWN_SHARE = 0.03
"""The reading itself may take this part of a core; with many threads it becomes rarer."""

_LOOK_FOR_CHILDREN_S = 0.25
_MOST_CHILDREN = 64

_PROC = Path("/proc")


class ProcessWatch:
    """Reads /proc of a process until it is stopped; empty where there is no /proc."""

    def __init__(self, pid: int, proc: Path = _PROC) -> None:
        """Watch this process."""
        self._proc, self._pid = proc, pid
        self._pids = {pid}
        self._users: dict[int, str] = {}
        self._next_look = 0.0
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

    def users_of_the_driver(self, except_for: Collection[int]) -> tuple[str, ...]:
        """Name the processes that it started and that had the driver loaded when they were looked at."""
        return tuple(
            f"{name} (process {pid})" for pid, name in self._users.items() if pid != self._pid and pid not in except_for
        )

    def _run(self) -> None:
        pause = _INTERVAL_S
        while not self._stop.wait(pause):
            started = time.monotonic()
            if not self._round():
                return
            pause = max(_INTERVAL_S, (time.monotonic() - started) / _OWN_SHARE)

    def _round(self) -> bool:
        for pid in list(self._pids):
            tasks = self._proc / str(pid) / "task"
            try:
                threads = os.listdir(tasks)
            except OSError:
                self._pids.discard(pid)
                continue
            for name in threads:
                with suppress(OSError, ValueError, IndexError):
                    self._note(int(name), int((tasks / name / "schedstat").read_bytes().split()[0]))
        self._note_reads()
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_FOR_CHILDREN_S
            self._look_for_children()
        return self._pid in self._pids

    def _look_for_children(self) -> None:
        for pid in list(self._pids):
            with suppress(OSError, ValueError):
                for children in (self._proc / str(pid) / "task").glob("*/children"):
                    self._pids |= {int(word) for word in children.read_text().split()[:_MOST_CHILDREN]}
        for pid in self._pids - {self._pid} - set(self._users):
            with suppress(OSError):
                if "/libcuda.so" in (self._proc / str(pid) / "maps").read_text(errors="replace"):
                    words = (self._proc / str(pid) / "cmdline").read_bytes().split(b"\0")[:2]
                    self._users[pid] = " ".join(os.path.basename(os.fsdecode(word)) for word in words if word)

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
            io = (self._proc / str(self._pid) / "io").read_bytes()
            fields = dict(line.split(b": ") for line in io.splitlines())
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
