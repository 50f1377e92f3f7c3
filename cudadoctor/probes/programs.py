"""Ask small programs of the system for what no file tells: all at once, with one limit for all of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from cudadoctor.facts.base import Missing
from cudadoctor.text import from_bytes

_MOST_BYTES = 1 << 20


def outputs(programs: Mapping[str, Sequence[str]], *, limit_s: float) -> dict[str, str | Missing]:
    """Start programs beside each other, and return what each wrote to standard output.

    Args:
        programs: Command lines by any name; each program by its full path.
        limit_s: After so many seconds all that still run are killed.
    """
    import subprocess
    import tempfile

    started = {}
    answers: dict[str, str | Missing] = {}
    end = time.monotonic() + limit_s
    for name, command in programs.items():
        # A file, and no pipe: a program that writes much must not wait for a reader.
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed below, after the program has ended
        try:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.DEVNULL)
        except OSError as error:
            file.close()
            answers[name] = Missing(f"{command[0]}: {error.strerror or type(error).__name__}")
            continue
        started[name] = (child, file)
    for name, (child, file) in started.items():
        program = programs[name][0]
        with file:
            try:
                child.wait(timeout=max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                answers[name] = Missing(f"{program} gave no answer within {limit_s:g} s")
                continue
            file.seek(0)
            text = from_bytes(file.read(_MOST_BYTES))
            answers[name] = text if child.returncode == 0 else Missing(f"{program} ended with {child.returncode}")
    return answers
