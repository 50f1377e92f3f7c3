"""Run the user's program once, untraced or traced, and leave its output, its signals and its end as they are."""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

from numpy.typing import NDArray

import cudadoctor
from cudadoctor.gpu.cupti import pool
from cudadoctor.gpu.cupti.pool import Layout, NativeCode, Writer
from cudadoctor.gpu.worker import signal_name
from cudadoctor.profile import offspring
from cudadoctor.profile.child import BOOT
from cudadoctor.profile.told import Told, read_texts, read_told
from cudadoctor.profile.watch import ProcessWatch

_KEPT_STDERR_BYTES = 4000


class Asked(NamedTuple):
    """What to run: a script (or a folder or archive with a `__main__.py`), or a module as with `python -m`."""

    form: Literal["script", "module"]
    target: str
    arguments: tuple[str, ...]


class Delay(NamedTuple):
    """Calls of the driver API, by their ids, that take `ns` longer in half of the blocks of so many calls."""

    ids: tuple[int, ...]
    ns: int
    block: int


class Mark(NamedTuple):
    """Calls of the driver API, by their ids, whose beginnings are to be noted."""

    ids: tuple[int, ...]


class Output(NamedTuple):
    """Where standard output and standard error of the program go; None is where this process's own go."""

    stdout: IO[Any] | int | None
    stderr: IO[Any] | int | None


class Pool(NamedTuple):
    """The records of one process; `told` is None where it did not come to life."""

    told: Told | None
    memory: mmap.mmap
    layout: Layout


class Ran(NamedTuple):
    """A run that has ended. Times are monotonic nanoseconds.

    `pool` is of the program's first process and `others` those of Python processes that it started; `untraced` names
    further processes that it started, which had the driver loaded.
    """

    ended: int
    exit_code: int | None
    signal: str
    last_words: str
    pool: Pool
    cpu: NDArray[Any]
    reads: NDArray[Any]
    timed_out: bool = False
    others: tuple[Pool, ...] = ()
    untraced: tuple[str, ...] = ()

    @property
    def told(self) -> Told | None:
        """What the program's first process wrote about itself."""
        return self.pool.told

    @property
    def wall_ns(self) -> int | None:
        """Nanoseconds from the program's first line to its last, or to its end where it was killed."""
        if self.told is None or self.told.begin is None:
            return None
        return (self.told.end if self.told.end is not None else self.ended) - self.told.begin


def run(
    asked: Asked,
    output: Output,
    *,
    layout: Layout,
    native: NativeCode | None = None,
    libraries: Sequence[str] = (),
    instead: Delay | Mark | None = None,
    limit_s: float | None = None,
    started: Callable[[int], None] = lambda pid: None,
) -> Ran:
    """Run the program to its end; traced if there are callbacks for this machine.

    Args:
        asked: What to run.
        output: Where its output goes.
        layout: Of the pool.
        native: The tracer's callbacks, None for an untraced run.
        libraries: Paths of libcupti, the best first.
        instead: Instead of tracing, note when some calls begin, and delay them or not.
        limit_s: Seconds after which the program is told to end (SIGTERM, and SIGKILL 5 s later); None is no limit.
        started: Told the process's number.

    Raises:
        OSError: The process could not be started.
    """
    descriptor = _unnamed_file()
    folder = tempfile.mkdtemp(prefix="cudadoctor-")
    others: list[Pool] = []
    try:
        pool.prepare(descriptor, layout, native)
        memory, layout = pool.open_pool(descriptor)
        home = str(Path(cudadoctor.__file__).resolve().parent.parent)
        config = _config(native, instead) | {"libraries": list(libraries), "home": home}
        Writer(memory, layout).tell("config", **config, offspring=folder if config["what"] == "trace" else "")
        offspring.write_template(folder, pool.template(memory, layout))
        command = [sys.executable, "-c", BOOT, home, str(descriptor), asked.form, asked.target, *asked.arguments]
        with _signals_left_to_the_child() as forward:
            process = subprocess.Popen(
                command, stdout=output.stdout, stderr=output.stderr, pass_fds=(descriptor,), close_fds=True
            )
            forward(process)
            started(process.pid)
            with ProcessWatch(process.pid) as watch:
                timed_out = _wait(process, limit_s)
                ended = time.monotonic_ns()
        others = [_pool(path) for path in offspring.pools(folder)]
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)
    code = process.returncode
    return Ran(
        ended=ended,
        exit_code=code if code >= 0 else None,
        signal="" if code >= 0 else signal_name(-code),
        last_words=_last_words(output.stderr),
        pool=Pool(read_told(read_texts(memory, layout)), memory, layout),
        cpu=watch.cpu_times(),
        reads=watch.reads(),
        timed_out=timed_out,
        others=tuple(others),
        untraced=watch.users_of_the_driver(except_for={each.told.pid for each in others if each.told is not None}),
    )


def _config(native: NativeCode | None, instead: Delay | Mark | None) -> dict[str, Any]:
    if native is None:
        return {"what": "nothing"}
    if instead is None:
        return {"what": "trace"}
    if isinstance(instead, Mark):
        return {"what": "mark", "ids": list(instead.ids), "delay": (0, 1)}
    return {"what": "delay", "ids": list(instead.ids), "delay": (instead.ns, instead.block)}


def _pool(path: str) -> Pool:
    with open(path, "r+b") as file:
        memory, layout = pool.open_pool(file.fileno())
    return Pool(read_told(read_texts(memory, layout)), memory, layout)


def _unnamed_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("cudadoctor-trace")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _wait(process: subprocess.Popen[Any], limit_s: float | None) -> bool:
    """Wait for the end; True where the limit was reached."""
    try:
        process.wait(limit_s)
        return False
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return True


@contextmanager
def _signals_left_to_the_child() -> Iterator[Callable[[subprocess.Popen[Any]], None]]:
    """Let Ctrl-C, which the terminal sends to both, end the child alone, and hand it a SIGTERM or SIGHUP sent here."""
    children: list[subprocess.Popen[Any]] = []

    def hand_over(number: int, frame: object) -> None:
        for child in children:
            with suppress(OSError):
                child.send_signal(number)

    if threading.current_thread() is not threading.main_thread():
        yield children.append
        return
    handlers: dict[int, Any] = {signal.SIGINT: lambda number, frame: None, signal.SIGTERM: hand_over}
    if hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = hand_over
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield children.append
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _last_words(stderr: IO[Any] | int | None) -> str:
    if stderr is None or isinstance(stderr, int):
        return ""
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - _KEPT_STDERR_BYTES))
    text: str = stderr.read().decode("utf-8", "backslashreplace").strip()
    return text
