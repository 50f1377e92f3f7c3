"""Programs for the tests: small scripts, and runs of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cudadoctor.gpu.cupti.callbacks import compile_callbacks
from cudadoctor.gpu.cupti.pool import Layout
from cudadoctor.profile.runs import Asked, Output, Ran, run

LAYOUT = Layout.within(16)

PRETEND = """
import ctypes, os
gpu = ctypes.CDLL(os.environ["FAKE_CUPTI"])
u4, u8 = ctypes.c_uint32, ctypes.c_uint64
gpu.fake_launch.argtypes = [ctypes.c_char_p, u8, u8, u4, u4, ctypes.c_int]
gpu.fake_copy.argtypes = [ctypes.c_int, u8, ctypes.c_int, u8]
gpu.fake_alloc.argtypes = [ctypes.c_uint64]
names = {}
def launch(name="step", host=10_000, device=5_000, stream=7, blocks=264, runtime=False):
    text = names.setdefault(name, ctypes.create_string_buffer(name.encode()))
    gpu.fake_launch(ctypes.cast(text, ctypes.c_char_p), host, device, stream, blocks, runtime)
"""
"""What a pretended GPU program begins with: see `tests/fake_driver/libcupti.c`."""


def traced(path: Path, cupti: Path, *arguments: str, slots_mib: int = 16, limit_s: float | None = 30.0) -> Ran:
    """Run a script under the fake tracer, its output kept away."""
    layout = Layout.within(slots_mib)
    return run(
        Asked("script", str(path), arguments),
        Output(subprocess.DEVNULL, subprocess.DEVNULL),
        layout=layout,
        native=compile_callbacks(layout),
        libraries=[str(cupti)],
        limit_s=limit_s,
    )


@contextmanager
def variables(**values: str) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
