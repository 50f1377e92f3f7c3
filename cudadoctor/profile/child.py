"""The user's process: run a script or module as Python itself would, and note when it began and ended.

Called as `python -c ... DESCRIPTOR FORM TARGET ARGUMENTS...`; what else it needs stands in the pool behind the
descriptor. Standard library alone, and all of it imported before the program's first line.
"""

from __future__ import annotations

import atexit
import importlib.machinery
import io
import os
import runpy
import sys
import threading
import time
from types import CodeType, TracebackType
from typing import Any

from cudadoctor.gpu.cupti import pool, tracing
from cudadoctor.profile import offspring
from cudadoctor.profile.kernel_texts import numba_ptx
from cudadoctor.profile.sampler import Sampler

BOOT = (
    "import sys;sys.path.insert(0,sys.argv[1]);from cudadoctor.profile.child import main;"
    "sys.path.pop(0);sys.argv.pop(1);main()"
)
"""What starts a child: its first argument is the folder that holds this package."""

_BOOT_FILE = "<string>"


def main() -> None:
    """Run the program; does not return where it exits or raises."""
    descriptor, form, target = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    arguments = sys.argv[4:]
    os.set_inheritable(descriptor, False)
    memory, layout = pool.open_pool(descriptor)
    config = next(text for text in pool.texts(memory, layout) if text["kind"] == "config")
    writer = pool.Writer(memory, layout)
    writer.tell("process", pid=os.getpid(), thread=threading.get_native_id(), python=sys.version.split()[0])
    tracer, sampler = _observe(memory, writer, config)
    _hide_ourselves_from_tracebacks()

    def finish() -> None:
        # Registered before the program registers anything, so this runs after all of it.
        if sampler is not None:
            sampler.stop()
        if tracer is not None:
            tracer.stop()
            stamp, at = tracer.clocks()
            writer.tell("clocks", cupti=stamp, monotonic=at)
        writer.tell("finished", monotonic=time.monotonic_ns())

    atexit.register(finish)
    run = _script(target, arguments) if form == "script" else _module(target, arguments)
    if tracer is not None:
        stamp, at = tracer.clocks()
        writer.tell("clocks", cupti=stamp, monotonic=at)
    writer.tell("begin", monotonic=time.monotonic_ns())
    try:
        run()
    finally:
        writer.tell("end", monotonic=time.monotonic_ns())
        if tracer is not None:
            for text in numba_ptx():
                writer.tell("ptx", text=text)


def _observe(memory: Any, writer: pool.Writer, config: dict[str, Any]) -> tuple[tracing.Tracing | None, Sampler | None]:
    if config["what"] in ("delay", "mark"):
        library, ids, delay = config["libraries"][0], config["ids"], config["delay"]
        try:
            tracing.call_back(memory, writer, library, config["what"], ids, delay)
        except tracing.NotTracedError as error:
            writer.tell("not traced", reason=str(error))
        return None, None
    if config["what"] != "trace":
        return None, None
    tracer = None
    try:
        tracer = tracing.start(memory, writer, config["libraries"])
    except tracing.NotTracedError as error:
        writer.tell("not traced", reason=str(error))
    if tracer is not None and config["offspring"]:
        offspring.announce(config["offspring"], config["home"])
    sampler = Sampler(writer, tracer.tick if tracer is not None else lambda: None)
    sampler.start()
    return tracer, sampler


def _script(path: str, arguments: list[str]) -> Any:
    """Make this process look as after `python PATH ARGUMENTS...`, and return what runs the program."""
    sys.argv[:] = [path, *arguments]
    if os.path.isdir(path) or path.endswith((".zip", ".pyz")):
        sys.path[0] = os.path.abspath(path)
        return lambda: runpy._run_module_as_main("__main__", False)  # type: ignore[attr-defined]
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    names = sys.modules["__main__"].__dict__
    for name in [name for name in names if not name.startswith("__")]:
        del names[name]
    absolute = os.path.abspath(path)
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    names.update(__file__=absolute, __cached__=None, __spec__=None, __package__=None, __loader__=loader)

    def run() -> None:
        with io.open_code(absolute) as file:
            source = file.read()
        code: CodeType = compile(source, absolute, "exec", dont_inherit=True)
        exec(code, names)

    return run


def _module(name: str, arguments: list[str]) -> Any:
    """Make this process look as after `python -m NAME ARGUMENTS...`, and return what runs the program."""
    sys.argv[:] = ["-m", *arguments]
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.getcwd()
    names = sys.modules["__main__"].__dict__
    for each in [each for each in names if not each.startswith("__")]:
        del names[each]
    return lambda: runpy._run_module_as_main(name, True)  # type: ignore[attr-defined]


def _hide_ourselves_from_tracebacks() -> None:
    """Let a program that fails print what it would have printed alone."""
    show = sys.excepthook

    def excepthook(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
        while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, _BOOT_FILE):
            trace = trace.tb_next
        value.__traceback__ = trace
        show(kind, value, trace)

    sys.excepthook = excepthook
