"""Programs on a made-up machine, run event by event, with or without a tracer: what a trace of them looks like.

It knows nothing of the replay. A copy from pageable memory goes in pieces through one staging buffer; a launch goes
into a queue of 1024 that the device empties; the tracer spends part of its cost before a call's record begins, part
inside and part after it; everything jitters. How long a program takes is what its clock says at the end, so that the
program without a cause is a measurement and not an edit.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from cudadoctor.attribution.profile.trace import (
    CALLS,
    CPU_TIMES,
    DEVICE_OPS,
    OVERHEADS,
    RANGES,
    READS,
    SAMPLES,
    SYNCS,
    CallKind,
    Control,
    DeviceKind,
    Doing,
    Memory,
    Overhead,
    Peaks,
    SourceLine,
    SyncKind,
    Trace,
    TracerCost,
)

US, MS = 1_000, 1_000_000
MAIN = 4711
PEAKS = Peaks(to_device=50e9, to_host=48e9, device_memory=2.5e12, multiprocessors=132, fp32_per_fp64=2.0)
COST = TracerCost(launch=2.0 * US, copy=3.0 * US, call=1.0 * US)
_EVERY = 10 * MS
_PIECE = 1 << 20


class Machine:
    """One host with one thread or more, and one device or more."""

    def __init__(self, *, traced: bool, seed: int = 0, noise: float = 0.03) -> None:
        self.traced, self.chance, self.noise = traced, random.Random(seed), noise
        self.now: dict[int, float] = {MAIN: 0.0}
        self.thread = MAIN
        self.free: dict[tuple[int, int], float] = {}
        self.queue: dict[int, list[float]] = {}
        self.names: list[str] = []
        self.correlation = 0
        self.ops: list[tuple[Any, ...]] = []
        self.calls: list[tuple[Any, ...]] = []
        self.syncs: list[tuple[Any, ...]] = []
        self.overheads: list[tuple[Any, ...]] = []
        self.ranges: list[tuple[Any, ...]] = []
        self.marks: list[int] = []
        self.reads: list[tuple[int, int, int]] = [(0, 0, 0)]
        self.busy: list[tuple[float, float, int, int]] = []  # CPU time: from, to, thread, what it does
        self.slept: list[tuple[float, float, int, int]] = []

    # The host

    def python(self, us: float, doing: int = Doing.PYTHON) -> None:
        """Compute."""
        begin = self.now[self.thread]
        self._pass(us * US)
        self.busy.append((begin, self.now[self.thread], self.thread, doing))

    def sleep(self, us: float, doing: int = Doing.SLEEPING) -> None:
        """Wait for something that is no GPU."""
        begin = self.now[self.thread]
        self._pass(us * US)
        self.slept.append((begin, self.now[self.thread], self.thread, doing))

    def read(self, size: int, us: float, *, cached: bool = False) -> None:
        """Read a file by a function that no sample shows: from the page cache, or waiting for storage."""
        (self.python if cached else self.sleep)(us, Doing.PYTHON)
        _, asked, storage = self.reads[-1]
        self.reads.append((int(self.now[self.thread]), asked + size, storage + (0 if cached else size)))

    def launch(
        self, name: str, us: float, *, host: float = 5, way: float = 15, blocks: int = 4096, stream: int = 7,
        device: int = 0, local: int = 0,
    ) -> None:  # fmt: skip
        """Launch a kernel that takes `us`, for `way` + `host` microseconds of the host's time."""
        self.python(way)

        def body() -> None:
            queue = self.queue.setdefault(device, [])
            while len(queue) and queue[0] <= self.now[self.thread]:
                queue.pop(0)
            if len(queue) >= 1024:
                self.now[self.thread] = queue[-1024]
            end = self._on_device(
                DeviceKind.KERNEL, us, stream, device, name=name, blocks=blocks, threads=256, local=local
            )
            queue.append(end)
            self._spin(host)

        self._call("cuLaunchKernel", CallKind.LAUNCH, COST.launch, body)

    def copy_in(
        self, size: int, *, pageable: bool = True, asynchronous: bool = False, way: float = 10, **told: int
    ) -> None:
        """Copy to the device."""
        self.python(way)
        self._copy(DeviceKind.COPY_TO_DEVICE, size, pageable, asynchronous, 50e9, 9e9, **told)

    def copy_out(
        self, size: int, *, pageable: bool = True, asynchronous: bool = False, way: float = 10, **told: int
    ) -> None:
        """Copy to the host."""
        self.python(way)
        self._copy(DeviceKind.COPY_TO_HOST, size, pageable, asynchronous, 48e9, 13e9, **told)

    def sync(self, device: int = 0) -> None:
        """Wait for all of a device."""

        def body() -> None:
            begin = self.now[self.thread]
            last = max((end for (which, _), end in self.free.items() if which == device), default=0.0)
            self._wait(last)
            self._spin(4)
            self.syncs.append(
                (SyncKind.CONTEXT, int(begin), int(self.now[self.thread]), 1, 0xFFFFFFFF, self.correlation)
            )

        self._call("cuCtxSynchronize", CallKind.SYNC, COST.call, body)

    def allocate(self, us: float, way: float = 10) -> None:
        """Allocate memory on the device."""
        self.python(way)
        self._call("cuMemAlloc_v2", CallKind.ALLOCATE, COST.call, lambda: self._spin(us))

    def free_memory(self, us: float, *, waits: bool = False, way: float = 5) -> None:
        """Free memory on the device."""
        self.python(way)

        def body() -> None:
            if waits:
                self._wait(max(self.free.values(), default=0.0))
            self._spin(us)

        self._call("cuMemFree_v2", CallKind.FREE, COST.call, body)

    def module(self, us: float) -> None:
        """Load a module."""
        self._call("cuModuleLoadDataEx", CallKind.MODULE, COST.call, lambda: self._spin(us))

    def query(self) -> None:
        """Ask the driver for something."""
        self._call("cuCtxGetCurrent", CallKind.QUERY, COST.call, lambda: self._spin(0.3))

    def context(self, us: float) -> None:
        """Make the context."""
        self._call("cuDevicePrimaryCtxRetain", CallKind.CONTEXT, COST.call, lambda: self._spin(us))

    def mark(self, name: str, body: Callable[[], None]) -> None:
        """Run something inside an NVTX range."""
        begin = self.now[self.thread]
        body()
        self.ranges.append((int(begin), int(self.now[self.thread]), self.thread, self._name(name)))

    # What the machine does

    def _jitter(self, length: float) -> float:
        return length * max(0.2, self.chance.gauss(1.0, self.noise))

    def _pass(self, length: float) -> None:
        self.now[self.thread] += self._jitter(length)

    def _spin(self, us: float) -> None:
        begin = self.now[self.thread]
        self._pass(us * US)
        self.busy.append((begin, self.now[self.thread], self.thread, Doing.PYTHON))

    def _wait(self, until: float) -> None:
        begin = self.now[self.thread]
        if until > begin:
            self.now[self.thread] = until
            self.busy.append((begin, until, self.thread, Doing.PYTHON))

    def _call(self, name: str, kind: int, cost: float, body: Callable[[], None]) -> None:
        self.correlation += 1
        correlation = self.correlation
        if self.traced:
            self._spin(0.3 * cost / US)
        begin = self.now[self.thread]
        if kind in (CallKind.LAUNCH, CallKind.COPY):
            self.marks.append(int(begin))
        if self.traced:
            self._spin(0.3 * cost / US)
        body()
        if self.traced:
            self._spin(0.2 * cost / US)
        self.calls.append(
            (kind, int(begin), int(self.now[self.thread]), 1, self.thread, correlation, self._name(name), 0)
        )
        if self.traced:
            self._spin(0.2 * cost / US)
            if correlation % 5000 == 0:
                begin = self.now[self.thread]
                self._spin(400)
                self.overheads.append((Overhead.BUFFER_FLUSH, int(begin), int(self.now[self.thread]), self.thread))

    def _on_device(self, kind: int, us: float, stream: int, device: int, **told: Any) -> float:
        queue = device, stream
        begin = max(self.now[self.thread] + self._jitter(2.5 * US), self.free.get(queue, 0.0) + self._jitter(1.1 * US))
        end = begin + self._jitter(us * US)
        self.free[queue] = end
        self._record(kind, begin, end, stream, device, **told)
        return end

    def _record(self, kind: int, begin: float, end: float, stream: int, device: int, **told: Any) -> None:
        self.ops.append(
            (
                kind, int(begin), int(end), device, 1 + device, stream, self.correlation, told.get("bytes", 0),
                told.get("source", 0), told.get("target", 0), told.get("asynchronous", False),
                self._name(told["name"]) if "name" in told else -1, told.get("blocks", 0), told.get("threads", 0),
                32, 0, told.get("local", 0),
            )
        )  # fmt: skip

    def _copy(
        self, kind: int, size: int, pageable: bool, asynchronous: bool, pinned_rate: float, staged_rate: float, *,
        stream: int = 7, device: int = 0,
    ) -> None:  # fmt: skip
        host, there = (Memory.PAGEABLE if pageable else Memory.PINNED), Memory.DEVICE
        inward = kind == DeviceKind.COPY_TO_DEVICE
        told = {
            "bytes": size, "asynchronous": asynchronous,
            "source": host if inward else there, "target": there if inward else host,
        }  # fmt: skip

        def body() -> None:
            self._spin(3)
            queue = device, stream
            if not pageable or (inward and size <= 65536):
                end = self._on_device(kind, 1.0 + size / pinned_rate * 1e6, stream, device, **told)
                if not (asynchronous or pageable) or (not inward and not asynchronous):
                    self._wait(end)
                    self._spin(3)
                return
            # Piece by piece through the staging buffer.
            start = max(self.now[self.thread] + 3 * US, self.free.get(queue, 0.0) + US)
            left, at = size, start
            while left > 0:
                piece = min(left, _PIECE)
                at += self._jitter(piece / staged_rate * 1e9)
                left -= piece
            self.free[queue] = at
            self._record(kind, start, at, stream, device, **told)
            self._wait(at)
            self._spin(4)

        name = ("cuMemcpyHtoD" if inward else "cuMemcpyDtoH") + ("Async_v2" if asynchronous else "_v2")
        self._call(name, CallKind.COPY, COST.copy, body)

    def _name(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    # What the tracer hands over

    def trace(self, **told: Any) -> Trace:
        """Return what was recorded."""
        end = max(self.now.values())

        def array(rows: list[tuple[Any, ...]], kind: np.dtype[Any], key: str = "start") -> np.ndarray:
            made = np.array(rows, dtype=kind)
            return made[np.argsort(made[key], kind="stable")]

        cpu, samples = [], []
        ticks = np.arange(0, end, _EVERY)
        for thread in self.now:
            spans = sorted(span for span in self.busy if span[2] == thread)
            at = np.array([edge for span in spans for edge in span[:2]] or [0.0])
            sums = np.cumsum([edge for span in spans for edge in (0.0, span[1] - span[0])] or [0.0])
            used = np.interp(ticks, at, sums)
            cpu += [(int(tick), thread, int(cpu)) for tick, cpu in zip(ticks, used, strict=True)]
            both = sorted([*spans, *(span for span in self.slept if span[2] == thread)])
            starts = np.array([span[0] for span in both] or [0.0])
            for tick in ticks:
                place = int(np.searchsorted(starts, tick, side="right")) - 1
                if both and place >= 0 and tick <= both[place][1]:
                    samples.append((int(tick), thread, 0, both[place][3]))
        given = {
            "ops": array(self.ops, DEVICE_OPS),
            "calls": array(self.calls, CALLS),
            "syncs": array(self.syncs, SYNCS),
            "overheads": array(self.overheads, OVERHEADS),
            "ranges": array(self.ranges, RANGES),
            "cpu": array(cpu, CPU_TIMES, "at"),
            "samples": array(samples, SAMPLES, "at"),
            "names": tuple(self.names),
            "lines": (SourceLine("train.py", 12, "step"),),
            "end": int(end),
            "main_thread": MAIN,
            "reads": array(self.reads, READS, "at"),
            "marks": np.array(self.marks, np.int64),
            "cost": COST,
        }
        return Trace(**{**given, **told})


Program = Callable[[Machine], None]


def wall(program: Program, *, seed: int = 1, noise: float = 0.03) -> float:
    """Run a program untraced; nanoseconds."""
    machine = Machine(traced=False, seed=seed, noise=noise)
    program(machine)
    return max(machine.now.values())


def traced(program: Program, *, seed: int = 0, noise: float = 0.03, **told: Any) -> Trace:
    """Run a program under the tracer."""
    machine = Machine(traced=True, seed=seed, noise=noise)
    program(machine)
    return machine.trace(**told)


def control(program: Program, runs: int = 2, *, marked: bool = False) -> Control:
    """Run a program untraced some times, and once more noting the beginnings of its calls if they shall be marked."""
    walls = tuple(int(wall(program, seed=100 + run)) for run in range(runs))
    if not marked:
        return Control(walls)
    machine = Machine(traced=False, seed=99)
    program(machine)
    return Control(walls, (np.array(machine.marks, np.int64),))


def start_up(machine: Machine, compile_us: float = 30_000) -> None:
    """What every program does first: import, make a context, compile."""
    machine.python(60_000, Doing.IMPORTING)
    machine.context(40_000)
    machine.python(compile_us, Doing.COMPILING)
    machine.module(3_000)


def loop(step: Callable[[Machine, int], None], steps: int = 400, **told: float) -> Program:
    """Return a program that starts up, repeats a step, and waits for the end."""

    def program(machine: Machine) -> None:
        start_up(machine, **told)
        for number in range(steps):
            step(machine, number)
        machine.sync()

    return program
