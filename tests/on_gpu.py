"""Run everything that touches a GPU on a machine that has one, and keep what it printed.

    python tests/on_gpu.py OUTPUT_FOLDER [part ...]

Parts: `check`, `devices`, `bandwidth`, `nvbandwidth`, `planted`, `race`, `tests`, `startup`; all by default. Each
command's output, exit code and seconds go to one file in the folder; the saved facts beside them become a machine under
tests/machines/. The figures go into docs/measurements.md. Nothing on the machine is changed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCTOR = [sys.executable, "-m", "cudadoctor"]

# What a check must leave as it was.
STATE = [
    "nvidia-smi",
    "--format=csv",
    "--query-gpu=index,memory.used,persistence_mode,compute_mode,power.limit,clocks.applications.graphics,"
    "ecc.errors.uncorrected.volatile.total",
]


def parts(out: Path) -> dict[str, list[tuple[str, list[str]]]]:
    """Return the commands of each part, each with the name of its output file."""
    return {
        "check": [
            ("state-before", STATE),
            ("check-cold", [*DOCTOR, "check"]),
            ("check", [*DOCTOR, "check", "-v", "--save", str(out / "facts.json")]),
            ("check-quick", [*DOCTOR, "check", "--quick"]),
            ("check-frameworks", [*DOCTOR, "check", "--frameworks", "--save", str(out / "frameworks.json")]),
            ("check-hidden", ["env", "CUDA_VISIBLE_DEVICES=7", *DOCTOR, "check"]),
            ("check-simulator", ["env", "NUMBA_ENABLE_CUDASIM=1", *DOCTOR, "check"]),
            ("check-device-9", [*DOCTOR, "check", "--device", "9"]),
            ("state-after", STATE),
        ],
        "devices": [
            ("devices", [*DOCTOR, "devices", "--save", str(out / "devices.json")]),
            ("devices-json", [*DOCTOR, "devices", "--format", "json"]),
        ],
        "bandwidth": [
            *(
                (f"bandwidth-{n}", [*DOCTOR, "bandwidth", "--save", str(out / f"bandwidth-{n}.json")])
                for n in (1, 2, 3)
            ),
            ("bandwidth-json", [*DOCTOR, "bandwidth", "--format", "json"]),
            ("bandwidth-full", [*DOCTOR, "bandwidth", "--full", "--save", str(out / "bandwidth-full.json")]),
        ],
        "planted": [
            (
                f"planted-{n}",
                [
                    sys.executable,
                    "-m",
                    "tests.planted.run",
                    "--runs",
                    "1",
                    "--part",
                    f"{n}/4",
                    "--for",
                    "480",
                    "--out",
                    str(out / f"planted-{n}.json"),
                ],
            )
            for n in (1, 2, 3, 4)
        ],
        "nvbandwidth": [("side-by-side", [sys.executable, "-m", "tests.benchmarks.nvbandwidth_side_by_side"])],
        "race": [
            ("race-cold", [*DOCTOR, "dbn-race", "--epochs", "10"]),
            ("race", [*DOCTOR, "dbn-race", "--epochs", "10", "--save", str(out / "race.json")]),
            ("race-seed-1", [*DOCTOR, "dbn-race", "--epochs", "10", "--seed", "1", "--quiet"]),
        ],
        "tests": [
            (
                "tests",
                [
                    sys.executable,
                    "-m",
                    "pytest",
                    "tests/dbn",
                    "tests/bandwidth",
                    "tests/devices",
                    "tests/gpu",
                    "-p",
                    "no:cacheprovider",
                ],
            )
        ],
        "startup": [("startup", [sys.executable, "tests/benchmarks/startup.py"])],
    }


def main() -> int:
    """Run the parts that were named and say in a line each how they ended."""
    known = list(parts(Path()))
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the outputs go")
    parser.add_argument("part", nargs="*", choices=[*known, []], help=f"one of {', '.join(known)}; all by default")
    asked = parser.parse_args()
    out = asked.folder.resolve()
    out.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    environment |= {"COLUMNS": "100", "CUDADOCTOR_TEST_DEVICE": "gpu"}
    everything = parts(out)
    log = []
    for part in asked.part or known:
        for name, command in everything[part]:
            started = time.perf_counter()
            try:
                run = subprocess.run(
                    command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=590, check=False
                )
                code, text = (
                    str(run.returncode),
                    run.stdout + ("\n--- standard error ---\n" + run.stderr if run.stderr else ""),
                )
            except subprocess.TimeoutExpired as error:
                code, text = "timed out", str(error.stdout)
            seconds = time.perf_counter() - started
            shown = " ".join(command).replace(sys.executable, "python").replace(str(out), "OUT")
            log.append(f"===== {name}: {shown}\n{text}\n===== exit code {code}, {seconds:.2f} s\n")
            print(f"{name:18} exit code {code:>3}  {seconds:7.2f} s", flush=True)
    (out / f"log-{'-'.join(asked.part) or 'all'}.txt").write_text("\n".join(log), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
