"""How a fake framework behaves, and its arithmetic."""

from __future__ import annotations

import os
import signal
import sys
import time

NO_KERNEL = "CUDA error: no kernel image is available for execution on the device"


def behaviour(name: str) -> str:
    return os.environ.get(f"FAKE_{name.upper()}", "works")


def on_import(name: str) -> None:
    how = behaviour(name)
    if how == "import-error":
        raise ImportError("libcudnn.so.9: cannot open shared object file: No such file or directory")
    if how == "hang-at-import":
        time.sleep(1000)
    if how == "exit":
        sys.exit(7)


def on_operation(name: str) -> None:
    how = behaviour(name)
    if how == "no-kernel":
        raise RuntimeError(NO_KERNEL)
    if how == "hang":
        time.sleep(1000)
    if how == "crash":
        sys.stderr.write("Fatal: the fake crashes now\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGSEGV)


class Array:
    """A matrix that can do what the check asks for."""

    def __init__(self, rows: list[list[float]], framework: str) -> None:
        self.rows, self.framework = rows, framework

    def __matmul__(self, other: Array) -> Array:
        on_operation(self.framework)
        columns = list(zip(*other.rows, strict=True))
        rows = [[sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in self.rows]
        if behaviour(self.framework) == "wrong":
            rows[3][4] += 0.5
        return Array(rows, self.framework)

    def __add__(self, number: float) -> Array:
        return Array([[value + number for value in row] for row in self.rows], self.framework)

    def cpu(self) -> Array:
        return self

    get = numpy = cpu

    def tolist(self) -> list[list[float]]:
        return self.rows


class Context:
    """A `with` block that does nothing."""

    compute_capability = "90"

    def __init__(self, *_: object) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...
