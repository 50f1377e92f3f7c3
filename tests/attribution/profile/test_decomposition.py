"""The parts of a window by hand, on few records whose times are round numbers."""

from __future__ import annotations

import numpy as np
import pytest

from cudadoctor.attribution.profile.decomposition import Busy, decompose
from cudadoctor.attribution.profile.host import Host
from cudadoctor.attribution.profile.model import build, tidy
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
    DeviceKind,
    Doing,
    Memory,
    Overhead,
    SourceLine,
    Trace,
    TracerCost,
)

MS = 1_000_000


def rows(kind: np.dtype, *told: dict[str, int]) -> np.ndarray:
    made = np.zeros(len(told), kind)
    for row, fields in zip(made, told, strict=True):
        for name, value in fields.items():
            row[name] = value
    return made


def kernel(start: float, end: float, correlation: int = 0, **told: int) -> dict[str, int]:
    given = {"kind": DeviceKind.KERNEL, "stream": 7, "start": int(start * MS), "end": int(end * MS)}
    return {**given, "correlation": correlation, **told}


def copy(start: float, end: float, correlation: int = 0, **told: int) -> dict[str, int]:
    given = {"kind": DeviceKind.COPY_TO_DEVICE, "source": Memory.PINNED, "target": Memory.DEVICE, "bytes": 1 << 20}
    return {**kernel(start, end, correlation), **given, "name": -1, **told}


def call(kind: int, start: float, end: float, correlation: int = 0, **told: int) -> dict[str, int]:
    given = {"kind": kind, "start": int(start * MS), "end": int(end * MS), "thread": 1}
    return {**given, "correlation": correlation, **told}


def trace_of(ops: list[dict[str, int]], calls: list[dict[str, int]], end: float = 10, **told: object) -> Trace:
    given = {
        "ops": rows(DEVICE_OPS, *ops), "calls": rows(CALLS, *calls), "syncs": np.zeros(0, SYNCS),
        "overheads": np.zeros(0, OVERHEADS), "ranges": np.zeros(0, RANGES), "cpu": np.zeros(0, CPU_TIMES),
        "samples": np.zeros(0, SAMPLES),
        "reads": np.zeros(0, READS), "marks": np.zeros(0, np.int64), "names": ("k", "j"), "lines": (SourceLine("a.py", 1, "f"),),
        "end": int(end * MS), "main_thread": 1,
    }  # fmt: skip
    return Trace(**{**given, **told})  # type: ignore[arg-type]


def parts(trace: Trace, begin: float = 0, end: float = 10, device: int = 0) -> dict[tuple[str, str], float]:
    model = build(tidy(trace))
    told = decompose(model, Host(model), Busy(model, device), "steady", begin * MS, end * MS)
    assert sum(part.ms for part in told.parts) + told.residual_ms == pytest.approx(end - begin)
    made = {(part.kind, part.name): round(part.ms, 6) for part in told.parts}
    return made | ({("residual", ""): round(told.residual_ms, 6)} if abs(told.residual_ms) > 1e-9 else {})


def test_kernels_that_overlap_count_once_and_hide_copies() -> None:
    ops = [
        kernel(1, 4, 1), kernel(2, 6, 2, name=1, stream=8), copy(5, 8, 3, stream=9), kernel(9, 10, 4),
    ]  # fmt: skip
    calls = [call(CallKind.LAUNCH, 0.1 * n, 0.1 * n + 0.05, n) for n in (1, 2)]
    calls += [call(CallKind.COPY, 0.3, 0.4, 3), call(CallKind.LAUNCH, 8.2, 8.4, 4)]
    told = parts(trace_of(ops, calls), 1, 10)
    assert told[("kernels", "k")] == 4  # 1 to 4, and 9 to 10
    assert told[("kernels", "j")] == 2  # 4 to 6
    assert told[("copies", "to device, pinned")] == 2  # 6 to 8
    assert sum(told.values()) == pytest.approx(9)


def test_an_idle_device_is_charged_to_what_the_launching_thread_did() -> None:
    cpu = rows(CPU_TIMES, *({"at": n * MS, "thread": 1, "cpu": min(n, 5) * MS} for n in range(11)))
    ops = [kernel(0.2, 1, 1), kernel(9, 10, 4)]
    calls = [
        call(CallKind.LAUNCH, 0, 1, 1),
        call(CallKind.ALLOCATE, 2, 3, 2),
        call(CallKind.SYNC, 3, 4, 3),
        call(CallKind.LAUNCH, 8, 8.5, 4),
    ]
    told = parts(trace_of(ops, calls, cpu=cpu), 1)
    assert told[("kernels", "k")] == 1
    assert told[("idle", "allocating")] == 1
    assert told[("idle", "synchronizing")] == 1
    assert told[("idle", "launching")] == 1  # the call, and the way to the device
    assert told[("idle", "Python")] == 2  # 1 to 2 and 4 to 5: the thread used the CPU until 5
    assert told[("idle", "waiting")] == 3  # 5 to 8


