from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cudadoctor.attribution.statistics import median, median_interval, spread

rates = st.lists(st.floats(min_value=1e-3, max_value=1e4), min_size=1, max_size=60)


def test_the_median_of_an_even_number_is_the_middle() -> None:
    assert median([4.0, 1.0, 3.0, 2.0]) == 2.5


def test_spread_is_a_fraction_of_the_median() -> None:
    assert spread([50.0, 55.0, 49.5]) == pytest.approx(0.11)
    assert spread([7.0]) == 0


def test_three_samples_give_their_whole_range_and_say_that_it_holds_three_quarters() -> None:
    interval = median_interval([3.0, 1.0, 2.0])
    assert (interval.low, interval.high, interval.coverage) == (1.0, 3.0, 0.75)


def test_six_samples_are_the_fewest_for_95_percent() -> None:
    assert median_interval([1.0, 2.0, 3.0, 4.0, 5.0]).coverage < 0.95
    assert median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).coverage == pytest.approx(1 - 2 / 2**6)


def test_ten_samples_drop_one_at_each_end() -> None:
    # The textbook value: ranks 2 and 9 of ten hold the median with 97.9 %.
    interval = median_interval([float(i) for i in range(1, 11)])
    assert (interval.low, interval.high) == (2.0, 9.0)
    assert interval.coverage == pytest.approx(0.9785, abs=1e-4)


@given(rates)
def test_the_interval_holds_the_samples_median(samples: list[float]) -> None:
    interval = median_interval(samples)
    assert min(samples) <= interval.low <= median(samples) <= interval.high <= max(samples)


@given(rates, st.floats(min_value=0.5, max_value=2))
def test_spread_does_not_depend_on_the_unit(samples: list[float], factor: float) -> None:
    assert spread([factor * sample for sample in samples]) == pytest.approx(spread(samples), rel=1e-9, abs=1e-9)
