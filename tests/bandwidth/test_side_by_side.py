"""The comparison with nvbandwidth, against the fake driver, whose rates are known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.nvbandwidth_method import TESTS
from tests.benchmarks.nvbandwidth_side_by_side import NAMES, lines
from tests.fake_driver.build import FakeDriver

ROOT = Path(__file__).parents[2]
RATES: dict[str, Any] = {
    "h2d_pinned_gb_per_s": 50.0,
    "d2h_pinned_gb_per_s": 52.0,
    "h2d_bidirectional_gb_per_s": 40.0,
    "d2h_bidirectional_gb_per_s": 44.0,
    "d2d_gb_per_s": 900.0,
}
NVBANDWIDTH = """#!{python}
import json, sys
names = sys.argv[sys.argv.index("--testcase") + 1:]
cases = [{{"name": name, "status": "Passed", "bandwidth_matrix": [["40.5"]]}} for name in names]
print(json.dumps({{"nvbandwidth": {{"version": "v0.8", "testcases": cases}}}}))
"""


def benchmark(name: str, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {**env, "PYTHONPATH": os.pathsep.join([str(ROOT), env.get("PYTHONPATH", "")])}
    command = [sys.executable, str(ROOT / "tests" / "benchmarks" / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def test_the_rebuilt_method_gives_the_rates_of_the_card(fake_driver: FakeDriver) -> None:
    done = benchmark("nvbandwidth_method.py", "--mib", "4", env=fake_driver.scenario(**RATES))
    assert done.returncode == 0, done.stderr
    tests = json.loads(done.stdout)["tests"]
    assert list(tests) == list(TESTS)
    for (name, test), wanted in zip(tests.items(), RATES.values(), strict=True):
        assert test["gb_per_s"] == pytest.approx(wanted, rel=1e-2), name
        assert len(test["samples"]) == 3


@pytest.mark.parametrize("corrupt", ["h2d", "d2h", "d2d"])
def test_the_rebuilt_method_verifies_what_arrived(fake_driver: FakeDriver, corrupt: str) -> None:
    environment = fake_driver.scenario(corrupt_copies=f"{corrupt}_pinned,{corrupt}_local")
    done = benchmark(
        "nvbandwidth_method.py", "--mib", "4", f"{corrupt}_{'local' if corrupt == 'd2d' else 'pinned'}", env=environment
    )
    assert done.returncode == 1
    assert "what arrived differs from what was sent" in done.stderr


def test_all_three_stand_side_by_side(fake_driver: FakeDriver, tmp_path: Path) -> None:
    program = tmp_path / "nvbandwidth"
    program.write_text(NVBANDWIDTH.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    arguments = ["--nvbandwidth", str(program), "--repeats", "2", "--mib", "2"]
    done = benchmark("nvbandwidth_side_by_side.py", *arguments, env=fake_driver.scenario(**RATES))
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[:2] for row in rows[1:]] == [
        [test, name] for test in NAMES.values() for name in ("cudadoctor", "rebuilt", "nvbandwidth")
    ]
    assert [row[-3] for row in rows if row[1:2] == ["rebuilt"]] == ["within"] * 5
    assert "h2d_bidirectional nvbandwidth 40.50 40.50 40.50 0.98" in " ".join(done.stdout.split())


def test_figures_that_are_too_far_apart_are_said_to_be_outside() -> None:
    rates = dict.fromkeys(TESTS, 50.0)
    text = "\n".join(lines({"cudadoctor": [rates | {"h2d_pinned": 49.4}], "rebuilt": [rates]}))
    assert "0.9880; of the medians -1.2 %, OUTSIDE 1 %" in text
    assert text.count("within") == 4


def test_a_program_that_prints_no_figures_is_one_line(fake_driver: FakeDriver) -> None:
    environment = fake_driver.scenario(cu_init=100)
    done = benchmark("nvbandwidth_method.py", env=environment)
    assert (done.returncode, done.stderr) == (1, "cuInit failed with CUresult 100\n")
    done = benchmark("nvbandwidth_side_by_side.py", env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith("cudadoctor measured nothing: cuInit failed with CUDA_ERROR_NO_DEVICE")
