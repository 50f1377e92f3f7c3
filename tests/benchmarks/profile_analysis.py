"""How long the analysis of a large trace takes, and how much memory: `python tests/benchmarks/profile_analysis.py`.

The trace is made up: a million records of a loop of kernels with a read-back in each step.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from cudadoctor.attribution.profile.analysis import analyse
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
    Memory,
    Peaks,
    Trace,
    TracerCost,
)

_IN_STEP = 25
_APART = 12_000


def trace_of(records: int) -> Trace:
    """Return a trace with about this many records: half of them calls, half operations."""
    n = records // 2
    place = np.arange(n)
    back = place % _IN_STEP == _IN_STEP - 1
    chance = np.random.default_rng(0)
    calls, ops = np.zeros(n, CALLS), np.zeros(n, DEVICE_OPS)
    calls["start"] = 1_000_000 + place * _APART + chance.integers(0, 500, n)
    calls["end"] = calls["start"] + 5_000
    calls["kind"] = np.where(back, CallKind.COPY, CallKind.LAUNCH)
    calls["name"] = np.where(back, 101, 100)
    calls["thread"] = 1
    calls["correlation"] = ops["correlation"] = place + 1
    ops["kind"] = np.where(back, DeviceKind.COPY_TO_HOST, DeviceKind.KERNEL)
    ops["start"] = calls["start"] + 2_500
    ops["end"] = ops["start"] + chance.integers(1_500, 9_000, n)
    ops["end"][back] = calls["end"][back] - 500
    ops["end"][:-1] = np.minimum(ops["end"][:-1], ops["start"][1:] - 1)
    ops["name"] = np.where(back, -1, place % _IN_STEP % 7)
    ops["bytes"] = np.where(back, 4, 0)
    ops["source"], ops["target"] = np.where(back, Memory.DEVICE, 0), np.where(back, Memory.PAGEABLE, 0)
    ops["blocks"], ops["threads"] = 4096, 256
    ticks = np.arange(0, int(calls["end"][-1]), 10_000_000)
    cpu, samples = np.zeros(len(ticks), CPU_TIMES), np.zeros(len(ticks), SAMPLES)
    cpu["at"] = cpu["cpu"] = samples["at"] = ticks
    cpu["thread"] = samples["thread"] = 1
    samples["doing"] = 1
    empty = {"syncs": np.zeros(0, SYNCS), "overheads": np.zeros(0, OVERHEADS), "ranges": np.zeros(0, RANGES)}
    empty |= {"reads": np.zeros(0, READS), "marks": np.zeros(0, np.int64)}
    return Trace(
        ops=ops, calls=calls, **empty, cpu=cpu, samples=samples, names=tuple(f"k{i}" for i in range(102)), lines=(),
        end=int(calls["end"][-1]) + 1_000_000, main_thread=1, cost=TracerCost(2000, 3000, 1000),
    )  # fmt: skip


def main() -> None:
    """Print the figures for the number of records given, or a million."""
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    trace = trace_of(records)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    analysis = analyse(trace, Control((int(trace.end * 0.83),)), Peaks(5e10, 5e10, 2e12, 132, 2.0))
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{records} records: {took:.2f} s, {(after - before) / 1024:.0f} MiB more; {analysis.steps.count} steps")


if __name__ == "__main__":
    main()
