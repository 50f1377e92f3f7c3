"""The child's side of `worker`: run one task and send messages as JSON lines."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Reporter:
    """Sends messages to the parent; handed to every task."""

    def __init__(self, descriptor: int) -> None:
        """Send to an open file descriptor."""
        self._descriptor = descriptor

    def send(self, kind: str, **data: Any) -> None:
        """Send one message; NaN and infinities must have been replaced by None."""
        line = json.dumps({"kind": kind, **data}, allow_nan=False) + "\n"
        os.write(self._descriptor, line.encode("ascii"))

    @contextmanager
    def step(self, name: str, *, limit_s: float | None = None) -> Iterator[None]:
        """Mark a step: if the process hangs or dies inside, the parent knows where.

        Args:
            name: What is called, as a user would look it up (`cuInit`).
            limit_s: Longest silence within this step, if not the worker's own.
        """
        self.send("begin", step=name, limit_s=limit_s)
        yield
        self.send("end", step=name)

    def wait(self) -> str:
        """Wait until the parent says go, or has died, and return what it said with it."""
        return sys.stdin.buffer.read().decode("ascii", "replace")

    def alive(self) -> None:
        """Say that the step under way is still at work."""
        self.send("alive")


def main(task: str, arguments: dict[str, Any], parent: int) -> None:
    """Run "module:function" with (arguments, reporter) and say how it ended."""
    _die_with(parent)
    # Drivers and compilers may print; the pipe is for messages only.
    descriptor = os.dup(1)
    os.dup2(2, 1)
    reporter = Reporter(descriptor)
    module, _, function = task.partition(":")
    try:
        getattr(importlib.import_module(module), function)(arguments, reporter)
    except Exception as error:  # noqa: BLE001 - whatever a task raises is an answer for the parent
        detail = str(error).strip() or type(error).__name__
        reporter.send("failed", detail=detail, type=type(error).__name__)
    else:
        reporter.send("finished")
    # Interpreter shutdown would run the driver's exit handlers, which can hang or crash after the answer is there.
    sys.stderr.flush()
    os._exit(0)


def _die_with(parent: int) -> None:
    """Ask Linux to end this process when its parent ends, however that happens."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    pr_set_pdeathsig, sigkill = 1, 9
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, sigkill)
    if os.getppid() != parent:
        os._exit(1)
