"""A pattern over a bounded part of the free memory, and its complement, so that every bit is 0 once and 1 once.

Each word depends on its own address, so that an address line that is stuck shows as well as a bit that is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cudadoctor.gpu.numba_cuda import cuda, gpu_kernel

_BLOCK = 256
_GRID = 1024
_WORD_BYTES = 4
_MULTIPLIER = 2654435761  # odd: neighbours differ in many bits, and no two words of 16 GiB are equal
_LOW = 0xFFFFFFFF

MOST_BYTES = 2**30
"""Never more than this, whatever is free."""

_LEAST_BYTES = 2**20

SHARE_OF_FREE = 8
"""One part in this many of the free memory: others may be about to use it."""


@gpu_kernel
def write(words: Any, flip: Any) -> None:
    """Write the pattern, xor flip, into words, uint32 (n,)."""
    for i in range(cuda.grid(1), words.size, cuda.gridsize(1)):
        words[i] = np.uint32(((i * _MULTIPLIER) & _LOW) ^ flip)


@gpu_kernel
def compare(words: Any, flip: Any, wrong: Any) -> None:
    """Count into wrong, int64 (2,), the words that differ from the pattern, and keep the lowest index of one."""
    for i in range(cuda.grid(1), words.size, cuda.gridsize(1)):
        if words[i] != np.uint32(((i * _MULTIPLIER) & _LOW) ^ flip):
            cuda.atomic.add(wrong, 0, 1)
            cuda.atomic.min(wrong, 1, i)


def compile() -> None:
    """Compile for the current device, or load from numba's cache."""
    from numba import int64, uint32, void

    write.compile(void(uint32[::1], int64).args)
    compare.compile(void(uint32[::1], int64, int64[::1]).args)


def bounded(free_bytes: int) -> int:
    """Return how many bytes to try: a share of the free memory, whole words, at most `MOST_BYTES`."""
    return min(MOST_BYTES, free_bytes // SHARE_OF_FREE) // _WORD_BYTES * _WORD_BYTES


def _allocate(size_bytes: int) -> Any:
    """Return that many bytes as words, or less, where the free memory is in pieces or others have taken it."""
    try:
        return cuda.device_array(size_bytes // _WORD_BYTES, dtype=np.uint32)
    except Exception:
        if size_bytes < _LEAST_BYTES:
            raise
    return _allocate(size_bytes // 2)


def run(free_bytes: int | None = None) -> str:
    """Write and compare the pattern and its complement.

    Args:
        free_bytes: Free device memory; asked of the driver by default.

    Raises:
        ArithmeticError: A word differs.
    """
    free = cuda.current_context().get_memory_info()[0] if free_bytes is None else free_bytes
    words = _allocate(bounded(free))
    size = words.size * _WORD_BYTES
    for flip in (0, _LOW):
        write[_GRID, _BLOCK](words, np.int64(flip))
        wrong = cuda.to_device(np.array([0, words.size], dtype=np.int64))
        compare[_GRID, _BLOCK](words, np.int64(flip), wrong)
        count, first = (int(number) for number in wrong.copy_to_host())
        if count:
            raise ArithmeticError(
                f"{count} of {words.size} words of device memory did not hold a pattern, the first at byte "
                f"{first * _WORD_BYTES} of {size}"
            )
    return f"{size / 2**20:.0f} MiB of {free / 2**20:.0f} MiB free held a pattern and its complement"
