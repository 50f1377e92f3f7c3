"""Run a task that may touch a driver in a child process, with a limit on every step of it.

A driver call can hang (a card that fell off the bus) or kill its process (a broken library). Neither may take the
program along, so the parent only ever reads messages from a pipe. The limit is on silence, not on the whole task:
each message starts it anew, and the step that was begun last is the one to blame.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Literal

import msgspec

DRIVER_CALL_LIMIT_S = 8.0
"""How long one driver call may take: a finding within 10 s must leave time for the rest of the check."""

BETWEEN_CALLS_LIMIT_S = 30.0
"""How long a child may be silent outside a step: it imports or computes there, and a cold disk is slow."""

_KEEP_STDERR_BYTES = 4000

# The child sees the parent's import path, and nothing is imported from its working directory by accident.
_BOOT = (
    "import json,sys;"
    "sys.path[:]=json.loads(sys.argv[1]);"
    "from cudadoctor.gpu.child import main;"
    "main(sys.argv[2],json.loads(sys.argv[3]),int(sys.argv[4]))"
)


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a task ended.

    `step` is the step that was under way. `signal` names what killed the child (`SIGSEGV`). `detail` is the error
    text of a task that failed, or the last lines that the child wrote to standard error.
    """

    state: Literal["finished", "failed", "timed out", "crashed"]
    step: str | None = None
    signal: str | None = None
    exit_code: int | None = None
    detail: str = ""
    seconds: float = 0.0
    process_state: str | None = None


class Worker:
    """A child process that runs `task` ("package.module:function") and sends messages.

    Iterate over it for the messages (dicts); afterwards `ending` says how it ended. As a context manager it kills
    the child on the way out, whatever happened.
    """

    def __init__(
        self,
        task: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        limit_s: float = DRIVER_CALL_LIMIT_S,
        environment: Mapping[str, str] | None = None,
        hooks: bool = True,
        waits: bool = False,
    ) -> None:
        """Start the child.

        Args:
            task: "module:function"; the function takes (arguments, reporter).
            arguments: Passed to the task as JSON.
            limit_s: Longest silence within a step before the child is killed; a step may ask for another limit.
            environment: The child's environment, this process's own by default.
            hooks: Whether import hooks of installed packages run first (`site`), as numba-cuda needs to be found as
                `numba.cuda`. A child that needs none starts 20 ms sooner without.
            waits: Whether the task calls `Reporter.wait`, and goes on only when `go` is called here.
        """
        self.ending = Ending(state="failed", detail="the task was not run to its end")
        self._limit_s = limit_s
        self._started = self._went = time.monotonic()
        self._messages: queue.Queue[tuple[float, bytes | None]] = queue.Queue()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this object
        command = [sys.executable, *([] if hooks else ["-S"]), "-c", _BOOT, json.dumps(sys.path), task]
        command += [json.dumps(dict(arguments or {})), str(os.getpid())]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if waits else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=None if environment is None else dict(environment),
            start_new_session=os.name == "posix",
        )
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        """The child's process number."""
        return self._process.pid

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield messages until the child ends, fails, crashes or is silent for too long."""
        step: str | None = None
        between_s = max(self._limit_s, BETWEEN_CALLS_LIMIT_S)
        limit_s = between_s
        heard = 0.0
        while True:
            # The limit runs from the arrival of the last message, so that a parent that was busy elsewhere (with
            # another child that hung, say) does not wait a second time; a child that waits to be told has no limit.
            patience_s = max(0.0, max(heard, self._went) + limit_s - time.monotonic())
            try:
                heard, line = self._messages.get(timeout=patience_s) if patience_s else self._messages.get_nowait()
            except queue.Empty:
                state = self._process_state()
                self.kill()
                self.ending = Ending(
                    state="timed out", step=step, detail=self.last_words(), seconds=self._age(), process_state=state
                )
                return
            if line is None:
                self.ending = self._reap(step)
                return
            try:
                message = json.loads(line)
            except ValueError:
                continue  # a library wrote to the pipe; not ours
            kind = message.get("kind")
            if kind == "begin":
                step = message["step"]
                limit_s = message.get("limit_s") or self._limit_s
            elif kind == "end":
                step, limit_s = None, between_s
            elif kind == "failed":
                self.ending = Ending(state="failed", step=step, detail=message["detail"], seconds=self._age())
                self.kill()
                return
            elif kind == "finished":
                self.ending = Ending(state="finished", seconds=self._age())
                return
            yield message

    def go(self, message: Mapping[str, Any] | None = None) -> None:
        """Let a child go on that waits, and hand it a message."""
        assert self._process.stdin is not None
        self._went = time.monotonic()
        with contextlib.suppress(OSError):  # it has died; reading its messages will tell how
            if message is not None:
                self._process.stdin.write(json.dumps(dict(message)).encode("ascii"))
            self._process.stdin.close()

    def kill(self) -> None:
        """Kill the child and what it started; do not wait for one that the kernel cannot stop."""
        if self._process.poll() is None:
            try:
                if os.name == "posix":
                    os.killpg(self._process.pid, signal.SIGKILL)
                else:
                    self._process.kill()
            except OSError:
                pass
            # One in an uninterruptible call goes when the driver lets go of it.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=0.5)

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                self._messages.put((time.monotonic(), line))
        except (OSError, ValueError):
            pass
        self._messages.put((time.monotonic(), None))

    def _reap(self, step: str | None) -> Ending:
        try:
            code = self._process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            self.kill()
            return Ending(
                state="timed out", step=step, detail="the child closed its pipe and stayed", seconds=self._age()
            )
        name = signal_name(-code) if code < 0 else None
        return Ending(
            state="crashed", step=step, signal=name, exit_code=code, detail=self.last_words(), seconds=self._age()
        )

    def _process_state(self) -> str | None:
        """State letter of the child in /proc (D is an uninterruptible call into the kernel), where there is one."""
        try:
            with open(f"/proc/{self._process.pid}/stat", encoding="ascii", errors="replace") as file:
                return file.read().rpartition(")")[2].split()[0]
        except (OSError, IndexError):
            return None

    def last_words(self) -> str:
        """Return the end of what the child wrote to its standard output and standard error."""
        try:
            size = self._stderr.seek(0, os.SEEK_END)
            self._stderr.seek(max(0, size - _KEEP_STDERR_BYTES))
            return self._stderr.read().decode("utf-8", "backslashreplace").strip()
        except (OSError, ValueError):
            return ""

    def _age(self) -> float:
        return time.monotonic() - self._started


def signal_name(number: int) -> str:
    """Return `SIGSEGV` for 11, or the number in words where the platform does not know it."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
