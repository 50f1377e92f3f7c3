from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cudadoctor.bandwidth import patterns

PIECE = 2**17
# The last two are large enough for several threads.
SIZES = [1, 7, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5, 16 * PIECE, 37 * PIECE + 11]


@pytest.mark.parametrize("size", SIZES)
def test_a_pattern_matches_itself_and_word_i_is_i_k_plus_seed(size: int) -> None:
    words = np.zeros(size, dtype=np.uint64)
    patterns.fill(words, 42)
    assert patterns.first_difference(words, 42) is None
    last = size - 1
    assert int(words[last]) == (last * 0x9E3779B97F4A7C15 + 42) % 2**64


@pytest.mark.parametrize("size", SIZES)
def test_one_flipped_bit_is_found_where_it_is(size: int) -> None:
    words = np.zeros(size, dtype=np.uint64)
    patterns.fill(words, 1)
    for index in {0, size // 2, size - 1}:
        words[index] ^= np.uint64(1 << 63)
        assert patterns.first_difference(words, 1) == 8 * index
        words[index] ^= np.uint64(1 << 63)


@pytest.mark.parametrize("cpus", [1, 2, 3, 64])
def test_threads_write_and_find_what_one_would(monkeypatch: pytest.MonkeyPatch, cpus: int) -> None:
    one = np.zeros(37 * PIECE + 11, dtype=np.uint64)
    monkeypatch.setattr(patterns, "_cpus", lambda: 1)
    patterns.fill(one, 9)
    several = np.zeros_like(one)
    monkeypatch.setattr(patterns, "_cpus", lambda: cpus)
    patterns.fill(several, 9)
    assert bool((one == several).all())
    # Of several differences the first counts, whichever thread meets its own first.
    several[[20 * PIECE + 3, 30 * PIECE]] ^= np.uint64(1)
    assert patterns.first_difference(several, 9) == 8 * (20 * PIECE + 3)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_two_seeds_differ_in_every_word(one: int, other: int) -> None:
    first, second = np.zeros(64, dtype=np.uint64), np.zeros(64, dtype=np.uint64)
    patterns.fill(first, one)
    patterns.fill(second, other)
    assert bool((first == second).any()) == (one == other)


def test_a_shifted_copy_does_not_match() -> None:
    words = np.zeros(4 * PIECE, dtype=np.uint64)
    patterns.fill(words, 5)
    assert patterns.first_difference(np.roll(words, PIECE), 5) == 0


def test_words_at_an_address_are_the_memory_itself() -> None:
    memory = (ctypes.c_uint64 * 4)(1, 2, 3, 4)
    words = patterns.words_at(ctypes.addressof(memory), 32)
    words[2] = 99
    assert memory[2] == 99
