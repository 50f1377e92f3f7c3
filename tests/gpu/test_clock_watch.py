"""What NVML read of a GPU while a program ran."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from cudadoctor.gpu.clock_watch import ClockWatch


def reading(at: float, **values: Any) -> dict[str, Any]:
    return {"kind": "reading", "at": at, "values": {"sm_mhz": 1980, **values}, "violations_ns": {}, "pids": [7, 8]}


def test_readings_may_be_asked_for_twice_and_say_the_same() -> None:
    watch = ClockWatch(None)
    watch.ours(7)
    watch.mark("gpu-copied")
    at = watch._marks[0][0]
    watch._collect([reading(at + 1, power_mw=91_500), reading(at + 2)])  # type: ignore[arg-type]
    first = watch.readings()
    assert [(each.power_w, each.other_processes, each.during) for each in first] == [
        (91.5, 1, "gpu-copied"),
        (None, 1, "gpu-copied"),
    ]
    assert watch.readings() == first


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="parents are read from /proc")
def test_what_the_program_starts_is_no_neighbour() -> None:
    inner = "import os; print(os.getpid()); input()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, **pipes) as ours:
        assert ours.stdout is not None
        grandchild = int(ours.stdout.readline())
        watch = ClockWatch(None)
        watch.ours(ours.pid)
        watch.mark("run")
        at = watch._marks[0][0] + 1
        one = reading(at) | {"pids": [ours.pid, grandchild, 1]}
        watch._collect([one])  # type: ignore[arg-type]
        ours.communicate("\n", timeout=20)
        watch._collect([one])  # type: ignore[arg-type]
    assert [each.other_processes for each in watch.readings()] == [1, 1]
