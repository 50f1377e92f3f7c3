"""Our figures beside nvbandwidth's, in one run on one machine.

    python -m tests.benchmarks.nvbandwidth_side_by_side [--nvbandwidth FILE] [--repeats N] [--device N] [--mib N]

Each repeat measures with cudadoctor, with nvbandwidth's method rebuilt (`nvbandwidth_method.py`), and with nvbandwidth
itself where its program is given, each in a process of its own and in turn first, so that what drifts hits all alike.
Printed are the median of the repeats, the lowest and highest, and ours divided by theirs, repeat by repeat. Nothing
else should use the GPU, or load the host, meanwhile.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cudadoctor.bandwidth.events import Finished
from cudadoctor.bandwidth.measure import BandwidthError, run
from cudadoctor.bandwidth.plan import Options, Plan
from tests.benchmarks.nvbandwidth_method import MIB, TESTS

METHOD = Path(__file__).with_name("nvbandwidth_method.py")
NAMES = {
    "host_to_device_memcpy_ce": "h2d_pinned",
    "device_to_host_memcpy_ce": "d2h_pinned",
    "host_to_device_bidirectional_memcpy_ce": "h2d_bidirectional",
    "device_to_host_bidirectional_memcpy_ce": "d2h_bidirectional",
    "device_local_copy": "d2d_local",
}
"""nvbandwidth's test cases, and what they are called here."""

ASKED = {
    "h2d_pinned": 0.01,
    "d2h_pinned": 0.01,
    "h2d_bidirectional": 0.03,
    "d2h_bidirectional": 0.03,
    "d2d_local": 0.02,
}
"""How far ours may be from theirs."""

Rates = dict[str, float]


def ours(device: int, mib: int) -> Rates:
    *_, last = run(Options(plan=Plan(device=device, keys=TESTS, size_bytes=mib * MIB)))
    assert isinstance(last, Finished)
    for skipped in last.bandwidth.skipped:
        print(f"cudadoctor left out {skipped.key}: {skipped.reason}")
    return {result.key: result.gb_per_s for result in last.bandwidth.results}


def rebuilt(device: int, mib: int) -> Rates:
    tests = _json_of([sys.executable, str(METHOD), "--device", str(device), "--mib", str(mib)])["tests"]
    return {name: tests[name]["gb_per_s"] for name in TESTS}


def nvbandwidth(program: str, device: int, mib: int) -> Rates:
    command = [program, "--json", "--bufferSize", str(mib), "--testcase", *NAMES]
    cases = _json_of(command)["nvbandwidth"]["testcases"]
    return {
        NAMES[case["name"]]: float(case["bandwidth_matrix"][0][device])
        for case in cases
        if case["name"] in NAMES and case["status"] == "Passed"
    }


def _json_of(command: list[str]) -> dict:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    try:
        return json.loads(done.stdout[done.stdout.index("{") :])
    except ValueError:
        why = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        raise SystemExit(f"{command[0]} printed no figures: {why[-1]}") from None


def lines(figures: dict[str, list[Rates]]) -> list[str]:
    """Return the table: one line a test and method, ours first, then each of the others with the ratios to it."""
    rows = [f"{'GB/s':20}{'by':14}{'median':>9}{'lowest':>9}{'highest':>9}  ours / theirs, each repeat"]
    for test in TESTS:
        mine = [rates[test] for rates in figures["cudadoctor"] if test in rates]
        for name, repeats in figures.items():
            theirs = [rates[test] for rates in repeats if test in rates]
            if not theirs:
                rows.append(f"{test:20}{name:14}{'-':>9}")
                continue
            row = f"{test:20}{name:14}{statistics.median(theirs):9.2f}{min(theirs):9.2f}{max(theirs):9.2f}"
            if name != "cudadoctor" and len(mine) == len(theirs):
                ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
                off = statistics.median(mine) / statistics.median(theirs) - 1
                verdict = "within" if abs(off) <= ASKED[test] else "OUTSIDE"
                row += f"  {' '.join(f'{ratio:.4f}' for ratio in ratios)}"
                row += f"; of the medians {100 * off:+.1f} %, {verdict} {100 * ASKED[test]:.0f} %"
            rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nvbandwidth", metavar="FILE", help="nvbandwidth's program, 0.5 or later")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", type=int, default=0)
    parser.add_argument("--mib", type=int, default=512, help="size of a copy")
    asked = parser.parse_args()
    methods: dict[str, Callable[[], Rates]] = {
        "cudadoctor": lambda: ours(asked.device, asked.mib),
        "rebuilt": lambda: rebuilt(asked.device, asked.mib),
    }
    if asked.nvbandwidth:
        methods["nvbandwidth"] = lambda: nvbandwidth(asked.nvbandwidth, asked.device, asked.mib)
    figures: dict[str, list[Rates]] = {name: [] for name in methods}
    order = list(methods)
    try:
        for number in range(asked.repeats):
            for name in order:
                figures[name].append(methods[name]())
                told = ", ".join(f"{test} {rate:.2f}" for test, rate in figures[name][-1].items())
                print(f"{number + 1} of {asked.repeats}, {name}: {told}", file=sys.stderr, flush=True)
            order.append(order.pop(0))
    except BandwidthError as error:
        raise SystemExit(f"cudadoctor measured nothing: {error}") from None
    except KeyboardInterrupt:
        print("ended early; what was measured:", file=sys.stderr)
    print("\n".join(lines(figures)))


if __name__ == "__main__":
    main()
