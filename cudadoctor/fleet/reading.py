"""Many files as a stream of digests: no whole facts are kept, and nothing in a file can stop the others."""

from __future__ import annotations

import gc
import hashlib
import os
import stat
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial

from cudadoctor.facts.base import Missing
from cudadoctor.facts.document import FactsError, decode_saved
from cudadoctor.facts.fleet import SkippedFile
from cudadoctor.fleet.digest import Digest, Judge, digest

MOST_BYTES = 8 * 2**20
"""Of one file. Facts of a node with 16 GPUs and all measurements are below 2 MB."""

_CHUNK = 16
_WORTH_A_PROCESS = 96
"""Files for each process: to start one costs as much as some twenty files."""
_MOST_PROCESSES = 8

Read = Digest | SkippedFile


class NoSuchPathError(Exception):
    """A path that was named does not exist, or cannot be listed; the message is one line."""


def listed(paths: Sequence[str]) -> Iterator[str | SkippedFile]:
    """Return all files under the paths, in order; those in folders by name, without hidden ones.

    A file that is met a second time, by whatever path, is left out. Links to folders are not followed.

    Raises:
        NoSuchPathError: A path that was named is not there.
    """
    seen: dict[tuple[int, int], str] = {}
    for path in paths:
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as error:
            raise NoSuchPathError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
        for file in _under(path) if stat.S_ISDIR(mode) else (path,):
            try:
                found = os.stat(file)
            except OSError as error:
                yield SkippedFile(file, "broken", f"cannot be read: {error.strerror}")
                continue
            if not stat.S_ISREG(found.st_mode):
                yield SkippedFile(file, "broken", "is not a regular file")
                continue
            first = seen.setdefault((found.st_dev, found.st_ino), file)
            if first is not file and found.st_ino:
                yield SkippedFile(file, "duplicate", "is the same file as", first)
            else:
                yield file


def _under(folder: str) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise NoSuchPathError(f"cannot list {error.filename}: {error.strerror}")

    for here, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(here, name) for name in sorted(files) if not name.startswith("."))


def read_all(files: Sequence[str], judge: Judge, *, processes: int | None = None) -> Iterator[Read]:
    """Read files, each to a digest or the reason why it is none, in their order.

    Args:
        files: Paths of regular files.
        judge: Makes the diagnosis of one machine; a function of a module, so that another process can find it.
        processes: How many read; by default as many as pay, one for each idle core at most.
    """
    wanted = _processes(len(files)) if processes is None else processes
    if wanted < 2 or not files:
        yield from map(partial(read_one, judge=judge), files)
        return
    import multiprocessing

    # The first is read here: what judging it imports, the children then have.
    yield read_one(files[0], judge)
    files = files[1:]
    with ProcessPoolExecutor(wanted, multiprocessing.get_context("fork")) as pool:
        chunks = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
        waiting: deque[tuple[Sequence[str], Future[list[Read]]]] = deque()
        for chunk in chunks:
            try:
                waiting.append((chunk, pool.submit(_read_chunk, chunk, judge)))
            except BrokenProcessPool:
                waiting.append((chunk, _here(chunk, judge)))
            # What is read and not yet merged stays bounded.
            if len(waiting) > 4 * wanted:
                yield from _result(*waiting.popleft(), judge)
        while waiting:
            yield from _result(*waiting.popleft(), judge)


def _result(chunk: Sequence[str], future: Future[list[Read]], judge: Judge) -> list[Read]:
    try:
        return future.result()
    except BrokenProcessPool:  # something killed a child; its files are read here
        return _here(chunk, judge).result()


def _here(chunk: Sequence[str], judge: Judge) -> Future[list[Read]]:
    done: Future[list[Read]] = Future()
    done.set_result(_read_chunk(chunk, judge))
    return done


def _read_chunk(files: Sequence[str], judge: Judge) -> list[Read]:
    # Structs of facts hold no cycles: reference counts free them, and the collector only costs time.
    gc.disable()
    try:
        return [read_one(file, judge) for file in files]
    finally:
        gc.enable()


def read_one(file: str, judge: Judge) -> Read:
    """Read one file to its digest, or to the reason why it is left out."""
    try:
        with open(file, "rb") as opened:
            about = os.fstat(opened.fileno())
            if about.st_size > MOST_BYTES:
                reason = f"is larger than {MOST_BYTES // 2**20} MiB, which no facts of a node are"
                return SkippedFile(file, "broken", reason)
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        return SkippedFile(file, "broken", f"cannot be read: {error.strerror}")
    if not data.strip():
        return SkippedFile(file, "broken", "is empty")
    if not file.endswith(".json") and not data.lstrip().startswith(b"{"):
        # A log among the facts is no node that is missing; facts that were cut off still begin as JSON.
        return SkippedFile(file, "foreign", "is not JSON")
    try:
        saved = decode_saved(data, max_bytes=MOST_BYTES)
    except FactsError as error:
        return SkippedFile(file, "broken" if error.kind == "damaged" else error.kind, str(error))
    machine = saved.machine
    if not isinstance(machine.fleet, Missing) or saved.command.startswith("fleet"):
        return SkippedFile(file, "foreign", "is the report of a fleet, not of a node")
    if all(isinstance(getattr(machine, name), Missing) for name in machine.__struct_fields__):
        return SkippedFile(file, "foreign", "holds no facts of a machine")
    mark = hashlib.blake2b(data, digest_size=12).digest()
    return digest(saved, file, changed=about.st_mtime, mark=mark, judge=judge)


def _processes(files: int) -> int:
    """Return how many processes pay for that many files."""
    if not sys.platform.startswith("linux"):
        return 1  # elsewhere a process starts from nothing, and imports all of this again
    return max(1, min(len(os.sched_getaffinity(0)), files // _WORTH_A_PROCESS, _MOST_PROCESSES))
