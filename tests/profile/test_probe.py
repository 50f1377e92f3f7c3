"""The slope of a program's time over delays that were added to some of its calls."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from cudadoctor.attribution.profile.trace import CALLS, CallKind, Trace
from cudadoctor.facts.profile import Probe, Steps
from cudadoctor.gpu.cupti.pool import delays
from cudadoctor.profile.probe import Plan, plans, slope

PLAN = Plan("launches", (307,), 10_000, 20)


def program(step_ns: Callable[[int, bool], float], calls: int = 1280) -> NDArray[np.int64]:
    """Return when each call begins in a program whose steps of one call last so long, delayed or not."""
    held = delays(calls // PLAN.block)
    lengths = [step_ns(number, held[number // PLAN.block]) for number in range(calls - 1)]
    return np.cumsum([0, *lengths]).astype(np.int64)


def probed(step_ns: Callable[[int, bool], float]) -> Probe:
    held = delays(64)
    found = slope(PLAN, program(step_ns), PLAN.block * sum(held))
    assert found is not None
    return found


def test_about_half_of_the_blocks_are_delayed_and_in_no_order_that_comes_again() -> None:
    held = delays(200)
    assert 95 <= sum(held) <= 105
    assert not any(held[:-period] == held[period:] for period in range(1, 30))


def test_calls_on_the_critical_path_have_slope_one() -> None:
    chance = random.Random(1)
    found = probed(lambda _, late: 40_000 + chance.uniform(0, 4000) + 10_000 * late)
    assert found.slope == pytest.approx(1.0, abs=0.03)
    assert 0.95 < found.low < 1.0 < found.high < 1.05
    assert found.count == PLAN.block * sum(delays(64))
    assert found.added_us == 10.0


def test_hidden_calls_have_slope_zero() -> None:
    chance = random.Random(2)
    found = probed(lambda _, late: 40_000 + chance.uniform(0, 4000))
    assert -0.05 < found.low < 0 < found.high < 0.05


def test_half_hidden_calls_lie_between() -> None:
    chance = random.Random(3)
    found = probed(lambda _, late: 40_000 + chance.uniform(0, 4000) + 5_000 * late)
    assert found.slope == pytest.approx(0.5, abs=0.03)


def test_a_machine_that_becomes_slower_meanwhile_changes_nothing() -> None:
    chance = random.Random(4)
    found = probed(lambda number, late: (1 + number / 1280) * (40_000 + chance.uniform(0, 4000)) + 10_000 * late)
    assert found.low < 1.0 < found.high
    assert found.slope == pytest.approx(1.0, abs=0.25)


def test_a_slow_start_and_single_long_pauses_change_nothing() -> None:
    chance = random.Random(5)

    def step(number: int, late: bool) -> float:
        pause = 5e6 if number < 10 or chance.random() < 0.002 else 0.0
        return 40_000 + chance.uniform(0, 4000) + 10_000 * late + pause

    found = probed(step)
    assert found.slope == pytest.approx(1.0, abs=0.1)


def test_a_noisy_program_has_a_wide_interval() -> None:
    chance = random.Random(6)
    pace = [chance.uniform(0.2, 3) for _ in range(64)]
    found = probed(lambda number, late: pace[number // PLAN.block] * 40_000)
    assert found.low < 0 < found.high
    assert found.high - found.low > 1


@pytest.mark.parametrize(("calls", "delayed"), [(1280, 0), (100, 40), (0, 0)])
def test_without_enough_blocks_of_either_kind_there_is_none(calls: int, delayed: int) -> None:
    moments = program(lambda _, late: 40_000.0, calls) if calls else None
    assert slope(PLAN, moments, delayed) is None


def _trace(calls: NDArray[np.void]) -> Trace:
    empty = np.empty(0)
    return Trace(empty, calls, *[empty] * 7, (), (), 1_000_000, 1)


NAMES = {1: "cuLaunchKernel", 2: "cuCtxSynchronize", 3: "cuStreamSynchronize", 4: "cuMemcpyHtoD_v2"}


def test_classes_are_probed_that_take_time_and_come_often() -> None:
    calls = np.zeros(360, CALLS)
    calls["kind"] = [CallKind.LAUNCH] * 100 + [CallKind.SYNC] * 100 + [CallKind.COPY] * 120 + [CallKind.ALLOCATE] * 40
    calls["start"] = [*range(0, 100_000, 1000), *range(0, 2_000_000, 20_000), *range(120), *range(40)]
    calls["end"] = calls["start"] + np.array([10] * 100 + [50] * 100 + [1] * 120 + [9999] * 40)
    found = plans(_trace(calls), NAMES, None)
    assert [(plan.calls, plan.ids) for plan in found] == [("waits", (2, 3)), ("launches", (1,))]
    assert [plan.delay for plan in found] == [6000, 1000]  # three tenths of 20 us; at least 1 us


def test_a_block_is_whole_steps() -> None:
    calls = np.zeros(3007, CALLS)
    calls["kind"] = CallKind.LAUNCH
    calls["start"] = [*range(7), *(1_000_000 + 5000 * np.arange(3000))]
    calls["end"] = calls["start"] + 10
    steps = Steps(found_by="repetition", count=100, window_start_s=0.001, window_end_s=0.016)
    (found,) = plans(_trace(calls), NAMES, steps)
    assert found.block == 30
    assert found.delay == 1500
    (found,) = plans(_trace(calls), NAMES, Steps(found_by="none"))
    assert found.block == 46
