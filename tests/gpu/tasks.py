"""Tasks that behave badly, for the worker's tests."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from typing import Any

from cudadoctor.gpu.child import Reporter


def answer(arguments: dict[str, Any], reporter: Reporter) -> None:
    with reporter.step("ask"):
        reporter.send("answer", value=arguments["value"] + 1)


def hang(arguments: dict[str, Any], reporter: Reporter) -> None:
    with reporter.step("first"):
        reporter.send("answer", value=1)
    with reporter.step("cuInit"):
        time.sleep(60)


def hang_with_a_helper(arguments: dict[str, Any], reporter: Reporter) -> None:
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    reporter.send("answer", value=helper.pid)
    with reporter.step("cuInit"):
        time.sleep(60)


def crash(arguments: dict[str, Any], reporter: Reporter) -> None:
    print("about to die", file=sys.stderr)
    with reporter.step("nvmlInit"):
        ctypes.string_at(0)


def leave(arguments: dict[str, Any], reporter: Reporter) -> None:
    with reporter.step("cuInit"):
        os._exit(3)


def raise_an_error(arguments: dict[str, Any], reporter: Reporter) -> None:
    raise ValueError("no such thing")


def chatter(arguments: dict[str, Any], reporter: Reporter) -> None:
    os.write(1, b"a driver says hello\n")
    print("and so does Python")
    reporter.send("answer", value=1)


def long_but_alive(arguments: dict[str, Any], reporter: Reporter) -> None:
    with reporter.step("train"):
        for _ in range(8):
            time.sleep(0.1)
            reporter.alive()
    reporter.send("answer", value=8)


def names(arguments: dict[str, Any], reporter: Reporter) -> None:
    reporter.send("answer", value=[sys.path, dict(os.environ).get("CUDADOCTOR_NAME")])


def wait_for_the_word(arguments: dict[str, Any], reporter: Reporter) -> None:
    reporter.send("answer", value="ready")
    reporter.wait()
    reporter.send("answer", value="gone on")


def climb(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Behave on each device as the environment says: `crash:1` on device 1, `hang:2` on device 2."""
    behaviour, _, at = os.environ.get("CUDADOCTOR_CLIMB", "").partition(":")
    told = json.loads(reporter.wait())
    for device in told["devices"]:
        reporter.send("device", index=device)
        for name in ("context", "kernel-compile", "kernel-result")[device == told["first"] :]:
            with reporter.step("cuLaunchKernel"):
                if str(device) == at and name == "kernel-result":
                    ctypes.string_at(0) if behaviour == "crash" else time.sleep(60)
            result = {"name": name, "call": "cuLaunchKernel", "state": "passed", "detail": "", "device": device}
            reporter.send("step-result", step=result)
