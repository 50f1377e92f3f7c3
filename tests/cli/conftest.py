"""The real command line in a real process, against the fake driver and a fake root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.warm import Server

ROOT = Path(__file__).parents[2]


READ_AT_START = ("PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONUNBUFFERED")


class Run(msgspec.Struct):
    """What a command did."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def document(self) -> dict[str, Any]:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)

    @property
    def ids(self) -> list[str]:
        return [finding["id"] for finding in self.document["findings"]]

    def step(self, name: str) -> dict[str, Any]:
        return next(step for step in self.document["facts"]["ladder"]["steps"] if step["name"] == name)


Doctor = Callable[..., Run]


@pytest.fixture
def doctor(warm: Server | None) -> Doctor:
    """Run `cudadoctor` with arguments, in an environment, with a time limit."""

    def run(*arguments: object, env: Mapping[str, str] | None = None, stdin: str | None = None) -> Run:
        environment = dict(os.environ if env is None else env)
        started_alike = all(environment.get(name) == os.environ.get(name) for name in READ_AT_START)
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
        environment.setdefault("COLUMNS", "80")
        words = [str(argument) for argument in arguments]
        started = time.monotonic()
        if warm is not None and started_alike:
            done = warm.run(words, environment, stdin)
        else:
            done = subprocess.run(
                [sys.executable, "-m", "cudadoctor", *words],
                capture_output=True,
                encoding="utf-8",
                env=environment,
                input=stdin,
                timeout=120,
                check=False,
            )
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - started)

    return run
