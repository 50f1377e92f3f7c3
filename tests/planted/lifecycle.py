"""Programs that hold a profiler to its promise to leave a program as it is, and what each does when run plainly.

`run(case)` runs one with Python; `run(case, command=...)` under something else, whose outcome must be the same.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Literal

import msgspec

from tests.planted.manifest import PROGRAMS
from tests.planted.measure import environment

FOLDER = PROGRAMS / "lifecycle"
ALL_BYTES = bytes(range(256))


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One program: how to run it, and what it does then.

    `code` is what `subprocess` returns: negative for a signal. `output` is all of standard output, where a number that
    differs from run to run is replaced by `#`. `errors` are pieces of standard error, in this order. `when_ready` is a
    signal to send once it has printed `ready`. `needs` names the framework, "" if none; `simulated` says whether
    numba's simulator can run it.
    """

    name: str
    program: str
    arguments: tuple[str, ...] = ()
    module: bool = False
    input: bytes = b""
    code: int = 0
    output: bytes = b""
    errors: tuple[str, ...] = ()
    when_ready: int = 0
    needs: Literal["", "numba", "torch", "cupy"] = ""
    simulated: bool = True


class Ended(msgspec.Struct, frozen=True):
    """How a process ended, with numbers that differ from run to run replaced in its output."""

    code: int
    output: bytes
    errors: str


CASES = (
    Case(name="exit code", program="exit_three.py", code=3, output=b"before the end\n"),
    Case(name="exit with a text", program="exit_text.py", code=1, errors=("no input was given\n",)),
    Case(
        name="exception",
        program="raises.py",
        code=1,
        output=b"about to fail\n",
        errors=("Traceback (most recent call last):\n", 'raises.py", line 9, in <module>', "in divide", "ZeroDivision"),
    ),
    Case(
        name="handlers at exit",
        program="atexit_order.py",
        output=b"last line\nthread\nsecond registered\nfirst registered\n",
        errors=("to standard error\n",),
    ),
    Case(
        name="SIGTERM handled",
        program="handles_signals.py",
        when_ready=signal.SIGTERM,
        code=7,
        output=b"ready\nhandler: SIGTERM\n",
    ),
    Case(
        name="SIGINT handled",
        program="handles_signals.py",
        when_ready=signal.SIGINT,
        code=7,
        output=b"ready\nhandler: SIGINT\n",
    ),
    Case(
        name="SIGTERM not handled",
        program="dies_of_signals.py",
        when_ready=signal.SIGTERM,
        code=-signal.SIGTERM,
        output=b"ready\n",
    ),
    Case(
        name="SIGINT not handled",
        program="dies_of_signals.py",
        when_ready=signal.SIGINT,
        code=-signal.SIGINT,
        output=b"ready\n",
        errors=("Traceback", "KeyboardInterrupt"),
    ),
    Case(
        name="arguments and input",
        program="arguments_and_input.py",
        arguments=("--format", "json", "", "a b", "--", "-h"),
        input=b"line one\nline two",
        output=b"['--format', 'json', '', 'a b', '--', '-h']\nLINE ONE\nLINE TWO",
    ),
    Case(name="binary output", program="binary_output.py", output=ALL_BYTES),
    Case(
        name="change of directory",
        program="changes_directory.py",
        output=b"files: ['mine.txt']\nname: changes_directory.py\n",
    ),
    Case(name="replaced output", program="changes_streams.py", output=b"no newline, not flushed"),
    Case(
        name="neighbour",
        program="imports_neighbour.py",
        output=(
            b"from the neighbour\n"
            b"name: __main__ file: imports_neighbour.py argv: imports_neighbour.py\n"
            b"path: True\nspec: None package: None cached: None\nmain: True\n"
        ),
    ),
    Case(name="pickle", program="pickles_own_class.py", output=b"True Point(x=1, y=2)\n"),
    Case(
        name="module",
        program="package",
        module=True,
        arguments=("-x", "y"),
        output=b"answer: 42 name: __main__ package: package\nargv: ['__main__.py', '-x', 'y']\n",
    ),
    Case(name="no GPU", program="no_gpu.py", output=b"result=0.552084\nloop_seconds=#\n"),
    Case(
        name="crash under way",
        program="numba_killed.py",
        code=-signal.SIGSEGV,
        output=b"kernels are under way\n",
        needs="numba",
    ),
    Case(
        name="killed under way",
        program="numba_killed.py",
        arguments=("kill",),
        code=-signal.SIGKILL,
        output=b"kernels are under way\n",
        needs="numba",
    ),
    Case(name="subprocess", program="numba_subprocess.py", output=b"child said: result=320032\n", needs="numba"),
    Case(name="spawned processes", program="numba_multiprocessing.py", output=b"results: [8.0, 16.0]\n", needs="numba"),
    Case(
        name="threads",
        program="numba_threads.py",
        output=b"all threads counted the steps: True\n",
        needs="numba",
        simulated=False,  # the simulator puts its own module into the kernel's globals, for one thread at a time
    ),
    Case(name="streams", program="numba_streams.py", output=b"all streams counted the steps: True\n", needs="numba"),
    Case(
        name="all GPUs",
        program="numba_two_gpus.py",
        output=b"all GPUs counted the steps: True\nGPUs: #\n",
        needs="numba",
    ),
    Case(
        name="10,000 launches, numba",
        program="numba_launches.py",
        output=b"result=320032\nloop_seconds=#\n",
        needs="numba",
    ),
    Case(
        name="10,000 launches, CuPy",
        program="cupy_launches.py",
        output=b"result=320032\nloop_seconds=#\n",
        needs="cupy",
    ),
    Case(
        name="10,000 launches, PyTorch",
        program="torch_launches.py",
        output=b"result=320032\nloop_seconds=#\n",
        needs="torch",
    ),
    Case(
        name="torch.profiler",
        program="torch_profiles_itself.py",
        output=b"the profiler saw products: True\n",
        needs="torch",
    ),
)


def run(
    case: Case, command: Sequence[str] = (sys.executable,), limit: float = 60.0, sizes: dict[str, str] | None = None
) -> Ended:
    """Run one program to its end.

    Args:
        case: Which.
        command: What runs it: `-m` and the module's name, or the script's path, follow, then its arguments.
        limit: Seconds after which it is killed.
        sizes: Variables STEPS and SIZE for the program.

    Raises:
        subprocess.TimeoutExpired: It did not end.
    """
    target = ["-m", case.program] if case.module else [str(FOLDER / case.program)]
    process = subprocess.Popen(
        [*command, *target, *case.arguments],
        cwd=FOLDER,
        env=environment(sizes or {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    first = b""
    try:
        if case.when_ready and process.stdout is not None:
            first = process.stdout.readline()
            os.kill(process.pid, case.when_ready)
        output, errors = process.communicate(case.input, timeout=limit)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    output = re.sub(rb"(loop_seconds=|GPUs: )[\d.]+", rb"\1#", first + output)
    return Ended(process.returncode, output, errors.decode(errors="replace"))


def differences(case: Case, ended: Ended) -> list[str]:
    """Say in what a run differs from what the program does plainly."""
    found = []
    if ended.code != case.code:
        found.append(f"exit code {ended.code}, not {case.code}; standard error: {ended.errors[-500:]}")
    if ended.output != case.output:
        found.append(f"output {ended.output!r}, not {case.output!r}")
    at = 0
    for piece in case.errors:
        where = ended.errors.find(piece, at)
        if where < 0:
            found.append(f"{piece!r} is not in its place in standard error: {ended.errors[-500:]!r}")
            break
        at = where + len(piece)
    return found
