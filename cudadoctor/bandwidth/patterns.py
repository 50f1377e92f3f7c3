"""What is copied, and how it is known to have arrived.

A pattern is word i = i K + seed modulo 2^64 with an odd K: every 64-bit word of a buffer is different, so a copy that
arrives shifted, doubled, late or from another sample does not match. It is made and compared in pieces that fit a
cache, so that checking 512 MiB costs one pass over it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

_K = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio, as in Fibonacci hashing
_MODULUS = 2**64
_PIECE = 2**17  # words: 1 MiB
_RAMP: Words = np.arange(_PIECE, dtype=np.uint64) * np.uint64(_K)


def words_at(address: int, size_bytes: int) -> Words:
    """Return memory at an address as 64-bit words; whoever owns the memory must outlive the array."""
    import ctypes

    buffer: Any = (ctypes.c_uint64 * (size_bytes // 8)).from_address(address)
    return np.frombuffer(buffer, dtype=np.uint64)


def fill(target: Words, seed: int) -> None:
    """Write the pattern of a seed."""
    for start in range(0, target.size, _PIECE):
        piece = target[start : start + _PIECE]
        np.add(_RAMP[: piece.size], _offset(start, seed), out=piece)


def first_difference(arrived: Words, seed: int) -> int | None:
    """Return the byte offset of the first word that is not the pattern's, None if all are."""
    scratch = np.empty(_PIECE, dtype=np.uint64)
    for start in range(0, arrived.size, _PIECE):
        piece = arrived[start : start + _PIECE]
        wanted = scratch[: piece.size]
        np.add(_RAMP[: piece.size], _offset(start, seed), out=wanted)
        if not np.array_equal(piece, wanted):
            return 8 * (start + int(np.flatnonzero(piece != wanted)[0]))
    return None


def _offset(start: int, seed: int) -> Any:
    return np.uint64((start * _K + seed) % _MODULUS)
