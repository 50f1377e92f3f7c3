"""What runs on a node, without a cluster: the real program, with a limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zlib

import pytest

from cudadoctor.fleet import ray_task
from cudadoctor.fleet.ray_child import _why_no_facts
from cudadoctor.fleet.run import _difference, _names, file_name
from tests.fleet import build as b


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program that the task starts find the code under test, wherever it stands."""
    monkeypatch.setattr(
        ray_task, "environment", lambda: {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    )


def test_a_check_on_a_node_returns_its_facts() -> None:
    answer = ray_task.examine_here(["check", "--only", "host", "--quiet"], 60.0)
    assert answer["code"] == 0
    document = json.loads(zlib.decompress(answer["facts"]))
    assert document["kind"] == "cudadoctor-facts"


def test_a_program_that_does_not_end_is_ended_with_all_that_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/sh")
    monkeypatch.setattr(ray_task, "environment", lambda: {"PATH": os.environ["PATH"], "ENV": ""})
    started = time.monotonic()
    # `sh -m cudadoctor ...` would look for a script; a shell that sleeps in a child stands for a program that hangs.
    real = subprocess.Popen

    def sleeps(command: list[str], **more: object) -> object:
        return real(["/bin/sh", "-c", "sleep 300 & wait"], **more)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", sleeps)
    answer = ray_task.examine_here(["check"], 0.5)
    assert time.monotonic() - started < 30
    assert (answer["facts"], answer["code"]) == (None, None)
    assert _why_no_facts(answer)[0] == "hung"


def test_a_node_without_cudadoctor_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_task, "environment", lambda: {"PYTHONPATH": ""})
    real = subprocess.Popen

    def isolated(command: list[str], **more: object) -> object:
        return real([command[0], "-I", "-S", *command[1:]], **more)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", isolated)
    state, reason = _why_no_facts(ray_task.examine_here(["check"], 60.0))
    assert state == "failed"
    assert "No module named cudadoctor" in reason


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the environment of a start is in /proc on Linux")
def test_what_ray_sets_in_its_worker_is_taken_back() -> None:
    program = (
        "import os; os.environ.update(CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1');"
        "from cudadoctor.fleet.ray_task import environment; found = environment();"
        "print(found.get('CUDA_VISIBLE_DEVICES'), found.get('OMP_NUM_THREADS'), found.get('RAY_JOB_ID'))"
    )
    path = os.pathsep.join(filter(None, sys.path))
    given = {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "2,3", "RAY_JOB_ID": "01"}
    done = subprocess.run([sys.executable, "-c", program], env=given, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2,3", "None", "None"]


def test_hosts_that_are_called_alike_are_told_apart_by_their_ids() -> None:
    found = _names([("aaaaaaaa1", "gpu"), ("bbbbbbbb2", "gpu"), ("c", "head")])
    assert found == {"aaaaaaaa1": "gpu-aaaaaaaa", "bbbbbbbb2": "gpu-bbbbbbbb", "c": "head"}


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", "...", "gpu-1.cluster"])
def test_no_name_of_a_host_leaves_the_folder(name: str) -> None:
    made = file_name(name)
    assert os.path.basename(made) == made
    assert not made.startswith(".")


def test_two_answers_differ_in_what_is_found_and_in_figures_by_a_tenth() -> None:
    one = b.node("a", findings=(b.finding("power-cap", "warning"),), figures=(b.rate(27.0),))
    two = b.node("a", figures=(b.rate(55.0),))
    assert _difference(one, two) == "first power-cap, then nothing; h2d_pinned 27, then 55 GB/s"
    assert _difference(two, b.node("a", figures=(b.rate(52.0),), findings=(b.finding("x-y", "note"),))) == ""
