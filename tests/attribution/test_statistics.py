from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cudadoctor.attribution.statistics import (
    bootstrap_median,
    has_effect,
    median,
    ordered_interval,
    paired_difference,
    shift,
    spread,
)

rates = st.lists(st.floats(min_value=1e-3, max_value=1e4), min_size=1, max_size=60)


def test_the_median_of_an_even_number_is_the_middle() -> None:
    assert median([4.0, 1.0, 3.0, 2.0]) == 2.5


def test_spread_is_a_fraction_of_the_median() -> None:
    assert spread([50.0, 55.0, 49.5]) == pytest.approx(0.11)
    assert spread([7.0]) == 0


@given(rates, st.floats(min_value=0.5, max_value=2))
def test_spread_does_not_depend_on_the_unit(samples: list[float], factor: float) -> None:
    assert spread([factor * sample for sample in samples]) == pytest.approx(spread(samples), rel=1e-9, abs=1e-9)


def test_the_bootstrap_of_equal_samples_is_equal() -> None:
    samples = [4.1, 3.9, 4.4, 4.0, 5.2, 4.3, 4.2]
    assert bootstrap_median(samples) == bootstrap_median(samples)
    assert bootstrap_median(samples) == bootstrap_median(list(reversed(samples)))


def test_the_bootstrap_says_what_few_samples_hold() -> None:
    # 2 of 3 draws must hit the lowest for the median to be it: 7 in 27, more than 2.5 %.
    interval = bootstrap_median([3.0, 1.0, 2.0])
    assert (interval.low, interval.high, interval.coverage) == (1.0, 3.0, 0.75)
    assert bootstrap_median([7.0]).coverage == 0


@given(rates)
def test_the_bootstrap_holds_the_median_of_the_samples(samples: list[float]) -> None:
    interval = bootstrap_median(samples, rounds=400)
    assert min(samples) <= interval.low <= median(samples) <= interval.high <= max(samples)
    assert 0 <= interval.coverage <= 0.95


def test_the_bootstrap_holds_the_true_median_about_as_often_as_it_says() -> None:
    chance = random.Random(5)
    held = said = 0.0
    for _ in range(300):
        interval = bootstrap_median([chance.gauss(10, 1) for _ in range(15)], rounds=400)
        held += interval.low <= 10 <= interval.high
        said += interval.coverage
    assert held / 300 == pytest.approx(said / 300, abs=0.04)


@pytest.mark.parametrize(
    ("n", "k", "coverage"),
    [(1, 1, 0.0), (2, 1, 0.5), (5, 1, 0.9375), (6, 1, 0.96875), (20, 6, 0.9586), (100, 40, 0.9648)],
)
def test_order_statistics_as_in_the_tables(n: int, k: int, coverage: float) -> None:
    """Which sample from either end bounds the median; 20 and 100 as tables of the sign test have them."""
    interval = ordered_interval([float(i) for i in range(n, 0, -1)])
    assert (interval.low, interval.high) == (k, n + 1 - k)
    assert interval.coverage == pytest.approx(coverage, abs=1e-4)


def test_many_samples_are_no_trouble_to_order_statistics() -> None:
    interval = ordered_interval([float(i) for i in range(3001)])
    assert (interval.low + interval.high) / 2 == 1500
    assert 0.95 <= interval.coverage <= 0.955


def test_pairs_show_an_effect_that_a_drift_would_hide() -> None:
    before = [100.0 + 10 * i for i in range(12)]
    after = [value - 3 + 0.1 * (i % 3) for i, value in enumerate(before)]
    difference = paired_difference(before, after)
    assert has_effect(difference)
    assert -3 <= difference.low <= difference.high <= -2.8


def test_a_difference_whose_interval_holds_zero_is_no_effect() -> None:
    before = [100.0, 101.0, 99.0, 100.5, 99.5, 100.2]
    after = [100.1, 100.8, 99.3, 100.1, 99.9, 100.0]
    assert not has_effect(paired_difference(before, after))


@pytest.mark.parametrize(("before", "after"), [([], []), ([1.0], [1.0, 2.0])])
def test_pairs_that_are_none_are_refused(before: list[float], after: list[float]) -> None:
    with pytest.raises(ValueError, match="equally many"):
        paired_difference(before, after)


def test_a_shift_is_found_with_its_interval_whatever_the_distribution() -> None:
    chance = random.Random(9)
    hits = 0
    for _ in range(200):
        without = [chance.expovariate(1) for _ in range(20)]
        with_ = [chance.expovariate(1) + 0.5 for _ in range(25)]
        middle, interval = shift(without, with_)
        assert interval.low <= middle <= interval.high
        hits += interval.low <= 0.5 <= interval.high
    assert 180 <= hits <= 199  # 95 % of them, within three standard deviations


def test_a_shift_of_few_samples_is_between_all_differences() -> None:
    middle, interval = shift([1.0, 2.0], [4.0])
    assert (middle, interval.low, interval.high) == (2.5, 2.0, 3.0)
    with pytest.raises(ValueError, match="both kinds"):
        shift([], [1.0])
