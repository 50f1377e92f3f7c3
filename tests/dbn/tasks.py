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


def _lane(reporter: Reporter, name: str) -> None:
    reporter.send("lane_started", name=name, device="cpu" if name.startswith("cpu") else "gpu:0")
    reporter.send("lane_ready", device_name="a device", compile_seconds=0.5, notes=[])
    reporter.send("epoch", epoch={"epoch": 1, "loss": 0.3, "err": 0.1, "seconds": 2.0})
    reporter.send("lane_finished", test_accuracy=0.9, digits=[])


def dies_in_the_lane_gpu_copied(arguments: dict[str, Any], reporter: Reporter) -> None:
    reporter.send("data", seconds=0.5)
    for name in arguments["lanes"]:
        if name == "gpu-copied":
            reporter.send("lane_started", name=name, device="gpu:0")
            with reporter.step("gpu-copied: epoch 1"):
                os.kill(os.getpid(), signal.SIGKILL)
        _lane(reporter, name)


def dies_in_the_rung_r0(arguments: dict[str, Any], reporter: Reporter) -> None:
    reporter.send("data", seconds=0.5)
    for name in arguments["lanes"]:
        _lane(reporter, name)
    for rung in ("R0", "R1"):
        if rung in arguments["ladder_without"]:
            continue
        with reporter.step(f"rung {rung}"):
            if rung == "R0":
                os.kill(os.getpid(), signal.SIGKILL)
        reporter.send("rung_ready", rung=rung, batch_size=64, minibatches=21)
        for us in (21.0, 22.0, 23.0):
            reporter.send("rung_sample", rung=rung, us=us, timed_us=None)
    reporter.send("ladder_done")


def never_climbs(arguments: dict[str, Any], reporter: Reporter) -> None:
    reporter.send("data", seconds=0.5)
    for name in arguments["lanes"]:
        _lane(reporter, name)


def climbs(arguments: dict[str, Any], reporter: Reporter) -> None:
    """A rung that waits in every minibatch, and the next, which does not."""
    never_climbs(arguments, reporter)
    # The host's times are 1.1 times too long, as the minibatches with clocks in them were.
    launch = {"name": "kernel", "kind": "launch", "host_us": 11.0, "device_us": 15.0}
    read = {"name": "loss", "kind": "copy-to-host", "host_us": 5.5, "device_us": 0.0, "waits": True, "bytes": 8}
    for rung, samples, calls in (("R3", (24.0, 25.0, 26.0), [launch, read]), ("R4", (15.0, 16.0, 17.0), [launch])):
        reporter.send("rung_ready", rung=rung, batch_size=64, minibatches=21)
        for us in samples:
            reporter.send("rung_sample", rung=rung, us=us, timed_us=1.1 * us)
        reporter.send("rung_loss", rung=rung, loss=0.5)
        reporter.send("rung_calls", rung=rung, calls=calls)
    reporter.send("rung_skipped", rung="R7", reason="too small")
    reporter.send("ladder_done")


def hangs_in_the_ladder(arguments: dict[str, Any], reporter: Reporter) -> None:
    never_climbs(arguments, reporter)
    reporter.send("rung_ready", rung="R1", batch_size=64, minibatches=21)
    reporter.send("rung_sample", rung="R1", us=7.0, timed_us=None)
    with reporter.step("rung R2"):
        time.sleep(60)
