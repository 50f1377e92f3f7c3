"""How long a pool takes to be decoded and the trace to be analysed, and how much memory that takes.

    python -m tests.benchmarks.profile_decode [RECORDS] [--runs 5]

The pool is made up: about a million records of steps of kernels, each with the call that launches it and one more, a
copy, a wait, and now and then an NVTX range, a memset and a flush.
Each run is a process of its own, which maps the pool as the parent of a traced program has it; the best time and the
most memory of all runs are printed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time

from cudadoctor.attribution.profile import analyse
from cudadoctor.attribution.profile.trace import Control, Peaks, TracerCost
from cudadoctor.profile.decode import decode
from tests.profile.pools import MadeUp, made_up

_IN_STEP = 52.6


def _measure(pool: MadeUp, results: multiprocessing.SimpleQueue[str]) -> None:
    before = _peak()
    began = time.perf_counter()
    trace, counts = decode(pool.memory, pool.layout, pool.cpu, pool.reads, pool.ended, TracerCost(2000, 3000, 1000))
    decoded = time.perf_counter()
    peak = _peak()
    analyse(trace, Control((int(trace.end * 0.9),)), Peaks(5e10, 5e10, 2e12, 132, 2.0))
    told = {
        "decode_s": decoded - began,
        "decode_mib": peak - before,
        "decode_peak_mib": peak,
        "analyse_s": time.perf_counter() - decoded,
        "both_peak_mib": _peak(),
        "decoded": sum(counts.values()),
    }
    results.put(json.dumps(told))


def _peak() -> float:
    """Return the most memory that this process has had, MiB, pages of the pool that it read among it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.profile_decode")
    parser.add_argument("records", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    pool = made_up(round(options.records / _IN_STEP), samples=10_000)
    print(f"{pool.records} records in {pool.layout.slots} slots, {pool.layout.total_bytes / 2**20:.0f} MiB")
    context = multiprocessing.get_context("fork")
    found = []
    for _ in range(options.runs):
        results = context.SimpleQueue()
        child = context.Process(target=_measure, args=(pool, results))
        child.start()
        found.append(json.loads(results.get()))
        child.join()
    assert all(each["decoded"] == pool.records for each in found), "records were lost"
    for name in ("decode_s", "analyse_s"):
        values = sorted(each[name] for each in found)
        print(f"{name:16} {values[0]:8.2f} (best of {len(values)}; worst {values[-1]:.2f})")
    for name in ("decode_mib", "decode_peak_mib", "both_peak_mib"):
        print(f"{name:16} {max(each[name] for each in found):8.0f}")


if __name__ == "__main__":
    main()
