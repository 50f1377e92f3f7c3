"""How long the command line takes to answer, beside a bare Python start in the same run.

Run: `poe benchmark`. Prints medians in milliseconds, the difference to a bare start, and the budget of the design.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time

RUNS = 15
BARE = [sys.executable, "-c", "pass"]
CASES = {
    "--version": (["--version"], 0.15, "over bare"),
    "--help": (["--help"], 0.15, "over bare"),
    "check --help": (["check", "--help"], 0.15, "over bare"),
    "check --format json": (["check", "--format", "json"], 0.30, "whole process"),
    "check": (["check"], 0.30, "whole process"),
}


def timed(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - started


def main() -> None:
    commands = {name: [sys.executable, "-m", "cudadoctor", *words] for name, (words, _, _) in CASES.items()}
    commands["bare Python"] = BARE
    samples: dict[str, list[float]] = {name: [] for name in commands}
    for run in range(RUNS + 1):
        for name, command in commands.items():  # interleaved, so that a slow moment hits all alike
            seconds = timed(command)
            if run:  # the first round warms the file cache
                samples[name].append(seconds)
    bare = statistics.median(samples["bare Python"])
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs, {RUNS} interleaved runs, medians")
    print(f"{'bare Python':22} {bare * 1000:6.0f} ms")
    for name, (_, budget, of) in CASES.items():
        middle = statistics.median(samples[name])
        judged = middle - bare if of == "over bare" else middle
        verdict = "within" if judged <= budget else "OVER"
        print(
            f"{name:22} {middle * 1000:6.0f} ms   {middle / bare:4.1f} x bare   "
            f"{judged * 1000:5.0f} ms {of}, {verdict} the budget of {budget * 1000:.0f} ms"
        )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"largest resident set of any of these processes: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
