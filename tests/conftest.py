"""Shared by all tests: the fake driver, and `--accept` for the reports of recorded machines."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.fake_driver.plugin"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="rewrite the reports of recorded machines; read the diff")
