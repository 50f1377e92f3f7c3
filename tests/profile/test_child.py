"""A program in our child behaves as under Python itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from cudadoctor.gpu.cupti.callbacks import compile_callbacks
from cudadoctor.profile.runs import Asked, Output, run
from tests.fake_driver.build import FakeDriver
from tests.profile.programs import LAYOUT

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="programs are traced on Linux")

PROGRAMS = {
    "prints": "import sys\nprint('out', sys.argv[1:])\nprint('err', file=sys.stderr)\n",
    "binary": "import sys\nsys.stdout.buffer.write(bytes(range(256)))\n",
    "exit code": "import sys\nsys.exit(3)\n",
    "exit text": "import sys\nsys.exit('no such thing')\n",
    "raises": "def f():\n    raise ValueError('x')\nf()\n",
    "chained": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('y') from e\n",
    "syntax": "print('never'\n",
    "atexit": (
        "import atexit\natexit.register(print, 'first registered')\n"
        "atexit.register(print, 'last registered')\nprint('body')\n"
    ),
    "atexit sees globals": "import atexit\nx = 5\n@atexit.register\ndef f():\n    print(x)\n",
    "names": "print(__name__, __file__, __package__, __spec__, sorted(n for n in globals() if n[:2] != '__'))\n",
    "path": "import sys\nprint(sys.path[0], sys.argv[0])\nimport neighbour\nprint(neighbour.WORD)\n",
    "pickle": (
        "import pickle\nclass Thing:\n    pass\n"
        "print(type(pickle.loads(pickle.dumps(Thing()))) is Thing, Thing.__module__)\n"
    ),
    "threads": (
        "import threading, time\nprint(threading.active_count(), threading.current_thread().name)\n"
        "def late():\n    time.sleep(0.1)\n    print('late')\n"
        "threading.Thread(target=late).start()\nprint('main done')\n"
    ),
    "interrupted": "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)\n",
    "killed": "import os, signal\nprint('before', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n",
    "segfault": "import ctypes\nctypes.string_at(0)\n",
    "os._exit": "import os\nprint('gone', flush=True)\nos._exit(7)\n",
    "own hook": "import sys\nsys.excepthook = lambda kind, value, trace: print(kind.__name__)\nraise ValueError\n",
    "spawn": (
        "import multiprocessing\ndef work(n):\n    return n * n\nif __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n        print(pool.map(work, [3]))\n"
    ),
    "standard input": "import sys\nprint(repr(sys.stdin.read()))\n",
    "descriptors": (
        "import subprocess\n"
        "told = subprocess.run(['ls', '-l', '/proc/self/fd'], capture_output=True, text=True, close_fds=False).stdout\n"
        "print('cudadoctor' in told, len(told.splitlines()))\n"
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "neighbour.py").write_text("WORD = 'neighbour'\n")
    package = tmp_path / "parcel"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tool.py").write_text(
        "import sys\nfrom . import __name__ as n\nprint(n, __name__, sys.argv, sys.path[0])\n"
    )
    (package / "__main__.py").write_text("import sys\nprint('main of', __package__, sys.argv)\nraise SystemExit(4)\n")
    (package / "fails.py").write_text("raise RuntimeError('in a module')\n")
    return tmp_path


def _ours(asked: Asked, folder: Path, traced: Path | None) -> tuple[int, bytes, bytes]:
    before = Path.cwd()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, open(os.devnull, "rb") as nothing:
        saved = os.dup(0)
        os.dup2(nothing.fileno(), 0)
        try:
            os.chdir(folder)
            native = None if traced is None else compile_callbacks(LAYOUT)
            libraries = [] if traced is None else [str(traced)]
            ran = run(asked, Output(out, err), layout=LAYOUT, native=native, libraries=libraries, limit_s=30)
        finally:
            os.chdir(before)
            os.dup2(saved, 0)
            os.close(saved)
        out.seek(0)
        err.seek(0)
        code = ran.exit_code if ran.exit_code is not None else -getattr(signal, ran.signal)
        return code, out.read(), err.read()


def _plain(command: list[str], folder: Path) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, check=False, timeout=60, stdin=subprocess.DEVNULL
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("with_tracer", [False, True], ids=["alone", "traced"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_script_does_what_it_does_alone(name: str, with_tracer: bool, folder: Path, fake_driver: FakeDriver) -> None:
    (folder / "program.py").write_text(PROGRAMS[name])
    expected = _plain(["program.py", "a", "-b"], folder)
    got = _ours(Asked("script", "program.py", ("a", "-b")), folder, fake_driver.cupti if with_tracer else None)
    assert got == expected


@pytest.mark.parametrize("module", ["parcel.tool", "parcel", "parcel.fails", "parcel.missing", "missing"])
def test_a_module_does_what_it_does_alone(module: str, folder: Path, fake_driver: FakeDriver) -> None:
    expected = _plain(["-m", module, "a"], folder)
    got = _ours(Asked("module", module, ("a",)), folder, fake_driver.cupti)
    assert got[:2] == expected[:2]
    assert got[2].splitlines()[-1:] == expected[2].splitlines()[-1:]


def test_a_folder_with_a_main_is_a_script(folder: Path) -> None:
    (folder / "parcel" / "__main__.py").write_text("import sys\nprint(sys.argv, sys.path[0])\n")
    assert _ours(Asked("script", "parcel", ("a",)), folder, None) == _plain(["parcel", "a"], folder)


def test_ctrl_c_goes_to_the_program_alone(folder: Path) -> None:
    ready = folder / "ready"
    (folder / "program.py").write_text(
        "import signal, sys, time\n"
        "def stop(number, frame):\n    print('told'); sys.exit(9)\n"
        f"signal.signal(signal.SIGINT, stop)\nopen({str(ready)!r}, 'w').close()\ntime.sleep(20)\n"
    )
    started: list[int] = []
    timer = threading.Thread(target=_interrupt_when_ready, args=(started, ready), daemon=True)
    timer.start()
    with tempfile.TemporaryFile() as out:
        ran = run(
            Asked("script", str(folder / "program.py"), ()),
            Output(out, subprocess.DEVNULL),
            layout=LAYOUT,
            limit_s=40,
            started=started.append,
        )
    assert (ran.exit_code, ran.signal) == (9, "")


def _interrupt_when_ready(started: list[int], ready: Path) -> None:
    end = time.monotonic() + 30
    while not (started and ready.exists()) and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)  # this process shrugs it off ...
    os.kill(started[0], signal.SIGINT)  # ... and the program gets its own


def test_a_time_limit_ends_the_program(folder: Path) -> None:
    (folder / "program.py").write_text("import time\ntime.sleep(60)\n")
    ran = run(
        Asked("script", str(folder / "program.py"), ()),
        Output(subprocess.DEVNULL, subprocess.DEVNULL),
        layout=LAYOUT,
        limit_s=0.5,
    )
    assert ran.timed_out
    assert ran.signal == "SIGTERM"
    assert ran.wall_ns is not None
    assert ran.wall_ns < 5e9
