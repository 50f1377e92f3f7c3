"""How many threads to use: as many as are fastest for this work on this machine at this moment.

Products of 64 x 784 by 784 x 300 lose on many threads what they gain, and on a busy machine a thread is waited for
longer than it saves. The answer changes while one looks: on two cores of a virtual machine, two threads took 0.5 ms a
minibatch, then 1.5 ms for seconds on end while the scheduler kept both on one core, and one thread 0.8 ms all along.
So the numbers that may win are tried anew at the start of every epoch, on minibatches that count.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import NamedTuple

_SECONDS_EACH = 0.03
_RUNS_AT_LEAST = 4
_WIN = 0.95
"""A greater number of threads has to be faster by 5 %: a tie goes to the machine's other users."""
_MAY_WIN = 3.0
_MOST_CONTENDERS = 3


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Contenders(NamedTuple):
    """Numbers of threads that were tried, those worth trying in every epoch, smallest first, and the best of all."""

    tried: tuple[int, ...]
    numbers: tuple[int, ...]
    seconds: float
    best: int

    def __str__(self) -> str:
        """Say which are used."""
        used = " and ".join(map(str, self.numbers)) + " threads" if self.numbers != (1,) else "1 thread"
        used = f"the fastest in each epoch of {used}" if len(self.numbers) > 1 else used
        return f"{used}, tried with {', '.join(map(str, self.tried))}" if len(self.tried) > 1 else used


def compare(run: Callable[[int], object], most: int, tick: Callable[[], None]) -> Contenders:
    """Time a run on 1, 2, 4, ... threads up to `most`, and keep as contenders what may be fastest later.

    Args:
        run: Does some work on a number of threads. It may raise RuntimeError where there are not so many.
        most: The greatest number to try.
        tick: Called after each number.
    """
    seconds: dict[int, float] = {}
    for number in numbers_of_threads(most):
        try:
            seconds[number] = _fastest(run, number)
        except RuntimeError:
            if not seconds:
                raise
            break  # where there are not so many threads, there are not more
        tick()
    limit_s = _MAY_WIN * min(seconds.values())
    best_first = sorted((s, number) for number, s in seconds.items() if s <= limit_s)
    numbers = tuple(sorted(number for _, number in best_first[:_MOST_CONTENDERS]))
    return Contenders(tuple(seconds), numbers, *best_first[0])


def numbers_of_threads(most: int) -> tuple[int, ...]:
    """Return 1, 2, 4, ... and the greatest number."""
    return (*(2**power for power in range(most.bit_length()) if 2**power < most), most)


def winner(seconds: dict[int, float]) -> int:
    """Return the number of threads to use, given the seconds of the same work with each, smallest number first."""
    best = next(iter(seconds))
    for number, duration in seconds.items():
        if duration < _WIN * seconds[best]:
            best = number
    return best


def _fastest(run: Callable[[int], object], number: int) -> float:
    """Return the seconds of the fastest run of four, or of more in 30 ms or fewer in 120; one before wakes the threads.

    The fastest, because other programs only ever add time.
    """
    run(number)
    times: list[float] = []
    while sum(times) < _SECONDS_EACH * (1 if len(times) >= _RUNS_AT_LEAST else _RUNS_AT_LEAST) and len(times) < 200:
        started = time.perf_counter()
        run(number)
        times.append(time.perf_counter() - started)
    return min(times)
