"""The kernels of `check`: right on awkward sizes, and a result that is wrong is told with the place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cudadoctor.gpu.checks import axpy, matmul, memory, reduction
from cudadoctor.gpu.numba_cuda import cuda


@pytest.mark.parametrize("elements", [1, 7, 8, 9, 61])
def test_every_element_of_a_x_plus_y_is_right(elements: int) -> None:
    assert axpy.run(elements) == f"{elements} elements of a x + y were right"


@pytest.mark.parametrize("elements", [1, 7, 16, 131])
def test_the_sum_of_whole_numbers_is_exact(elements: int) -> None:
    assert "exactly" in reduction.run(elements)


@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (3, 3, 3), (2, 7, 4), (5, 1, 2)])
def test_the_product_is_within_its_bound_for_sizes_that_fill_no_tile(m: int, k: int, n: int) -> None:
    assert matmul.run(m, k, n).startswith(f"{m} x {k} by {k} x {n} agrees with float64")


def test_memory_holds_a_pattern_and_gives_back_what_it_took() -> None:
    assert memory.run(8 * 4 * 33) == "0 MiB of 0 MiB free held a pattern and its complement"


def test_a_wrong_sum_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    right = np.random.default_rng(784).integers(-(2**31), 2**31, 9, dtype=np.int32)
    wrong = right.copy()
    wrong[4] += 1
    send = cuda.to_device
    monkeypatch.setattr(reduction.cuda, "to_device", lambda x: send(wrong if x.size == 9 else x))
    with pytest.raises(ArithmeticError, match="the sum of 9 whole numbers is"):
        reduction.run(9)


def test_a_product_that_is_off_by_more_than_rounding_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    send = cuda.to_device

    def shifted(x: Any) -> Any:
        return send(x * np.float32(1 + 2**-12) if x.shape == (4, 5) else x)

    monkeypatch.setattr(matmul.cuda, "to_device", shifted)
    with pytest.raises(ArithmeticError, match=r"elements of a 4 x 5 by 5 x 3 product are wrong; element \(\d, \d\)"):
        matmul.run(4, 5, 3)


def test_a_bit_that_is_stuck_is_told_with_its_place() -> None:
    words = cuda.device_array(40, dtype=np.uint32)
    for flip in (0, 0xFFFFFFFF):
        memory.write[memory._GRID, memory._BLOCK](words, np.int64(flip))
        held = words.copy_to_host()
        held[[23, 31]] ^= 1 << 30
        wrong = cuda.to_device(np.array([0, 40], dtype=np.int64))
        memory.compare[memory._GRID, memory._BLOCK](cuda.to_device(held), np.int64(flip), wrong)
        assert wrong.copy_to_host().tolist() == [2, 23]
        assert len(set(held.tolist())) == 40


def test_no_more_than_a_share_of_what_is_free_is_tried() -> None:
    assert memory.bounded(80 * 2**30) == 2**30
    assert memory.bounded(2**20 + 3) == 2**17
