"""How the cost of `fleet report` grows with the number of nodes: simulated nodes, real files, the real command.

Run: `poe benchmark-fleet`, or `python -m tests.benchmarks.fleet 100 1000` for other numbers of nodes. Each node is a
recorded machine with UUIDs and figures of its own, as `bandwidth --quick --save` writes it; one in a hundred is slow,
one in fifty has another driver. Prints, for each number of nodes, the whole command (wall and CPU seconds, largest
resident set of any of its processes), and then where the time goes within one process: reading and judging each file,
merging, judging the fleet, writing the report.
"""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from cudadoctor.doctor import diagnose, diagnose_fleet
from cudadoctor.facts.machine import Machine
from cudadoctor.fleet.merge import merge
from cudadoctor.fleet.reading import listed, read_all
from cudadoctor.report.document import render_json
from tests.fleet import simulated

ROOT = Path(__file__).parents[2]
COUNTS = (100, 1_000, 10_000)
RUNS = 3


def quickly_measured() -> Machine:
    """Return the recorded H100 with what a quick measurement leaves."""
    machine = simulated.base()
    bare = Machine()
    bandwidth = machine.bandwidth
    quick = tuple(result for result in bandwidth.results if result.key in ("h2d_pinned", "d2h_pinned", "d2d_local"))
    bandwidth = msgspec.structs.replace(bandwidth, results=quick, curves=(), latencies=())
    return msgspec.structs.replace(
        machine, bandwidth=bandwidth, race=bare.race, devices=bare.devices, frameworks=bare.frameworks
    )


def whole(folder: Path) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds and MiB of one run of the command in a fresh process that runs it."""
    program = (
        "import resource, subprocess, sys, time; t = time.perf_counter();"
        "subprocess.run([sys.executable, '-m', 'cudadoctor', 'fleet', 'report', sys.argv[1], '--quiet'],"
        " stdout=subprocess.DEVNULL, check=False); w = time.perf_counter() - t;"
        "u = resource.getrusage(resource.RUSAGE_CHILDREN); print(w, u.ru_utime + u.ru_stime, u.ru_maxrss / 1024)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, env=environment, check=True
    )
    wall, cpu, peak = map(float, done.stdout.split())
    return wall, cpu, peak


def parts(folder: Path) -> dict[str, float]:
    """Return seconds of CPU of each part, in one process."""
    seconds: dict[str, float] = {}
    last = time.process_time()

    def done(name: str) -> None:
        nonlocal last
        now = time.process_time()
        seconds[name], last = now - last, now

    files = [item for item in listed([str(folder)]) if isinstance(item, str)]
    done("list")
    digests = list(read_all(files, diagnose, processes=1))
    done("read and judge nodes")
    merged = merge(digests)
    done("merge")
    diagnosis = diagnose_fleet(merged, "fleet report")
    done("judge the fleet")
    render_json(diagnosis)
    done("write JSON")
    return seconds


def main() -> None:
    """Print the figures."""
    counts = [int(word) for word in sys.argv[1:]] or COUNTS
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs, best of {RUNS} runs; load {os.getloadavg()[0]:.1f}")
    found: dict[int, dict[str, float]] = {}
    like = quickly_measured()
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="fleet-") as name:
            folder = Path(name)
            simulated.many(folder, count, like)
            size = next(folder.iterdir()).stat().st_size
            runs = [whole(folder) for _ in range(RUNS)]
            wall, cpu, peak = min(runs)
            print(
                f"{count:>7,} nodes of {size / 1000:.0f} kB: {wall:6.2f} s wall, {cpu:6.2f} s CPU, {peak:4.0f} MiB; "
                f"{1000 * cpu / count:.2f} ms CPU a node"
            )
            found[count] = parts(folder)
    heads = "".join(f"{count:>10,}" for count in counts)
    print(f"\n{'CPU seconds of each part, one process':38}{heads}    grows as")
    for part in found[counts[0]]:
        row = "".join(f"{found[count][part]:>10.3f}" for count in counts)
        first, last = found[counts[0]][part], found[counts[-1]][part]
        known = len(counts) > 1 and first > 1e-4
        grows = math.log(last / first) / math.log(counts[-1] / counts[0]) if known else math.nan
        print(f"{part:38}{row}    n^{grows:.2f}")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nlargest resident set of this process, which held all digests at once: {own:.0f} MiB")


if __name__ == "__main__":
    main()
