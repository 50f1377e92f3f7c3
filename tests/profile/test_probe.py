"""The slope of a program's wall time over delays that were added."""

from __future__ import annotations

import random

import pytest

from cudadoctor.attribution.profile.trace import CALLS, CallKind, Trace
from cudadoctor.profile.probe import plans, slope


def test_calls_on_the_critical_path_have_slope_one() -> None:
    found = slope(
        "launches", [1_000_000_000, 1_004_000_000], [(10_000, 1_101_000_000, 10_000), (20_000, 1_203_000_000, 10_000)]
    )
    assert found is not None
    assert found.slope == pytest.approx(1.0, abs=0.02)
    assert found.low < 1.0 < found.high
    assert found.count == 10_000
    assert found.added_us == 20.0


def test_hidden_calls_have_slope_zero() -> None:
    found = slope(
        "waits", [1_000_000_000, 1_002_000_000], [(10_000, 1_001_000_000, 10_000), (20_000, 1_000_500_000, 10_000)]
    )
    assert found is not None
    assert found.low < 0 < found.high < 0.1


def test_a_noisy_program_has_a_wide_interval() -> None:
    chance = random.Random(3)
    walls = [int(1e9 * chance.uniform(0.8, 1.2)) for _ in range(4)]
    found = slope("copies", walls[:2], [(10_000, walls[2], 1000), (20_000, walls[3], 1000)])
    assert found is not None
    assert found.high - found.low > 2


@pytest.mark.parametrize("delayed", [[], [(10, 1000, 5)], [(10, 1000, 0), (20, 1000, 0)]])
def test_without_two_delayed_runs_there_is_none(delayed: list[tuple[int, int, int]]) -> None:
    assert slope("copies", [1000], delayed) is None


def test_classes_are_probed_that_take_time_and_come_often() -> None:
    import numpy as np

    calls = np.zeros(360, CALLS)
    calls["kind"] = [CallKind.LAUNCH] * 100 + [CallKind.SYNC] * 100 + [CallKind.COPY] * 120 + [CallKind.ALLOCATE] * 40
    calls["end"] = [10] * 100 + [50] * 100 + [1] * 120 + [9999] * 40
    empty = np.empty(0)
    trace = Trace(empty, calls, *[empty] * 7, (), (), 1_000_000, 1)
    names = {1: "cuLaunchKernel", 2: "cuCtxSynchronize", 3: "cuStreamSynchronize", 4: "cuMemcpyHtoD_v2"}
    found = plans(trace, names, 1_000_000_000)
    assert [(plan.calls, plan.ids) for plan in found] == [("waits", (2, 3)), ("launches", (1,))]
    assert found[0].delays == (1_500_000, 3_000_000)
