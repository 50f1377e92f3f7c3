from __future__ import annotations

import time

import pytest

from cudadoctor.dbn import blas
from cudadoctor.dbn.blas import BlasThreads, winner


class Pools:
    """Stands for threadpoolctl's controller: a BLAS on eight threads that is fastest on `best`."""

    def __init__(self) -> None:
        self.limit_now: int | None = None

    def select(self, **_: str) -> Pools:
        return self

    def info(self) -> list[dict[str, object]]:
        return [{"internal_api": "openblas", "version": "1", "num_threads": 8}]

    def limit(self, limits: int | None) -> Pools:
        self.wanted = limits
        return self

    def __enter__(self) -> None:
        self.limit_now = self.wanted

    def __exit__(self, *_: object) -> None:
        self.limit_now = None


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> Pools:
    made = Pools()
    monkeypatch.setattr("threadpoolctl.ThreadpoolController", lambda: made)
    monkeypatch.setattr(blas, "_SECONDS_EACH", 0.001)
    return made


@pytest.mark.parametrize("best", [1, 2, 4, 8])
def test_the_fastest_number_of_threads_is_a_contender(pools: Pools, best: int) -> None:
    def step() -> None:
        time.sleep(0.0002 if pools.limit_now == best else 0.004)

    threads = BlasThreads()
    threads.compare(step, lambda: None)
    assert threads.contenders == (best,)
    assert pools.limit_now is None
    assert threads.notes == (f"BLAS: openblas 1, 8 threads, used: {best}, tried with 1, 2, 4, 8",)


def test_numbers_that_are_close_are_all_contenders(pools: Pools) -> None:
    threads = BlasThreads()
    threads.compare(lambda: time.sleep(0.001 if pools.limit_now in (2, 4) else 0.02), lambda: None)
    assert threads.contenders == (2, 4)


def test_more_threads_must_win_clearly() -> None:
    assert winner({1: 1.0, 2: 0.97, 4: 0.9}) == 4
    assert winner({1: 1.0, 2: 0.97}) == 1
    assert winner({2: 1.0, 16: 3.0}) == 2
