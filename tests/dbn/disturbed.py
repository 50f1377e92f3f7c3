"""Lanes whose times are known, on a machine that disturbs them in bursts, with a clock of its own."""

from __future__ import annotations

import random
from collections.abc import Callable


class Machine:
    """Its clock runs as far as the lanes take; bursts slow them, each lane by a factor of its own.

    Args:
        seed: Of the bursts.
        bursts: Which part of the time is disturbed.
        worst: The greatest factor, drawn anew for each burst.
        length_s: Mean length of a burst.
    """

    def __init__(self, seed: int, bursts: float = 0.5, worst: float = 2.5, length_s: float = 0.08) -> None:
        self.now = 0.0
        self._chance = random.Random(seed)
        self._bursts, self._worst, self._length_s = bursts, worst, length_s
        self._until, self._factors = 0.0, (1.0, 1.0)

    def take(self, microseconds: float, lane: int, count: int) -> float:
        """Spend the time of some minibatches; return microseconds a minibatch."""
        started = self.now
        for _ in range(count):
            while self.now >= self._until:
                self._next()
            jitter = 1 + self._chance.expovariate(1 / 0.05)
            self.now += microseconds * 1e-6 * self._factors[lane] * jitter
        return (self.now - started) / count * 1e6

    def _next(self) -> None:
        calm = self._factors != (1.0, 1.0) or self._bursts == 0
        share = 1 - self._bursts if calm else self._bursts
        self._until = max(self.now, self._until) + self._chance.expovariate(1 / (2 * self._length_s * share + 1e-6))
        burst = (self._chance.uniform(1.2, self._worst), self._chance.uniform(1.2, self._worst))
        self._factors = (1.0, 1.0) if calm else burst


class Timed:
    """A lane at a size."""

    def __init__(self, machine: Machine, lane: int, microseconds: float, sample_s: float) -> None:
        self._machine, self._lane, self._us = machine, lane, microseconds
        self._count = max(1, round(sample_s / microseconds * 1e6))

    def sample(self) -> float:
        return self._machine.take(self._us, self._lane, self._count)


class Lanes:
    """Two lanes, each a function of the size."""

    cpu, gpu = "cpu-fast", "gpu-copied"

    def __init__(self, machine: Machine, cpu: Callable[[float], float], gpu: Callable[[float], float]) -> None:
        self._machine, self._times = machine, (cpu, gpu)
        self.opened: list[int] = []

    def open(self, size: int) -> tuple[Timed, Timed]:
        self.opened.append(size)
        cpu, gpu = (
            Timed(self._machine, lane, time(size), (0.005, 0.0015)[lane]) for lane, time in enumerate(self._times)
        )
        return cpu, gpu

    def choose(self, size: int) -> None:
        pass

    def calm(self) -> None:
        self._machine.now += 0.001
