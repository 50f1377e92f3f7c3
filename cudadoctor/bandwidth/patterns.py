"""What is copied, and how it is known to have arrived.

A pattern is word i = i K + seed modulo 2^64 with an odd K: every 64-bit word of a buffer is different, so a copy that
arrives shifted, doubled, late or from another sample does not match. It is made and compared in pieces that fit a
cache, so that checking 512 MiB costs one pass over it, and large buffers by a few threads, each with a part of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
_T = TypeVar("_T")

_K = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio, as in Fibonacci hashing
_MODULUS = 2**64
_PIECE = 2**17  # words: 1 MiB
_MOST_THREADS = 4  # more than that are slower to come than the memory that they share
_LEAST_PER_THREAD = 8 * _PIECE
_RAMP: Words = np.arange(_PIECE, dtype=np.uint64) * np.uint64(_K)


def words_at(address: int, size_bytes: int) -> Words:
    """Return memory at an address as 64-bit words; whoever owns the memory must outlive the array."""
    import ctypes

    buffer: Any = (ctypes.c_uint64 * (size_bytes // 8)).from_address(address)
    return np.frombuffer(buffer, dtype=np.uint64)


def fill(target: Words, seed: int) -> None:
    """Write the pattern of a seed."""

    def part(first: int, last: int) -> None:
        for start in range(first, last, _PIECE):
            piece = target[start : min(last, start + _PIECE)]
            np.add(_RAMP[: piece.size], _offset(start, seed), out=piece)

    _in_parts(part, target.size)


def first_difference(arrived: Words, seed: int) -> int | None:
    """Return the byte offset of the first word that is not the pattern's, None if all are."""

    def part(first: int, last: int) -> int | None:
        scratch = np.empty(_PIECE, dtype=np.uint64)
        for start in range(first, last, _PIECE):
            piece = arrived[start : min(last, start + _PIECE)]
            wanted = scratch[: piece.size]
            np.add(_RAMP[: piece.size], _offset(start, seed), out=wanted)
            if not np.array_equal(piece, wanted):
                return 8 * (start + int(np.flatnonzero(piece != wanted)[0]))
        return None

    return next((offset for offset in _in_parts(part, arrived.size) if offset is not None), None)


def _in_parts(work: Callable[[int, int], _T], size: int) -> list[_T]:
    """Call `work` with the first word and the end of each part, in threads where that pays; the results in order."""
    threads = min(_MOST_THREADS, _cpus(), size // _LEAST_PER_THREAD)
    if threads < 2:
        return [work(0, size)]
    pieces = -(-size // _PIECE)
    bounds = [min(size, pieces * number // threads * _PIECE) for number in range(threads + 1)]
    # Threads of this call alone: they run where this thread may run at this moment.
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, bounds[:-1], bounds[1:]))


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _offset(start: int, seed: int) -> Any:
    return np.uint64((start * _K + seed) % _MODULUS)
