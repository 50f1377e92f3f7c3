"""Measure all planted causes on this machine's GPU.

    python -m tests.planted.run [--only TEXT] [--part 1/2] [--fixed-too] [--for SECONDS] [--out FILE]
    python -m tests.planted.run --merge FILE FILE

Prints a line as each program is done, then the table and what it adds up to, and writes the outcomes as JSON.
Exits with 1 if a judged cause did not come first, a twin was accused or a program failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import msgspec

from tests.planted.manifest import PLANTED, TWINS, Planted, Twin
from tests.planted.measure import Outcome, measure
from tests.planted.table import summary, table

MODULES = {"numba": "numba.cuda", "torch": "torch", "jax": "jax", "cupy": "cupy"}


def why_not(framework: str) -> str:
    """Say why programs of a framework cannot run here, "" if they can."""
    module = MODULES[framework]
    try:
        found = find_spec(module) is not None
    except ImportError:
        found = False
    return "" if found else f"{module} is not installed"


def no_gpu() -> str:
    """Say why there is no GPU to measure on, "" if there is one."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0"):
        return "NUMBA_ENABLE_CUDASIM is set; times from the simulator mean nothing"
    import pynvml

    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError as error:
        return f"NVML finds no GPU: {error}"
    return "" if count else "NVML finds no GPU"


def part_of(programs: Sequence[Planted | Twin], part: str) -> list[Planted | Twin]:
    """Return the programs of a part such as `1/2`: every second one, so that parts take about equally long.

    Raises:
        ValueError: That is no part.
    """
    number, _, count = part.partition("/")
    which, of = int(number), int(count or "1")
    if not 1 <= which <= of:
        raise ValueError(f"{part} is no part")
    return list(programs[which - 1 :: of])


def run(
    programs: Sequence[Planted | Twin], runs: int, limit: float, fixed_too: bool, seconds: float, out: Path | None
) -> list[Outcome]:
    """Measure programs one after the other, and say and write each outcome as it comes; none begins after so long."""
    rows: list[Outcome] = []
    began = time.monotonic()
    for number, program in enumerate(programs):
        if time.monotonic() - began > seconds:
            left = ", ".join(each.name for each in programs[number:])
            print(f"{seconds:.0f} s are over; not measured: {left}", file=sys.stderr, flush=True)
            break
        reason = why_not(program.framework)
        if reason:
            expected = program.expected if isinstance(program, Planted) else ""
            row = Outcome(name=program.name, verdict="skipped", expected=expected, note=reason)
        else:
            row = measure(program, runs=runs, limit=limit, fixed_too=fixed_too)
        first = row.said[0][0] if row.said else "nothing"
        print(f"{row.seconds:6.1f} s  {row.name}: {row.verdict}, said {first}", file=sys.stderr, flush=True)
        rows.append(row)
        write(rows, out)
    return rows


def write(rows: Sequence[Outcome], out: Path | None) -> None:
    """Write outcomes as JSON, if they are to be written."""
    if out is not None:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Measure planted causes on this machine's GPU.")
    parser.add_argument("--only", default="", metavar="TEXT", help="programs whose name holds TEXT")
    parser.add_argument("--part", default="1/1", metavar="N/M", help="the Nth of M parts of the programs")
    parser.add_argument("--runs", type=int, default=3, help="at most so many plain runs of each program")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each process")
    parser.add_argument("--fixed-too", action="store_true", help="profile the fixed programs as well")
    parser.add_argument("--for", type=float, default=3600.0, dest="seconds", metavar="S", help="begin none after S")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the outcomes as JSON")
    parser.add_argument("--merge", type=Path, nargs="+", metavar="FILE", help="print saved outcomes as one table")
    options = parser.parse_args()
    if options.merge:
        rows = [row for path in options.merge for row in msgspec.json.decode(path.read_bytes(), type=list[Outcome])]
    else:
        reason = no_gpu()
        if reason:
            print(f"Nothing was measured: {reason}.", file=sys.stderr)
            return 3
        try:
            chosen = part_of([item for item in (*PLANTED, *TWINS) if options.only in item.name], options.part)
        except ValueError:
            parser.error(f"--part takes N/M with 1 <= N <= M, not {options.part!r}")
        rows = run(chosen, options.runs, options.limit, options.fixed_too, options.seconds, options.out)
    write(rows, options.out)
    print(table(rows))
    print(summary(rows))
    return int(any(row.verdict in ("miss", "accused", "failed") for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
