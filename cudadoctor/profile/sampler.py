"""Look at what the program's Python threads are at, every few milliseconds; in the child, standard library alone.

It runs on a thread that the `threading` module does not know, so that the program's own counts of threads stay right.
"""

from __future__ import annotations

import _thread
import os
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType

from cudadoctor.gpu.cupti.pool import Writer

INTERVAL_S = 0.01
_MOST_THREADS = 16
_DEEPEST = 200

# The same numbers as attribution.profile.trace.Doing, which needs numpy and so stays out of the user's process.
PYTHON, COMPILING, SLEEPING, READING, IMPORTING, FEEDING = 1, 2, 3, 4, 5, 6

# Parts of paths of what compiles kernels.
_COMPILERS = (
    "numba/core/",
    "numba/cuda/compiler",
    "numba/cuda/codegen",
    "numba/cuda/cudadrv/nvvm",
    "numba/cuda/cudadrv/nvrtc",
    "numba/cuda/core/",
    "numba_cuda/numba/cuda/compiler",
    "numba_cuda/numba/cuda/codegen",
    "numba_cuda/numba/cuda/core/",
    "numba_cuda/numba/cuda/cudadrv/linkable",
    "llvmlite/binding/",
    "cupy/cuda/compiler",
    "triton/compiler/",
    "triton/runtime/jit",
    "torch/_dynamo/",
    "torch/_inductor/",
    "torch/utils/cpp_extension",
    "jax/_src/compiler",
    "jax/_src/interpreters/mlir",
    "jax/_src/interpreters/partial_eval",
)
# And of what calls the user's code for each sample of a batch.
_LOADERS = (
    "torch/utils/data/",
    "torchvision/datasets/",
    "webdataset/",
    "datasets/arrow_dataset",
    "datasets/iterable_dataset",
    "tensorflow/python/data/",
    "keras/src/trainers/data_adapters/",
    "grain/_src/",
    "nvidia/dali/",
)
_WAITS = {
    "threading.py": ("wait", "join", "acquire", "_wait_for_tstate_lock"),
    "queue.py": ("get", "put", "join"),
    "selectors.py": ("select",),
    "connection.py": ("wait", "recv", "_recv", "poll", "_poll"),
    "popen_fork.py": ("poll", "wait"),
    "subprocess.py": ("wait", "communicate", "_wait"),
    "synchronize.py": ("acquire", "wait", "__enter__"),
}
_READERS = ("pathlib.py", "gzip.py", "zipfile.py", "tarfile.py", "mmap.py", "_npyio_impl.py", "npyio.py", "format.py")


class Sampler:
    """Writes where each Python thread is, until it is stopped."""

    def __init__(self, writer: Writer, tick: Callable[[], None]) -> None:
        """Call `tick` with each round."""
        self._writer, self._tick = writer, tick
        self._main = threading.main_thread()
        self._thread_of_main = threading.get_native_id()
        self._lines: dict[tuple[str, int, str], int] = {}
        self._known: dict[CodeType, tuple[bool, int]] = {}
        self._stopped = False
        self._foreign = _folders_of_libraries()

    def start(self) -> None:
        """Begin."""
        _thread.start_new_thread(self._run, ())

    def stop(self) -> None:
        """End with the round under way."""
        self._stopped = True

    def _run(self) -> None:
        own = threading.get_ident()
        while not self._stopped:
            time.sleep(INTERVAL_S)
            try:
                self._tick()
                if not self._stopped and not self._round(own):
                    return
            except Exception as error:  # noqa: BLE001 - a sampler never disturbs the program
                self._writer.tell("sampler failed", reason=f"{type(error).__name__}: {error}")
                return

    def _round(self, own: int) -> bool:
        native = {each.ident: each.native_id for each in threading.enumerate()}
        native[self._main.ident] = self._thread_of_main
        now = time.monotonic_ns()
        for ident, frame in list(sys._current_frames().items())[:_MOST_THREADS]:
            if ident != own and (place := self._place(frame)) is not None:
                line, doing = place
                if not self._writer.sample(now, native.get(ident) or 0, line, doing):
                    return False
        return True

    def _place(self, innermost: FrameType) -> tuple[int, int] | None:
        """Return the innermost line of the user's own files, and what goes on there."""
        frame: FrameType | None = innermost
        doing = PYTHON
        for _ in range(_DEEPEST):
            if frame is None:
                return None
            code = frame.f_code
            foreign, told = self._judged(code)
            if told != PYTHON and doing == PYTHON:
                doing = told
            if not foreign:
                line = self._line(code.co_filename, frame.f_lineno or 0, code.co_name)
                return line, FEEDING if doing == PYTHON and self._feeds(frame.f_back) else doing
            frame = frame.f_back
        return None

    def _feeds(self, frame: FrameType | None) -> bool:
        """Say whether a data loader called what lies inside of this frame."""
        for _ in range(_DEEPEST):
            if frame is None:
                return False
            if self._judged(frame.f_code)[1] == FEEDING:
                return True
            frame = frame.f_back
        return False

    def _line(self, file: str, line: int, function: str) -> int:
        key = (file, line, function)
        if key not in self._lines:
            self._lines[key] = len(self._lines)
            self._writer.tell("line", number=self._lines[key], file=file, line=line, function=function)
        return self._lines[key]

    def _judged(self, code: CodeType) -> tuple[bool, int]:
        if code not in self._known:
            self._known[code] = self._judge(code)
        return self._known[code]

    def _judge(self, code: CodeType) -> tuple[bool, int]:
        """Return whether a piece of code is a library's, and what its presence on a stack says."""
        file, name = code.co_filename.replace("\\", "/"), code.co_name
        base = file.rpartition("/")[2]
        if "importlib" in file and file.startswith("<frozen"):
            return True, IMPORTING
        foreign = file.startswith(("<", *self._foreign))
        if not foreign:
            return False, PYTHON
        if any(part in file for part in _COMPILERS):
            return True, COMPILING
        if name in _WAITS.get(base, ()):
            return True, SLEEPING
        if any(part in file for part in _LOADERS):
            return True, FEEDING
        return True, READING if base in _READERS else PYTHON


def _folders_of_libraries() -> tuple[str, ...]:
    """Return what the paths of installed code, the standard library and this package begin with."""
    paths = sysconfig.get_paths()
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")} | {own}
    folders |= {each for each in sys.path if each.endswith(("site-packages", "dist-packages"))}
    return tuple(folder.replace("\\", "/").rstrip("/") + "/" for folder in folders)
