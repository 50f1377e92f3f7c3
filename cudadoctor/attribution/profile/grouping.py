"""Equal rows of columns of whole numbers, in time that grows with their number alone where the numbers are small."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_SMALL = 1 << 22


def grouped(*columns: NDArray[Any]) -> tuple[Ints, Ints, Ints]:
    """Group the rows of equally long columns.

    Returns:
        The place of one row of each group, each row's group, and how many rows the groups have; in the order of the
        values.
    """
    which, many = _one(columns[0].astype(np.int64))
    for column in columns[1:]:
        other, width = _one(column.astype(np.int64))
        which, many = _one(which * max(1, width) + other)
    firsts = np.zeros(many, np.int64)
    firsts[which[::-1]] = np.arange(len(which))[::-1]
    return firsts, which, np.bincount(which, minlength=many).astype(np.int64)


def _one(values: Ints) -> tuple[Ints, int]:
    """Return each value's rank among the different ones, and how many different ones there are."""
    if not len(values):
        return np.zeros(0, np.int64), 0
    low, high = int(values.min()), int(values.max())
    if high - low >= _SMALL:
        different, which = np.unique(values, return_inverse=True)
        return which.astype(np.int64), len(different)
    there = np.zeros(high - low + 1, np.bool_)
    there[values - low] = True
    rank = np.cumsum(there) - 1
    return rank[values - low].astype(np.int64), int(rank[-1]) + 1
