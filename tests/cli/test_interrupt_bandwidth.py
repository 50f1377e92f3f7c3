"""Ctrl-C in the middle of a measurement keeps what was measured, and leaves no process that holds the GPU."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cudadoctor.bandwidth import measure
from cudadoctor.bandwidth.events import Event, Finished, Measured, Sampled
from cudadoctor.bandwidth.plan import Options, Plan
from tests.fake_driver.build import FakeDriver

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
MIB = 2**20


Done = subprocess.CompletedProcess[str]


def interrupted(environment: dict[str, str], trace: Path, call: str, *arguments: str) -> Done:
    """Run `bandwidth` until the driver is in that call, in which it hangs; press Ctrl-C, and see that all have gone."""
    measurement = subprocess.Popen(
        [sys.executable, "-m", "cudadoctor", "bandwidth", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # A test run in the background of a shell inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    deadline = time.monotonic() + 60
    while not (trace.exists() and call in trace.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = psutil.Process(measurement.pid).children(recursive=True)
    assert children
    measurement.send_signal(signal.SIGINT)
    out, err = measurement.communicate(timeout=30)
    assert not psutil.wait_procs(children, timeout=5)[1]
    assert "Traceback" not in out + err
    return Done(measurement.args, measurement.returncode, out, err)


def test_what_was_measured_before_is_reported_and_saved(fake_driver: FakeDriver, tmp_path: Path) -> None:
    trace, file = tmp_path / "trace", tmp_path / "facts.json"
    environment = fake_driver.scenario(trace=trace, memory_allocatable_bytes=2**26, hang_in="cuMemcpyDtoHAsync_v2")
    done = interrupted(environment, trace, "cuMemcpyDtoHAsync_v2", "--save", str(file))
    assert done.returncode == 3
    assert done.stdout.endswith("\nThe measurement was interrupted; what was measured before stands.\n")
    text = " ".join(done.stdout.split())
    assert "host to device, pinned 55.0" in text
    assert "NOT REPORTED device to host, pinned" in text
    saved = json.loads(file.read_text(encoding="utf-8"))["facts"]["bandwidth"]
    assert saved["interrupted"] is True
    assert saved["cut_short"] is None  # the driver is not to blame
    (result,) = saved["results"]
    assert (result["key"], result["verified"], len(result["samples_gb_per_s"])) == ("h2d_pinned", True, 3)
    assert {skip["reason"] for skip in saved["skipped"]} == {"the measurement was interrupted"}


def test_json_stays_one_document_with_the_exit_code(fake_driver: FakeDriver, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    environment = fake_driver.scenario(trace=trace, memory_allocatable_bytes=2**26, hang_in="cuMemcpyDtoHAsync_v2")
    done = interrupted(environment, trace, "cuMemcpyDtoHAsync_v2", "--format", "json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["error"]["exit_code"]) == (3, 3)
    assert document["findings"] == []
    assert [result["key"] for result in document["facts"]["bandwidth"]["results"]] == ["h2d_pinned"]


def test_before_anything_was_measured_it_is_one_line(fake_driver: FakeDriver, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    environment = fake_driver.scenario(trace=trace, memory_allocatable_bytes=2**26, hang_in="cuMemcpyHtoDAsync_v2")
    done = interrupted(environment, trace, "cuMemcpyHtoDAsync_v2")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "cudadoctor: interrupted\n")


def strike(events: Iterator[Event], at: type[Event]) -> list[Event]:
    """Read events; after the first of that kind, say that Ctrl-C came while it was shown."""
    told = []
    for event in events:
        told.append(event)
        if isinstance(event, at):
            told.append(events.throw(KeyboardInterrupt()))  # type: ignore[attr-defined]
            break
    return told + list(events)


def test_ctrl_c_between_two_events_ends_the_measurement_too(fake_driver: FakeDriver) -> None:
    plan = Plan(keys=("h2d_pinned", "d2h_pinned"), size_bytes=MIB, copies=4)
    told = strike(measure.run(Options(plan=plan), environment=fake_driver.scenario()), Measured)
    last = told[-1]
    assert isinstance(last, Finished)
    assert (last.bandwidth.interrupted, [one.key for one in last.bandwidth.results]) == (True, ["h2d_pinned"])
    assert [skip.key for skip in last.bandwidth.skipped] == ["d2h_pinned"]
    with pytest.raises(KeyboardInterrupt):
        strike(measure.run(Options(plan=plan), environment=fake_driver.scenario()), Sampled)
