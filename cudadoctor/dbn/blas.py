"""How many threads BLAS should use: as many as are fastest for this work on this machine at this moment.

Products of 64 x 784 by 784 x 300 lose on many threads what they gain, and on a busy machine a thread is waited for
longer than it saves. The answer changes while one looks: on two cores of a virtual machine, two threads took 0.5 ms a
minibatch, then 1.5 ms for seconds on end while the scheduler kept both on one core, and one thread 0.8 ms all along.
So the numbers that may win are tried anew at the start of every epoch, on minibatches that count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_SECONDS_EACH = 0.03
_STEPS_AT_LEAST = 4
_WIN = 0.95
"""A greater number of threads has to be faster by 5 %: a tie goes to the machine's other users."""
_MAY_WIN = 3.0
_MOST_CONTENDERS = 3


class BlasThreads:
    """The BLAS libraries that are loaded, and a limit on their threads."""

    def __init__(self) -> None:
        """Look for BLAS libraries; NumPy must have been imported."""
        from threadpoolctl import ThreadpoolController

        self._controller: Any = ThreadpoolController().select(user_api="blas")
        self._greatest = max((pool["num_threads"] for pool in self._controller.info()), default=1)
        self._tried: tuple[int, ...] = (self._greatest,)
        self.contenders: tuple[int, ...] = (self._greatest,)
        """Numbers of threads that are worth trying in every epoch, smallest first."""

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each library: its name, its threads, and how many of them are used."""
        used = "the fastest in each epoch of " if len(self.contenders) > 1 else ""
        used += " and ".join(map(str, self.contenders))
        tried = f", tried with {', '.join(map(str, self._tried))}" if len(self._tried) > 1 else ""
        return tuple(
            f"BLAS: {pool['internal_api']} {pool['version'] or '(version unknown)'}, {pool['num_threads']} threads, "
            f"used: {used}{tried}"
            for pool in self._controller.info()
        )

    def compare(self, step: Callable[[], object], tick: Callable[[], None]) -> None:
        """Time a step on 1, 2, 4, ... threads, and keep as contenders what may be fastest later."""
        numbers = [2**power for power in range(self._greatest.bit_length()) if 2**power < self._greatest]
        self._tried = (*numbers, self._greatest)
        seconds: dict[int, float] = {}
        for number in self._tried:
            with self.limited(number):
                seconds[number] = _fastest(step)
            tick()
        limit_s = _MAY_WIN * min(seconds.values())
        best_first = sorted((s, number) for number, s in seconds.items() if s <= limit_s)
        self.contenders = tuple(sorted(number for _, number in best_first[:_MOST_CONTENDERS]))

    @contextmanager
    def limited(self, number: int) -> Iterator[None]:
        """Hold a limit on the threads for the body of a `with`."""
        with self._controller.limit(limits=number):
            yield


def winner(seconds: dict[int, float]) -> int:
    """Return the number of threads to use, given the seconds of a step with each, smallest number first."""
    best = next(iter(seconds))
    for number, duration in seconds.items():
        if duration < _WIN * seconds[best]:
            best = number
    return best


def _fastest(step: Callable[[], object]) -> float:
    """Return the seconds of the fastest run among those of about 30 ms, the first of which only wakes the threads.

    The fastest, because other programs only ever add time.
    """
    step()
    times: list[float] = []
    while len(times) < _STEPS_AT_LEAST or (sum(times) < _SECONDS_EACH and len(times) < 200):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return min(times)
