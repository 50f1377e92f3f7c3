"""The lane `cpu-fast`: an honest CPU contender, float32.

There are two ways to train: dense, in BLAS, and sparse, which skips pixels of 0 and is the faster one on handwritten
digits. Both are timed on this machine and these data before the first epoch, on several numbers of threads, and the
faster one trains.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.dense import DenseTrainer
from cudadoctor.dbn.network import Layer, Network
from cudadoctor.dbn.reference import zero_velocities
from cudadoctor.dbn.sparse import SparseTrainer, why_not
from cudadoctor.dbn.threads import Contenders, compare, winner
from cudadoctor.tables import cpu_names
from cudadoctor.units import format_percent

_SPARSE_BELOW = 0.5
"""Share of pixels that are not 0, above which the sparse way is not even tried: a product that is listed costs about
twice one in BLAS."""

_RUN, _RUN_SAMPLES = 8, 4096
"""Minibatches of a timed run before the first epoch, when nothing is learned yet."""

_TRIAL = 16
"""Minibatches of each epoch on which each number of threads that may win is timed."""


class Trainer(Protocol):
    """A way to train. `remark` goes on from the share of pixels that are not 0."""

    name: str
    remark: str
    most_threads: int

    def arrange(self, threads: int) -> None:
        """Prepare for a number of threads."""

    def train(
        self, rows: NDArray[np.uint32], learn_rate: float, threads: int, tick: Callable[[], None]
    ) -> tuple[float, int]:
        """Train on minibatches (minibatches, m); return cross-entropy and mistakes, summed."""

    def state(self) -> tuple[list[Layer], list[Layer]]:
        """Return look-ahead weights and velocities."""


TrainerName = Literal["dense", "sparse"]


class Choice(NamedTuple):
    """A way to train and a number of threads: what was fastest."""

    trainer: TrainerName
    threads: int


def trainer_of(
    name: TrainerName,
    network: Network,
    ahead: Sequence[Layer],
    velocity: Sequence[Layer],
    pixels: NDArray[np.uint8],
    labels: NDArray[np.uint8],
) -> Trainer:
    """Make a trainer from look-ahead weights and velocities, which are copied, and a training set, which is not."""
    maker = SparseTrainer if name == "sparse" else DenseTrainer
    return maker(network, ahead, velocity, pixels, labels)


def why_not_fast(network: Network) -> str | None:
    """Return why this lane cannot train a network, as a phrase that completes "because ...", or None if it can."""
    return None if network.hidden == "relu" else "its compiled kernels are written for rectified hidden units"


class CpuFast:
    """A contender on the host. `notes` say how it trains, and on how many threads."""

    name = "cpu-fast"
    device = "cpu"

    def __init__(
        self, network: Network, layers: Sequence[Layer], pixels: NDArray[np.uint8], labels: NDArray[np.uint8]
    ) -> None:
        """Take first weights, which are copied, and the training set, which is not.

        Raises:
            ValueError: `why_not_fast` has a reason.
        """
        reason = why_not_fast(network)
        if reason is not None:
            raise ValueError(f"cpu-fast cannot train this network, because {reason}")
        self._network, self._layers = network, list(layers)
        self._pixels, self._labels = pixels, labels
        self._run = max(1, min(_RUN, _RUN_SAMPLES // network.batch_size))
        self.device_name = cpu_name()
        self.notes: tuple[str, ...] = ()
        self._wins: Counter[int] = Counter()

    def prepare(self, tick: Callable[[], None]) -> float:
        """Compile or load the kernels, choose how to train and on how many threads; return the seconds that took."""
        started = time.perf_counter()
        tick()
        tried = list[tuple[TrainerName, Trainer, Contenders]]()
        dense = self._trainer_of("dense")
        tried.append(("dense", dense, self._compare(dense, tick)))
        share = float(np.count_nonzero(self._pixels) / max(1, self._pixels.size))
        reason = why_not(self._network) or ("most pixels are not 0" if share > _SPARSE_BELOW else None)
        if reason is None:
            sparse = self._trainer_of("sparse")
            tried.append(("sparse", sparse, self._compare(sparse, tick)))
        tried.sort(key=lambda one: one[2].seconds)
        self._kind, self._trainer, self._contenders = tried[0]
        self.notes = (
            f"{self._trainer.name}; {format_percent(share)} of the pixels are not 0{self._trainer.remark}",
            f"threads: {self._contenders}",
            "a minibatch took "
            + " and ".join(
                f"{found.seconds / self._run * 1e3:.2f} ms with {trainer.name}" for _, trainer, found in tried
            )
            + " before the first epoch",
            *((f"no sparse kernels, because {reason}",) if reason is not None else ()),
        )
        return time.perf_counter() - started

    def adopt(self, choice: Choice) -> None:
        """Train as another lane of this race found best, instead of `prepare`: nothing is tried again."""
        self._kind, self._trainer = choice.trainer, self._trainer_of(choice.trainer)
        self._contenders = Contenders((choice.threads,), (choice.threads,), 0.0, choice.threads)

    @property
    def choice(self) -> Choice:
        """How it trains, and the number of threads that won most epochs, or before any the trials of `prepare`."""
        threads = self._wins.most_common(1)[0][0] if self._wins else self._contenders.best
        return Choice(self._kind, threads)

    def settle(self) -> None:
        """Use from now on the number of threads that was best so far: for slices that are short for trials."""
        self._contenders = self._contenders._replace(numbers=(self.choice.threads,))

    def train_epoch(self, rows: NDArray[np.uint32], learn_rate: float, tick: Callable[[], None]) -> tuple[float, float]:
        """Train on all minibatches of an epoch; return running loss and error."""
        trainer, numbers = self._trainer, self._contenders.numbers
        loss, mistakes, done, seconds = 0.0, 0, 0, dict[int, float]()
        for number in numbers if len(numbers) > 1 else ():
            trial = rows[done : done + _TRIAL]
            trainer.arrange(number)
            started = time.perf_counter()
            more_loss, more_mistakes = trainer.train(trial, learn_rate, number, tick)
            seconds[number] = time.perf_counter() - started
            loss, mistakes, done = loss + more_loss, mistakes + more_mistakes, done + len(trial)
        number = winner(seconds) if seconds else numbers[0]
        self._wins[number] += bool(seconds)
        trainer.arrange(number)
        more_loss, more_mistakes = trainer.train(rows[done:], learn_rate, number, tick)
        return (loss + more_loss) / rows.size, (mistakes + more_mistakes) / rows.size

    def layers(self) -> list[Layer]:
        """Return the weights W = A - mu v, as a copy."""
        mu = np.float32(self._network.momentum)
        ahead, velocity = self._trainer.state()
        return [
            Layer(a.weights - mu * v.weights, a.biases - mu * v.biases) for a, v in zip(ahead, velocity, strict=True)
        ]

    def _trainer_of(self, name: TrainerName) -> Trainer:
        velocity = zero_velocities(self._layers)
        return trainer_of(name, self._network, self._layers, velocity, self._pixels, self._labels)

    def _compare(self, trainer: Trainer, tick: Callable[[], None]) -> Contenders:
        """Time a trainer on several numbers of threads, at learning rate 0 and velocities of 0: no weight changes."""
        m, samples = self._network.batch_size, len(self._pixels)
        rows = (np.arange(self._run * m) * samples // (self._run * m)).astype(np.uint32).reshape(self._run, m)

        def run(threads: int) -> None:
            trainer.arrange(threads)
            trainer.train(rows, 0.0, threads, tick)

        return compare(run, trainer.most_threads, tick)


def cpu_name() -> str:
    """Return the processor's name as the operating system knows it, or its architecture."""
    import platform

    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            name = cpu_names.cpu_name(file.read())
    except OSError:
        name = ""
    return name or platform.processor() or platform.machine()
