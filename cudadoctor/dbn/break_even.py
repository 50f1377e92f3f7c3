"""The child's side of the break-even: both lanes at any minibatch or width, made as cheaply as a fair sample allows.

Kernels are compiled already, training sets are listed already, and first weights are one block of random numbers over
and over. On how many threads the CPU is best, and in which way, is tried at the middle of the sizes and holds for all
of them: they are no more than three times apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.contenders import make
from cudadoctor.dbn.cpu import Choice, TrainerName, trainer_of, why_not_fast
from cudadoctor.dbn.crossing import Range, Search, Steps
from cudadoctor.dbn.network import Layer, Network
from cudadoctor.dbn.quiet import wait_until_quiet
from cudadoctor.dbn.reference import zero_velocities
from cudadoctor.dbn.sparse import why_not
from cudadoctor.dbn.threads import numbers_of_threads

if TYPE_CHECKING:
    from cudadoctor.dbn.digits import Digits

CPU_LANE, GPU_LANE = "cpu-fast", "gpu-copied"

Variable = Literal["batch_size", "hidden_units"]

_MOST_ROWS, _MOST_UNITS = 16_384, 20_000
_CPU_SAMPLE_S, _GPU_SAMPLE_S = 0.005, 0.0015
"""A call of the CPU's trainer wakes threads, which must be small beside what they do."""

_MOST_OF_A_SAMPLE = 64
_TRIALS = 4
_BETTER = 0.95
_NEAR = 1.7
"""Sizes that are no farther apart share what was chosen at one of them."""
_BLOCK = 64
"""Units whose random first weights are repeated."""

_LEARN_RATE = 1e-3  # wide networks would diverge at the race's, and what is no number takes another time

Tick = Callable[[], None]


def searches(
    network: Network, digits: Digits, index: int, choice: Choice | None, tick: Tick
) -> Iterator[tuple[Variable, Steps]]:
    """Yield a search for each size that may be varied; none of a network that the CPU's lane cannot train.

    Args:
        network: The race's.
        digits: The training set is used.
        index: CUDA device.
        choice: How the CPU trained fastest in the race, if it did.
        tick: Called after each minibatch.
    """
    if why_not_fast(network) is not None:
        return
    samples = len(digits.training_pixels)
    sizes: dict[Variable, Range] = {"batch_size": Range(network.batch_size, 1, min(samples, _MOST_ROWS))}
    if len(network.layers) == 3:
        sizes["hidden_units"] = Range(network.layers[1], 1, _MOST_UNITS)
    for variable, range_ in sizes.items():
        yield variable, Search(variable, SizedLanes(variable, network, digits, index, choice, tick), range_).steps()


class SizedLanes:
    """The lanes of `crossing.Search`."""

    cpu, gpu = CPU_LANE, GPU_LANE

    def __init__(
        self, variable: Variable, network: Network, digits: Digits, index: int, choice: Choice | None, tick: Tick
    ) -> None:
        """Take what `searches` was given."""
        self._variable, self._network, self._digits, self._index = variable, network, digits, index
        self._tick = tick
        self._kind: TrainerName = "sparse" if why_not(network) is None else "dense"
        self._threads, self._chosen_at = 0, 0
        if choice is not None:
            self._kind, self._threads = choice.trainer, choice.threads

    def open(self, size: int) -> tuple[_Sampled, _Sampled]:
        """Return both lanes at a size."""
        network = self._sized(size)
        layers = repeated_weights(network)
        rows = self._rows(network)
        gpu: Any = make(GPU_LANE, network, layers, self._digits, self._index)
        gpu.prepare(self._tick)
        trainer = self._trainer(self._kind, network, layers)
        threads = min(self._threads or trainer.most_threads, trainer.most_threads)
        return (
            _Sampled(lambda some: trainer.train(some, _LEARN_RATE, threads, self._tick), rows, _CPU_SAMPLE_S),
            _Sampled(lambda some: gpu.train_epoch(some, _LEARN_RATE, self._tick), rows, _GPU_SAMPLE_S),
        )

    def choose(self, size: int) -> None:
        """Try ways and numbers of threads at a size, and keep the one with the fastest run."""
        if self._chosen_at and 1 / _NEAR < size / self._chosen_at < _NEAR:
            return
        self._chosen_at = size
        network = self._sized(size)
        layers, rows = repeated_weights(network), self._rows(network)[:1]
        best: tuple[float, TrainerName, int] | None = None
        kinds: tuple[TrainerName, ...] = ("sparse", "dense") if why_not(network) is None else ("dense",)
        for kind in kinds:
            trainer = self._trainer(kind, network, layers)
            numbers = [n for n in numbers_of_threads(trainer.most_threads) if 4 * n >= trainer.most_threads]
            seconds = dict.fromkeys(numbers, float("inf"))
            for number in numbers:  # each may want its weights in another order, so no turns are taken
                for _ in range(_TRIALS):
                    started = time.perf_counter()
                    trainer.train(rows, _LEARN_RATE, number, self._tick)
                    seconds[number] = min(seconds[number], time.perf_counter() - started)
            number = min(numbers, key=lambda number: seconds[number])
            if best is None or seconds[number] < _BETTER * best[0]:
                best = seconds[number], kind, number
            self.calm()
        if best is not None:
            _, self._kind, self._threads = best

    def calm(self) -> None:
        """Wait until threads of BLAS sleep: they go on turning for a while after a product."""
        wait_until_quiet()

    def _trainer(self, kind: TrainerName, network: Network, layers: list[Layer]) -> Any:
        digits = self._digits
        first = layers, zero_velocities(layers)
        return trainer_of(kind, network, *first, digits.training_pixels, digits.training_labels)

    def _sized(self, value: int) -> Network:
        network = self._network
        if self._variable == "batch_size":
            return msgspec.structs.replace(network, batch_size=value)
        return msgspec.structs.replace(network, layers=(network.layers[0], value, network.layers[-1]))

    def _rows(self, network: Network) -> NDArray[np.uint32]:
        samples = len(self._digits.training_pixels)
        count = min(_MOST_OF_A_SAMPLE, network.minibatches_per_epoch(samples))
        return np.random.default_rng(0).integers(0, samples, (count, network.batch_size), dtype=np.uint32)


class _Sampled:
    """A lane at a size, run for about as long as a sample should take."""

    def __init__(self, train: Callable[[NDArray[np.uint32]], object], rows: NDArray[np.uint32], seconds: float) -> None:
        """Run a minibatch twice: the first makes what is made once."""
        self._train, self._rows = train, rows[:1]
        self.sample()
        count = round(seconds / (self.sample() * 1e-6))
        self._rows = rows[: max(1, min(count, len(rows)))]

    def sample(self) -> float:
        """Return microseconds a minibatch."""
        started = time.perf_counter()
        self._train(self._rows)
        return (time.perf_counter() - started) / len(self._rows) * 1e6


def repeated_weights(network: Network) -> list[Layer]:
    """Return first weights of which a block is random and the rest repeats it: how long a step takes is the same."""
    generator = np.random.default_rng(0)
    found = []
    for n, m in zip(network.layers, network.layers[1:], strict=False):
        block = network.weight_scale * generator.standard_normal((min(n, 1024), min(m, _BLOCK)), dtype=np.float32)
        repeats = (-(-n // block.shape[0]), -(-m // block.shape[1]))
        weights = np.tile(block.astype(np.float32), repeats)[:n, :m]
        found.append(Layer(np.ascontiguousarray(weights), np.zeros(m, np.float32)))
    return found
