"""Processes that a traced Python program starts: how they are traced too; standard library alone.

Each gets a pool of its own in a folder that the parent made, with the callbacks out of a template there. A process that
was forked without starting Python anew is not traced.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator

from cudadoctor.gpu.cupti import pool, tracing
from cudadoctor.profile.sampler import Sampler

FOLDER, HOME = "CUDADOCTOR_TRACE", "CUDADOCTOR_HOME"
_TEMPLATE, _POOL = "template", "pool-"
_MOST_POOLS = 64


def announce(folder: str, home: str) -> None:
    """Let Python processes that this one starts trace themselves, through their environment."""
    hook = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hook")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = hook if not before else hook + os.pathsep + before
    os.environ[FOLDER], os.environ[HOME] = folder, home


def begin(folder: str) -> None:
    """Trace this process."""
    if len(os.listdir(folder)) > _MOST_POOLS:
        return
    path = os.path.join(folder, f"{_POOL}{os.getpid()}-{time.monotonic_ns()}")
    with open(os.path.join(folder, _TEMPLATE), "rb") as template, open(path, "x+b") as made:
        shutil.copyfileobj(template, made)
        made.flush()
        pool.extend(made.fileno())
        memory, layout = pool.open_pool(made.fileno())
    config = next(text for text in pool.texts(memory, layout) if text["kind"] == "config")
    writer = pool.Writer(memory, layout)
    name = " ".join(_named(sys.orig_argv))
    thread = threading.get_native_id()
    writer.tell("process", pid=os.getpid(), thread=thread, python=sys.version.split()[0], name=name)
    try:
        tracer = tracing.start(memory, writer, config["libraries"])
    except tracing.NotTracedError as error:
        writer.tell("not traced", reason=str(error))
        return
    sampler = Sampler(writer, tracer.tick)
    sampler.start()

    def finish() -> None:
        writer.tell("end", monotonic=time.monotonic_ns())
        sampler.stop()
        tracer.stop()
        stamp, at = tracer.clocks()
        writer.tell("clocks", cupti=stamp, monotonic=at)
        writer.tell("finished", monotonic=time.monotonic_ns())

    atexit.register(finish)
    stamp, at = tracer.clocks()
    writer.tell("clocks", cupti=stamp, monotonic=at)
    writer.tell("begin", monotonic=time.monotonic_ns())


def write_template(folder: str, data: bytes) -> None:
    """Put the template of a pool into a folder, for the processes to come."""
    with open(os.path.join(folder, _TEMPLATE), "wb") as file:
        file.write(data)


def pools(folder: str) -> list[str]:
    """Return the pools of the processes that traced themselves."""
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.startswith(_POOL))


def _named(command: list[str]) -> Iterator[str]:
    """Yield the words that name a command of Python: up to its script or module, or up to `-c`."""
    for place, word in enumerate(command):
        yield os.path.basename(word)
        if word == "-c" or (place and not word.startswith("-")):
            return
