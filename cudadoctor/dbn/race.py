"""Run a training race in a child process, and tell what happens as it happens.

The child may hang in a driver or be killed by one; what the lanes before had measured is kept, and the lane that was
under way is failed with the step that it died in.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

import msgspec

from cudadoctor.dbn.events import Event, Options
from cudadoctor.dbn.record import RaceRecord
from cudadoctor.gpu.clock_watch import ClockWatch
from cudadoctor.gpu.worker import Worker

TASK = "cudadoctor.dbn.lanes:work"

_CACHE_PROBE_BYTES = 2_000_000
"""Several times what the compiled kernels of the host take; a quota shows only when something is written."""


class Ahead:
    """A child that makes the digits and imports what the lanes need while the machine is still examined.

    As a context manager it kills the child on the way out, if no race took it over and ended it.
    """

    def __init__(self, options: Options, *, task: str = TASK) -> None:
        """Start the child; the lanes and the GPU of these options may still change, digits and network may not."""
        self._folders = ExitStack()
        self._environment = self._folders.enter_context(kernel_cache())
        try:
            arguments = {"ahead": msgspec.to_builtins(options)}
            self.worker = Worker(
                task, arguments, limit_s=options.silence_limit_s, environment=self._environment, waits=True
            )
        except BaseException:
            self._folders.close()
            raise

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.worker.kill()
        self._folders.close()


def run(options: Options, *, task: str = TASK, ahead: Ahead | None = None) -> Generator[Event, None, None]:
    """Run a race.

    Ctrl-C ends the race, not the program: the lane under way becomes "interrupted" and what was measured is kept. A
    caller that catches KeyboardInterrupt itself, between two events, hands it over with `throw` and goes on reading.

    Args:
        options: What to run.
        task: The child's side, "module:function".
        ahead: A child that was started for this race before.

    Yields:
        Events, and last the `Race`, or `Missing` if it ended before there were any digits.
    """
    record = RaceRecord(options)
    with ClockWatch(options.pci_address) as watch:
        try:
            with kernel_cache() as environment:
                while (left := record.left()) is not None:
                    arguments = msgspec.to_builtins(left)
                    if ahead is not None:
                        child, ahead = ahead.worker, None
                        child.go(arguments)
                    else:
                        child = Worker(task, arguments, limit_s=options.silence_limit_s, environment=environment)
                    with child as worker:
                        watch.ours(worker.pid)
                        for message in worker:
                            event = record.take(message)
                            watch.mark(record.under_way)
                            if event is not None:
                                yield event
                    yield from record.end(worker.ending)
        except KeyboardInterrupt:
            record.stop("interrupted", "the race was interrupted")
        yield from record.rest
        yield record.race(watch)


@contextmanager
def kernel_cache() -> Iterator[dict[str, str]]:
    """Yield the child's environment, with a folder that keeps compiled kernels from one run to the next.

    That folder is the user's choice (NUMBA_CACHE_DIR), or cudadoctor's own in the user's cache, or, if that cannot be
    written, a temporary one: then the next run compiles anew.
    """
    from platformdirs import user_cache_path

    environment = {"NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS": "0", **os.environ}
    if environment.get("NUMBA_CACHE_DIR"):
        yield environment
        return
    folder = user_cache_path("cudadoctor") / "numba"
    if _can_write(folder):
        yield {**environment, "NUMBA_CACHE_DIR": str(folder)}
        return
    try:
        temporary = tempfile.TemporaryDirectory(prefix="cudadoctor-", ignore_cleanup_errors=True)
    except OSError:
        yield environment  # numba looks for a place of its own, and `jit` does without if it finds none
        return
    with temporary as name:
        yield {**environment, "NUMBA_CACHE_DIR": name}


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_CACHE_PROBE_BYTES))
    except OSError:
        return False
    return True
