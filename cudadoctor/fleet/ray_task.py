"""What runs on each node of a Ray cluster: cudadoctor itself, in a process of its own, with a limit.

This file goes to the nodes as it is, so it imports nothing but the standard library: where cudadoctor is missing on a
node, that is an answer.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from typing import Any

MOST_BYTES = 8 * 2**20
_LAST_WORDS = 600


def examine_here(words: list[str], limit_s: float) -> dict[str, Any]:
    """Run `cudadoctor WORDS --save FILE` and return what it wrote.

    Args:
        words: The command and its options.
        limit_s: Seconds until it is ended, with all that it started.

    Returns:
        `facts`: the compressed file, None where there is none. `code`: the exit code, None where it was ended.
        `said`: the end of what it printed. `seconds`.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cudadoctor-") as folder:
        path = os.path.join(folder, "facts.json")
        command = [sys.executable, "-m", "cudadoctor", *words, "--save", path]
        said = os.path.join(folder, "said")
        with open(said, "wb") as printed:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=printed,
                env=environment(),
                cwd=folder,  # nothing is imported from wherever the worker stands
                start_new_session=os.name == "posix",
            )
            code: int | None = None
            try:
                code = process.wait(timeout=limit_s)
            except subprocess.TimeoutExpired:
                _end(process)
        facts = None
        with contextlib.suppress(OSError), open(path, "rb") as file:
            facts = file.read(MOST_BYTES + 1)
        with open(said, "rb") as file:
            text = file.read()[-_LAST_WORDS:].decode("utf-8", "backslashreplace").strip()
    return {
        "facts": None if facts is None or len(facts) > MOST_BYTES else zlib.compress(facts, 1),
        "code": code,
        "said": text,
        "seconds": time.monotonic() - started,
    }


def environment() -> dict[str, str]:
    """Return the environment that this worker was started with, without what Ray set in it for its own tasks.

    A task that takes no GPU and no CPU may find CUDA_VISIBLE_DEVICES emptied and OMP_NUM_THREADS at 1: a check would
    then find no GPU, and blame the node.
    """
    try:
        with open("/proc/self/environ", "rb") as file:
            pairs = [os.fsdecode(entry).partition("=") for entry in file.read().split(b"\0") if b"=" in entry]
        found = {name: value for name, _, value in pairs}
    except OSError:
        found = dict(os.environ)
        if not found.get("CUDA_VISIBLE_DEVICES"):
            found.pop("CUDA_VISIBLE_DEVICES", None)
        found.pop("OMP_NUM_THREADS", None)
    return {name: value for name, value in found.items() if not name.startswith("RAY_")}


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=1.0)  # one that hangs in the driver goes when the driver lets go of it