def test_samples_tell_compiling_and_reading() -> None:
    samples = rows(
        SAMPLES,
        *(
            {"at": int((n + 0.5) * MS), "thread": 1, "doing": Doing.COMPILING if n < 4 else Doing.READING}
            for n in range(8)
        ),
    )
    cpu = rows(CPU_TIMES, *({"at": n * MS, "thread": 1, "cpu": n * MS} for n in range(11)))
    told = parts(trace_of([kernel(9, 10, 1)], [call(CallKind.LAUNCH, 8, 8.5, 1)], samples=samples, cpu=cpu), 0, 8)
    assert told == {("idle", "compiling and loading"): 4, ("idle", "reading files"): 4}


def test_a_short_way_into_a_call_belongs_to_the_call() -> None:
    calls = [call(CallKind.LAUNCH, 0.05 * n, 0.05 * n + 0.01, n + 1) for n in range(20)]
    ops = [kernel(0.05 * n + 0.005, 0.05 * n + 0.009, n + 1) for n in range(20)]
    told = parts(trace_of(ops, calls), 0.1, 0.9)
    assert told == {("kernels", "k"): 0.064, ("idle", "launching"): 0.736}


def test_what_the_tracer_costs_is_a_part_of_its_own() -> None:
    calls = [call(CallKind.LAUNCH, 0.05 * n, 0.05 * n + 0.01, n + 1) for n in range(20)]
    ops = [kernel(0.05 * n + 0.005, 0.05 * n + 0.009, n + 1) for n in range(20)]
    told = parts(trace_of(ops, calls, cost=TracerCost(launch=4_000, copy=0, call=0)), 0.1, 0.9)
    assert told[("tracer", "tracer")] == pytest.approx(0.4 * (0.16 - 0.064), rel=0.01)  # of the idle part of the calls
    flush = rows(
        OVERHEADS, {"kind": Overhead.BUFFER_FLUSH, "start": int(0.112 * MS), "end": int(0.132 * MS), "thread": 1}
    )
    told = parts(trace_of(ops, calls, overheads=flush), 0.1, 0.9)
    assert told[("tracer", "tracer")] == pytest.approx(0.02)


def test_what_no_record_explains_is_the_residual() -> None:
    told = parts(trace_of([kernel(0, 1, 1), kernel(5, 6, 99)], [call(CallKind.LAUNCH, -1, -0.5, 1)]), 0, 6)
    assert told == {("kernels", "k"): 2, ("residual", ""): 4}
    until = trace_of([kernel(0, 1, 1)], [call(CallKind.LAUNCH, -1, -0.5, 1)], complete_until=3 * MS)
    assert parts(until)[("residual", "")] == 7


def test_each_device_has_its_own_time_line() -> None:
    ops = [kernel(0, 1, 1), kernel(3, 9, 2, device=1), kernel(9, 10, 3)]
    calls = [call(CallKind.LAUNCH, -1, -0.5, 1), call(CallKind.LAUNCH, 2, 3, 2), call(CallKind.LAUNCH, 8.5, 9, 3)]
    first, second = parts(trace_of(ops, calls)), parts(trace_of(ops, calls), device=1)
    assert first[("kernels", "k")] == 2
    assert second[("kernels", "k")] == 6
    assert first[("idle", "launching")] == 1.5
    # Where no further operation comes, what the script's own thread does counts.
    assert (second[("idle", "launching")], second[("idle", "host")]) == (1, 3)


def test_the_whole_run_has_a_before_and_an_after() -> None:
    trace = trace_of([kernel(4, 5, 2)], [call(CallKind.CONTEXT, 1, 3, 1), call(CallKind.LAUNCH, 3.9, 4, 2)])
    model = build(tidy(trace))
    told = decompose(model, Host(model), Busy(model, 0), "whole", 0, 10 * MS)
    made = {(part.kind, part.name): round(part.ms, 6) for part in told.parts}
    assert made[("before", "context")] == 2
    assert made[("before", "launching")] == 0.1
    assert made[("after", "host")] == 5
    assert sum(made.values()) == pytest.approx(10)
