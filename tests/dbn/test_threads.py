from __future__ import annotations

import time

import numpy as np
import pytest

from cudadoctor.dbn import threads
from cudadoctor.dbn.blas import BlasThreads
from cudadoctor.dbn.threads import compare, winner


@pytest.fixture(autouse=True)
def _short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_SECONDS_EACH", 0.001)


@pytest.mark.parametrize("best", [1, 2, 4, 8])
def test_the_fastest_number_of_threads_is_a_contender(best: int) -> None:
    found = compare(lambda number: time.sleep(0.0002 if number == best else 0.004), 8, lambda: None)
    assert found.tried == (1, 2, 4, 8)
    assert found.numbers == (best,)
    assert 0.0002 <= found.seconds < 0.004
    assert str(found) == f"{best} thread{'s' if best > 1 else ''}, tried with 1, 2, 4, 8"


def test_numbers_that_are_close_are_all_contenders() -> None:
    found = compare(lambda number: time.sleep(0.001 if number in (2, 4) else 0.02), 6, lambda: None)
    assert found.tried == (1, 2, 4, 6)
    assert found.numbers == (2, 4)
    assert str(found) == "the fastest in each epoch of 2 and 4 threads, tried with 1, 2, 4, 6"


def test_where_threads_run_out_the_smaller_numbers_remain() -> None:
    def run(number: int) -> None:
        if number > 2:
            raise RuntimeError("can't start new thread")

    assert compare(run, 8, lambda: None).tried == (1, 2)


def test_work_that_fails_on_one_thread_fails() -> None:
    def run(number: int) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        compare(run, 8, lambda: None)


def test_more_threads_must_win_clearly() -> None:
    assert winner({1: 1.0, 2: 0.97, 4: 0.9}) == 4
    assert winner({1: 1.0, 2: 0.97}) == 1
    assert winner({2: 1.0, 16: 3.0}) == 2


def test_a_limit_on_blas_threads_holds_and_ends() -> None:
    assert np.ones(2) @ np.ones(2) == 2  # NumPy's BLAS must be loaded, also where this test runs alone
    blas = BlasThreads()
    before = blas.description
    assert "threads" in before
    with blas.limited(1):
        assert BlasThreads().most == 1
    assert blas.description == before
