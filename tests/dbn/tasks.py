"""Children that misbehave in the middle of a race."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from cudadoctor.gpu.child import Reporter


def dies_without_digits(arguments: dict[str, Any], reporter: Reporter) -> None:
    with reporter.step("making the digits"):
        raise MemoryError("no memory for the digits")


def hangs_in_the_gpu_lane(arguments: dict[str, Any], reporter: Reporter) -> None:
    _first_lane(reporter)
    reporter.send("lane_started", name="gpu-per-operation", device="gpu:0")
    with reporter.step("gpu-per-operation: starting"):
        time.sleep(60)


def is_killed_in_the_gpu_lane(arguments: dict[str, Any], reporter: Reporter) -> None:
    _first_lane(reporter)
    reporter.send("lane_started", name="gpu-per-operation", device="gpu:0")
    reporter.send("lane_ready", device_name="a GPU", compile_seconds=1.5, notes=["a note"])
    reporter.send("epoch", epoch={"epoch": 1, "loss": 0.3, "err": 0.1, "seconds": 2.0})
    with reporter.step("gpu-per-operation: epoch 2"):
        sys.stderr.write("the driver's last words\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def hangs_in_the_first_lane(arguments: dict[str, Any], reporter: Reporter) -> None:
    reporter.send("data", seconds=0.5)
    reporter.send("lane_started", name="cpu-fast", device="cpu")
    reporter.send("lane_ready", device_name="a CPU", compile_seconds=0.5, notes=[])
    reporter.send("epoch", epoch={"epoch": 1, "loss": 0.3, "err": 0.1, "seconds": 2.0})
    with reporter.step("cpu-fast: epoch 2"):
        time.sleep(60)


def beats_slowly(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Work on for longer than the limit of silence, never silent for that long."""
    for _ in range(8):
        time.sleep(0.2)
        reporter.alive()
    _first_lane(reporter)


def _first_lane(reporter: Reporter) -> None:
    reporter.send("data", seconds=0.5)
    reporter.send("lane_started", name="cpu-fast", device="cpu")
    reporter.send("lane_ready", device_name="a CPU", compile_seconds=0.5, notes=[])
    reporter.send("epoch", epoch={"epoch": 1, "loss": 0.3, "err": 0.1, "seconds": 2.0})
    reporter.send("lane_finished", test_accuracy=0.9, digits=[])
