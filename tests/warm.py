"""Command lines in forks of one process that has imported everything, because most of a short one's time is imports.

Each is a process of its own, with its own arguments, environment, folder and descriptors, as if `python -m cudadoctor`
had started it. What reads the environment while Python starts, or tells what is imported when, needs a real one.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[1]
AVAILABLE = hasattr(os, "fork") and hasattr(socket, "send_fds")

_IMPORTED = ("cli", "facts", "probes", "rules", "report", "tables", "attribution", "fleet")
_LARGEST_REQUEST = 1 << 20


class Request(msgspec.Struct):
    """A command line, and where it runs; its descriptors travel beside it."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str


class Server:
    """The process that forks; it ends with this one."""

    def __init__(self) -> None:
        """Start it; it imports while the first request waits."""
        self._socket, theirs = socket.socketpair()
        with theirs:
            environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env=environment,
            )

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        stdin: str | None = None,
        *,
        folder: Path | None = None,
        limit_s: float = 120.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run `cudadoctor` in a folder, this one by default, and return what it did.

        Raises:
            subprocess.TimeoutExpired: It took longer than the limit; it and the server are killed.
        """
        asked = Request(list(arguments), dict(environment), str(folder or Path.cwd()))
        request = msgspec.json.encode(asked)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            reading, writing = os.pipe()
            try:
                socket.send_fds(self._socket, [request], [reading, out.fileno(), err.fileno()])
            finally:
                os.close(reading)
            feeder = threading.Thread(target=_feed, args=(writing, (stdin or "").encode()))
            feeder.start()
            self._socket.settimeout(limit_s)
            try:
                answer = self._socket.recv(64)
            except TimeoutError:
                self.end()
                raise subprocess.TimeoutExpired(list(arguments), limit_s) from None
            finally:
                feeder.join()
            code = int(answer)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(list(arguments), code, out.read().decode(), err.read().decode())

    def end(self) -> None:
        """End it, and what it is running."""
        self._socket.close()
        self._process.kill()
        self._process.wait()


def _feed(descriptor: int, data: bytes) -> None:
    with open(descriptor, "wb") as pipe:
        try:
            pipe.write(data)
        except BrokenPipeError:
            return


def _serve(channel: socket.socket) -> None:
    for name in _IMPORTED:
        package = importlib.import_module(f"cudadoctor.{name}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    gc.freeze()
    while True:
        request, descriptors, _, _ = socket.recv_fds(channel, _LARGEST_REQUEST, 3)
        if not request:
            return
        child = os.fork()
        if child == 0:
            channel.close()
            _become(msgspec.json.decode(request, type=Request), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        _, status = os.waitpid(child, 0)
        channel.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _become(request: Request, descriptors: Sequence[int]) -> None:
    """Run the command line of a request in this process, and end it."""
    from cudadoctor.__main__ import main

    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BufferedReader(io.FileIO(0)), "utf-8")
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w")), "utf-8")
    written = io.BufferedWriter(io.FileIO(2, "w"))
    sys.stderr = sys.__stderr__ = io.TextIOWrapper(written, "utf-8", "backslashreplace", line_buffering=True)
    sys.argv = [str(ROOT / "cudadoctor" / "__main__.py"), *request.arguments]
    code: object = 1
    try:
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - told as Python tells it
        traceback.print_exc()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    # The modules of the server need not be taken apart.
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
