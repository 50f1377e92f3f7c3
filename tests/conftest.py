"""Shared by all tests: the fake driver, the examples of properties, and `--accept` for reports of recorded machines.

Properties are tried on the same examples each time, so that a change is judged by what it changes. `poe fuzz` tries
others; what it finds becomes a test of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.warm import AVAILABLE, Server

pytest_plugins = ["tests.fake_driver.plugin"]

# Tests start cudadoctor hundreds of times: without bytecode each start compiles 300 files, and takes thrice the time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

settings.register_profile("same", derandomize=True, database=None)
settings.register_profile("others", derandomize=False, print_blob=True)
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="rewrite the reports of recorded machines; read the diff")


@pytest.fixture(scope="session")
def warm() -> Iterator[Server | None]:
    """Where command lines start quickly; None where there is no fork."""
    if not AVAILABLE:
        yield None
        return
    server = Server()
    yield server
    server.end()
