"""What a handful of samples says: median, spread, and intervals for the median that assume no distribution.

The bootstrap draws from a generator with a fixed seed, so equal samples give equal intervals.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence

import msgspec

_ROUNDS = 2000
"""Resamples of a bootstrap: the ends of a 95 % interval then lie within a tenth of their own distance."""


class Interval(msgspec.Struct, frozen=True):
    """A range for the median; `coverage` is the probability that it holds the true one."""

    low: float
    high: float
    coverage: float


def median(samples: Sequence[float]) -> float:
    """Return the median of at least one sample."""
    return statistics.median(samples)


def spread(samples: Sequence[float]) -> float:
    """Return (largest - smallest) / median: 0 for a steady measurement, 0.1 where samples differ by a tenth."""
    return (max(samples) - min(samples)) / median(samples)


def median_deviation(samples: Sequence[float]) -> float:
    """Return the median absolute deviation: the median of the distances of the samples from their median."""
    middle = median(samples)
    return statistics.median(abs(sample - middle) for sample in samples)


def robust_z(value: float, middle: float, deviation: float) -> float:
    """Return 0.6745 (value - median) / MAD, which for normal samples is their distance in standard deviations.

    One that is far off moves neither the median nor the MAD, as it would move a mean and a standard deviation. Beyond
    3.5 on either side is taken for an outlier.

    Source: Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993), section 3.3.
    """
    return 0.6745 * (value - middle) / deviation


def bootstrap_median(
    samples: Sequence[float], coverage: float = 0.95, *, rounds: int = _ROUNDS, seed: int = 0
) -> Interval:
    """Return the percentile bootstrap interval of the median of at least one sample.

    Its `coverage` is not the nominal one, which few samples do not reach, but what the order statistics inside it
    hold: three samples give 0.75, whatever was asked for. Between the k-th smallest and the k-th largest of n
    independent samples the median lies with probability 1 - 2 P(Binomial(n, 1/2) < k).

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13; David and Nagaraja, Order Statistics,
    3rd edition, section 7.1.
    """
    ordered = sorted(samples)
    n = len(ordered)
    chance = random.Random(seed)
    medians = sorted(statistics.median(chance.choices(ordered, k=n)) for _ in range(rounds))
    off = round((1 - coverage) / 2 * rounds)
    low, high = medians[min(off, rounds - 1)], medians[max(rounds - 1 - off, 0)]
    below = sum(value < low for value in ordered)
    above = sum(value > high for value in ordered)
    return Interval(low, high, min(coverage, max(0.0, 1 - _tail(n, below + 1) - _tail(n, above + 1))))


def ordered_interval(samples: Sequence[float], coverage: float = 0.95) -> Interval:
    """Return the narrowest interval from the k-th smallest to the k-th largest sample that has the coverage.

    For many samples, of which it needs no resamples; its `coverage` is exact. With fewer than six samples the whole
    range has less than 0.95, and is returned with what it has.

    Source: David and Nagaraja, Order Statistics, 3rd edition, section 7.1.
    """
    ordered = sorted(samples)
    n, k = len(ordered), 1
    outside = 2 / 2**n
    while k < n // 2 and (wider := outside + 2 * math.comb(n, k) / 2**n) <= 1 - coverage:
        outside, k = wider, k + 1
    return Interval(ordered[k - 1], ordered[n - k], max(0.0, 1 - outside))


def paired_difference(
    before: Sequence[float], after: Sequence[float], coverage: float = 0.95, *, seed: int = 0
) -> Interval:
    """Return the bootstrap interval of the median of `after - before`, sample by sample.

    Args:
        before: One sample a round; rounds interleave what is compared, so that a drift moves both alike.
        after: As many, of the same rounds.
        coverage: As for `bootstrap_median`.
        seed: As for `bootstrap_median`.

    Raises:
        ValueError: The two have no samples, or not equally many.
    """
    if not before or len(before) != len(after):
        raise ValueError(f"pairs need equally many samples, and at least one; not {len(before)} and {len(after)}")
    return bootstrap_median([b - a for a, b in zip(before, after, strict=True)], coverage, seed=seed)


def shift(without: Sequence[float], with_: Sequence[float]) -> tuple[float, Interval]:
    """Return by how much samples of one kind are larger than those of another, and the interval of that (0.95).

    The shift is the median of all differences between the two kinds; the interval is that of the rank-sum test, and
    needs no assumption about how the samples are distributed. Few of them give the range of all differences.

    Source: Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 3rd edition, sections 4.2 and 4.3.

    Raises:
        ValueError: There are no samples of one kind.
    """
    n, m = len(without), len(with_)
    if not n or not m:
        raise ValueError("a shift needs samples of both kinds")
    differences = sorted(b - a for a in without for b in with_)
    rank = math.floor(n * m / 2 - 1.96 * math.sqrt(n * m * (n + m + 1) / 12))
    rank = min(max(rank, 1), (n * m + 1) // 2)
    return statistics.median(differences), Interval(differences[rank - 1], differences[n * m - rank], 0.95)


def has_effect(difference: Interval) -> bool:
    """Say whether the interval of a difference leaves out zero; where it does not, no effect was measured."""
    return difference.low > 0 or difference.high < 0


def _tail(n: int, k: int) -> float:
    """Return P(Binomial(n, 1/2) < k): how likely the median lies below the k-th smallest."""
    ways: int = sum(math.comb(n, i) for i in range(min(k, n + 1)))
    return ways / float(2**n)
