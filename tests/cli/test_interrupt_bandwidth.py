"""Ctrl-C in the middle of a measurement ends it, and whoever held the GPU."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.fake_driver.build import FakeDriver


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_an_interrupted_measurement_leaves_no_process_on_the_gpu(fake_driver: FakeDriver, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    environment = fake_driver.scenario(trace=trace, memory_allocatable_bytes=2**26, hang_in="cuMemcpyDtoHAsync_v2")
    measurement = subprocess.Popen(
        [sys.executable, "-m", "cudadoctor", "bandwidth"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # A test run in the background of a shell inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    deadline = time.monotonic() + 60
    while not (trace.exists() and "cuMemcpyDtoHAsync_v2" in trace.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = psutil.Process(measurement.pid).children(recursive=True)
    assert children
    measurement.send_signal(signal.SIGINT)
    measurement.communicate(timeout=30)
    assert measurement.returncode == 130
    assert not psutil.wait_procs(children, timeout=5)[1]
