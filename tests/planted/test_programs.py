"""The planted programs: all are there, run at tiny sizes without a GPU, and the fixed ones give the same result."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from tests.planted.manifest import CAUSES, NOT_PLANTED, PLANTED, PROGRAMS, TWINS, Planted, Twin
from tests.planted.measure import environment, own_words
from tests.planted.run import why_not

TINY = {"STEPS": "2", "SIZE": "32"}
FILES = sorted(path for path in PROGRAMS.glob("*/*.py") if path.parent.name != "lifecycle")


@lru_cache
def outputs(framework: str) -> dict[str, list[str]]:
    """Run all programs of a framework at tiny sizes, on the CPU or in the simulator: output and error by path."""
    wanted = [
        (str(path), {**TINY, **program.tiny})
        for program in (*PLANTED, *TWINS)
        if program.framework == framework
        for path in ((program.path,) if isinstance(program, Twin) else (program.slow, program.fixed))
        if not (program.only_gpu and path != getattr(program, "slow", None))
    ]
    hidden = {"NUMBA_ENABLE_CUDASIM": "1", "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.planted.tiny"],
        input=json.dumps(wanted),
        env=environment(hidden),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said: dict[str, list[str]] = json.loads(done.stdout)
    return said


def tiny_run(path: Path, program: Planted | Twin) -> float:
    """Return the check value of a program run at a tiny size."""
    if program.framework == "cupy":
        pytest.skip("CuPy has neither a CPU version nor a simulator")
    reason = why_not(program.framework)
    if reason:
        pytest.skip(reason)
    output, error = outputs(program.framework)[str(path)]
    assert not error
    seconds, result = own_words(output)
    assert seconds > 0
    return result


@pytest.mark.parametrize("planted", [pytest.param(planted, id=planted.name) for planted in PLANTED])
def test_slow_and_fixed_give_the_same_result(planted: Planted) -> None:
    slow = tiny_run(planted.slow, planted)
    if planted.only_gpu:
        pytest.skip(f"the fixed program {planted.only_gpu}")
    assert tiny_run(planted.fixed, planted) == pytest.approx(slow, rel=1e-4)
    assert slow != 0


@pytest.mark.parametrize("twin", [pytest.param(twin, id=twin.name) for twin in TWINS])
def test_twins_run(twin: Twin) -> None:
    if twin.only_gpu:
        pytest.skip(f"the program {twin.only_gpu}")
    assert tiny_run(twin.path, twin) != 0


def test_the_manifest_and_the_folder_agree() -> None:
    named = [path for planted in PLANTED for path in (planted.slow, planted.fixed)] + [twin.path for twin in TWINS]
    assert sorted(named) == FILES
    assert len(set(named)) == len(named)


def test_every_cause_is_planted_or_said_why_not() -> None:
    planted = {program.expected for program in PLANTED}
    assert planted | set(NOT_PLANTED) == CAUSES
    assert not planted & set(NOT_PLANTED)
    assert len(PLANTED) >= 20
    assert len(TWINS) >= 10


def test_other_accepted_ids_are_causes() -> None:
    for program in PLANTED:
        assert {*program.second, *program.instead} <= CAUSES - {program.expected}, program.name


@pytest.mark.parametrize("path", [pytest.param(path, id=f"{path.parent.name}/{path.stem}") for path in FILES])
def test_a_program_is_an_ordinary_script(path: Path) -> None:
    """It compiles, has a docstring, prints its own clock last, and knows nothing of the profiler or of these tests."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    docstring = ast.get_docstring(tree)
    assert docstring
    assert len(source.splitlines()) <= 80
    assert 'print(f"loop_seconds=' in source.strip().splitlines()[-1]
    for word in ("cudadoctor", "tests.", "nvtx", "planted"):
        assert word not in source
    # What is wrong must not be read off a name.
    assert not any(word in docstring.lower() for word in ("slow", "fixed", "harmless"))


@pytest.mark.parametrize("planted", [pytest.param(planted, id=planted.name) for planted in PLANTED])
def test_the_fixed_program_is_another_program(planted: Planted) -> None:
    slow, fixed = (ast.parse(path.read_text(encoding="utf-8")).body[1:] for path in (planted.slow, planted.fixed))
    assert [ast.dump(node) for node in slow] != [ast.dump(node) for node in fixed]


def test_sizes_of_the_caller_do_not_reach_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPS", "1")
    assert "STEPS" not in environment({})
    assert environment({"STEPS": "2"})["STEPS"] == "2"
    assert str(Path(__file__).parent.parent.parent) in environment({})["PYTHONPATH"].split(os.pathsep)
