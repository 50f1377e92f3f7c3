"""What a handful of samples says: median, spread, and an interval for the median that assumes no distribution."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import msgspec


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


def median_interval(samples: Sequence[float], coverage: float = 0.95) -> Interval:
    """Return the narrowest symmetric range of order statistics that holds the true median with that probability.

    Between the k-th smallest and the k-th largest of n independent samples the median lies with probability
    1 - 2 P(Binomial(n, 1/2) < k). Few samples cannot reach 0.95 (three reach 0.75); then it is the whole range, and
    its `coverage` says so.

    Source: David and Nagaraja, Order Statistics, 3rd edition, section 7.1.
    """
    ordered = sorted(samples)
    n = len(ordered)
    best = 1
    for k in range(2, (n + 1) // 2 + 1):
        if _coverage(n, k) >= coverage:
            best = k
    return Interval(ordered[best - 1], ordered[n - best], _coverage(n, best))


def _coverage(n: int, k: int) -> float:
    outside: int = 2 * sum(math.comb(n, i) for i in range(k))
    return float(max(0.0, 1 - outside / 2**n))
