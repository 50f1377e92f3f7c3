"""Sums that carry their own count: how blocks add up the outputs and wait for each other in one.

A sum is a 64-bit integer in device memory. A block adds its part of an output, in units of 2^-26, and 1 to the count in
the highest 8 bits. A reader waits until the sum counts all blocks, and then has both the news that all are done and the
value: no barrier, no fence and no second trip. Integers give the same sum in any order, so training is repeatable
to the last bit. Sums are never reset. Two of them take turns; a reader remembers what it saw and takes the difference.

A part that is not below 4096, or not a number, is sent as a mark that no other parts can hide; the output is then not a
number. Rounding a part costs at most 2^-27, which is less than single precision loses on an output above 0.25.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cudadoctor.gpu.numba_cuda import gpu_function
from cudadoctor.gpu.ptx import round_to_long

_UNITS = np.float32(2.0**26)
_VALUE = np.float32(2.0**-26)
_LARGEST_PART = np.float32(4096)
_MARK = np.int64(2**21 << 26)  # 255 parts of 4096 are less than half of it, and 255 marks are less than 2^55
_NO_NUMBER_FROM = np.int64(2**20 << 26)
_ONE_BLOCK = np.int64(1 << 56)
_HALF_RANGE = np.int64(1 << 55)
_COUNT_SHIFT = np.int64(56)
NO_NEWS = np.int64(1 << 54)
"""What is taken for the news of a sum that never was complete: not a number."""

_NAN = np.float32(np.nan)


@gpu_function
def part(value: Any) -> Any:
    """Return what a block adds to a sum for its part of an output."""
    if abs(value) < _LARGEST_PART:
        return _ONE_BLOCK + round_to_long(value * _UNITS)
    return _ONE_BLOCK + _MARK


@gpu_function
def news(now: Any, seen: Any, blocks: Any) -> Any:
    """Return what was added since a sum was `seen`, less the count of all blocks."""
    return now - seen - (np.int64(blocks) << _COUNT_SHIFT)


@gpu_function
def complete(added: Any) -> Any:
    """Return whether all blocks have added."""
    return ((added + _HALF_RANGE) >> _COUNT_SHIFT) == np.int64(0)


@gpu_function
def value(added: Any) -> Any:
    """Return the output."""
    if -_NO_NUMBER_FROM < added < _NO_NUMBER_FROM:
        return np.float32(added) * _VALUE
    return _NAN
