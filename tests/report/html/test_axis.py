"""Axes: round ticks, all values within, and their places."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cudadoctor.report.html.charts.axis import Axis, drawable, linear_axis, log_axis

VALUES = st.lists(st.floats() | st.integers(-5, 5).map(float), max_size=6)
AT_MOST = st.integers(3, 12)


def holds(axis: Axis, kept: list[float], at_most: int) -> None:
    assert axis.low < axis.high
    assert all(axis.low <= value <= axis.high for value in kept)
    assert len(axis.ticks) <= at_most
    assert list(axis.ticks) == sorted(set(axis.ticks))
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    assert all(0 <= axis.place(value) <= 1 for value in kept)


@given(VALUES, AT_MOST, st.booleans(), st.booleans(), st.booleans())
def test_a_linear_axis_holds_what_can_be_drawn(
    values: list[float], at_most: int, zero: bool, tight: bool, whole: bool
) -> None:
    axis = linear_axis(values, from_zero=zero, tight=tight, whole=whole, at_most=at_most)
    kept = [value for value in values if drawable(value)]
    assert (axis is None) == (not kept)
    if axis is not None:
        holds(axis, kept, at_most)
        assert not zero or axis.low <= 0 <= axis.high
        assert not whole or all(tick == math.floor(tick) for tick in axis.ticks)


@given(VALUES, AT_MOST, st.sampled_from([2, 10]))
def test_a_log_axis_holds_what_can_be_drawn(values: list[float], at_most: int, base: int) -> None:
    axis = log_axis(values, base=base, at_most=at_most)
    kept = [value for value in values if drawable(value, log=True)]
    assert (axis is None) == (not kept)
    if axis is not None:
        holds(axis, kept, at_most)
        assert axis.low > 0
        assert axis.ticks


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.0854], [0, 0.02, 0.04, 0.06, 0.08, 0.1]),
        ([0.297], [0, 0.1, 0.2, 0.3]),
        ([55.08, 63.0], [0, 20, 40, 60, 80]),
        ([-3, 4], [-4, -2, 0, 2, 4]),
        ([0], [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
    ],
)
def test_linear_ticks_are_round_and_as_close_as_they_may_be(values: list[float], ticks: list[float]) -> None:
    axis = linear_axis(values)
    assert axis is not None
    assert axis.ticks == pytest.approx(ticks)
    assert (axis.low, axis.high) == (axis.ticks[0], pytest.approx(axis.ticks[-1]))


def test_a_tight_axis_of_epochs_ends_at_the_last_epoch() -> None:
    axis = linear_axis(range(1, 11), from_zero=False, tight=True, whole=True)
    assert axis is not None
    assert (axis.low, axis.high, axis.ticks) == (1, 10, (2, 4, 6, 8, 10))
    few = linear_axis([1, 2], from_zero=False, tight=True, whole=True)
    assert few is not None
    assert few.ticks == (1, 2)


@pytest.mark.parametrize(
    ("values", "base", "ticks"),
    [
        ([1.2, 17.6], 10, [1, 2, 5, 10, 20]),
        ([3e-6, 2e-2], 10, [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]),
        ([4, 2**30], 2, [2**5, 2**10, 2**15, 2**20, 2**25, 2**30]),
        ([1e-9, 1e9], 10, [1e-5, 1, 1e5]),
        ([1000], 10, [1000, 2000]),
    ],
)
def test_log_ticks_are_powers_or_1_2_5(values: list[float], base: int, ticks: list[float]) -> None:
    axis = log_axis(values, base=base)
    assert axis is not None
    assert axis.ticks == pytest.approx(ticks)


def test_a_place_is_a_share_of_the_range_or_of_its_logarithm() -> None:
    assert Axis(low=10, high=20, ticks=()).place(12.5) == 0.25
    assert Axis(low=1, high=100, ticks=(), log=True).place(10) == pytest.approx(0.5)
    assert Axis(low=1, high=100, ticks=(), log=True).place(-1) == 0


def test_what_has_no_place_is_passed_over() -> None:
    assert [drawable(value) for value in (0.0, -1.0, math.inf, math.nan, None, 1e305)] == [True, True] + [False] * 4
    assert [drawable(value, log=True) for value in (1e-9, 0.0, -1.0)] == [True, False, False]
