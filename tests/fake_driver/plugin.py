"""Pytest fixtures around the fake driver, for all tests."""

from __future__ import annotations

import pytest

from tests.fake_driver.build import FakeDriver, build


@pytest.fixture(scope="session")
def fake_driver(tmp_path_factory: pytest.TempPathFactory) -> FakeDriver:
    """The fake driver; skips where it cannot be compiled."""
    driver = build(tmp_path_factory.mktemp("fake-driver"))
    if driver is None:
        pytest.skip("the fake driver needs Linux and a C compiler ($CC, cc, gcc, clang or the ziglang package)")
    return driver
