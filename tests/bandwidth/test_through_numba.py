"""What a numba user gets, against the fake driver: numba's own copies are real, and only compilers may be missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from cudadoctor.bandwidth.plan import NUMBA_KEYS, NUMBA_LATENCY_KEYS, Plan
from cudadoctor.facts.bandwidth import Bandwidth
from tests.bandwidth.test_measure import bandwidth, measure, reasons
from tests.fake_driver.build import FakeDriver

MIB = 2**20
PLAN = Plan(keys=("d2d_local",), size_bytes=MIB, copies=4, numba=True)
SLOW: dict[str, Any] = {
    "h2d_pageable_gb_per_s": 0.5,
    "d2h_pageable_gb_per_s": 0.6,
    "h2d_pinned_gb_per_s": 0.7,
    "d2h_pinned_gb_per_s": 0.8,
}
ALL = {*NUMBA_KEYS, *NUMBA_LATENCY_KEYS}
needs_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None or importlib.util.find_spec("numba.cuda") is None,
    reason="numba-cuda is not installed",
)


def through_numba(fake_driver: FakeDriver, plan: Plan = PLAN, **keys: Any) -> Bandwidth:
    return bandwidth(measure(fake_driver, plan, limit_s=10.0, **keys))


@needs_numba
def test_numba_s_copies_are_verified_and_have_rows_of_their_own(fake_driver: FakeDriver) -> None:
    result = through_numba(fake_driver, **SLOW)
    assert set(reasons(result)) <= {"numba_launch"}  # a compiler is needed for it
    rows = {one.key: one for one in result.results if one.key != "d2d_local"}
    assert tuple(rows) == NUMBA_KEYS
    for one, most in zip(rows.values(), SLOW.values(), strict=True):
        assert 0.2 * most < one.gb_per_s <= most  # the host's clock can only be late
        assert (one.verified, one.timer, one.size_bytes, one.copies_per_sample) == (True, "host clock", MIB, 4)
        assert (len(one.samples_gb_per_s), one.note, one.mover) == (3, "", "copy engine")
    small = {latency.key: latency for latency in result.latencies}
    assert {"numba_h2d_small", "numba_d2h_small"} <= set(small)
    for latency in small.values():
        assert 0 < latency.seconds < 0.1
        assert len(latency.samples_seconds) == (9 if latency.key == "numba_launch" else 101)


@needs_numba
@pytest.mark.parametrize(
    ("corrupt", "refused"),
    [
        ("h2d_pageable", {"numba_h2d"}),
        ("d2h_pageable", {"numba_d2h"}),
        ("h2d", ALL - {"numba_launch"}),
    ],
)
def test_what_arrives_damaged_is_not_reported(fake_driver: FakeDriver, corrupt: str, refused: set[str]) -> None:
    result = through_numba(fake_driver, corrupt_copies=corrupt)
    wrong = {key for key, reason in reasons(result).items() if reason.startswith("verification failed: ")}
    assert wrong & ALL == refused
    assert {one.key for one in result.results} & ALL == set(NUMBA_KEYS) - refused


@needs_numba
def test_without_a_compiler_the_launch_alone_is_missing_and_says_so(fake_driver: FakeDriver) -> None:
    result = through_numba(fake_driver)
    launch = [latency for latency in result.latencies if latency.key == "numba_launch"]
    assert launch or "numba_launch" in reasons(result)
    assert "\n" not in reasons(result).get("numba_launch", "")


@needs_numba
def test_the_simulator_is_no_gpu(fake_driver: FakeDriver) -> None:
    result = through_numba(fake_driver, environment={"NUMBA_ENABLE_CUDASIM": "1"})
    assert set(reasons(result)) == ALL
    assert "the simulator copies nothing to a GPU" in reasons(result)["numba_h2d"]


def broken_numba(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    (folder / "numba").mkdir()
    (folder / "numba" / "__init__.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))  # the child gets this process's path


def test_a_numba_that_cannot_be_imported_costs_its_rows_alone(
    fake_driver: FakeDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_numba(tmp_path, monkeypatch, "raise AttributeError('np.row_stack is gone\\nfor good')")
    result = through_numba(fake_driver)
    assert [one.key for one in result.results] == ["d2d_local"]
    assert set(reasons(result)) == ALL
    assert reasons(result)["numba_h2d"] == "numba.cuda cannot be used here: AttributeError: np.row_stack is gone"


def test_numba_is_not_imported_unless_it_is_asked_for(
    fake_driver: FakeDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_numba(tmp_path, monkeypatch, "import os; os._exit(9)")
    result = through_numba(fake_driver, Plan(keys=("d2d_local",), size_bytes=MIB, copies=4))
    assert (len(result.results), result.skipped) == (1, ())
    result = through_numba(fake_driver)
    assert len(result.results) == 1
    assert set(reasons(result)) == ALL
    assert "import numba.cuda" in reasons(result)["numba_h2d"]
