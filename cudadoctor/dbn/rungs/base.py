"""What the rungs share: a minibatch is a list of steps, so that it can be trained, and recorded, the same way."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.network import Layer, Network
from cudadoctor.dbn.ops.device import cuda
from cudadoctor.dbn.rungs.arrays import NetworkArrays, UpdateNumbers, on_host
from cudadoctor.facts.explanation import CallKind


class Step(NamedTuple):
    """One thing that the host does in a minibatch; `run` takes the minibatch's number in the epoch.

    `waits` says that it returns only when the device is done; `bytes` and `pinned` describe a copy. `arrays` are what
    a kernel is handed, and `blocks` the size of its grid, 0 where nobody asked.
    """

    name: str
    kind: CallKind
    run: Callable[[int], object]
    waits: bool = False
    bytes: int = 0
    pinned: bool = False
    arrays: tuple[Any, ...] = ()
    blocks: int = 0


class Stepwise(ABC):
    """A contender on one CUDA device that trains minibatch after minibatch, float32.

    Raises:
        What numba.cuda raises, from every method: the device may be lost at any time.
    """

    name: str

    def __init__(
        self,
        network: Network,
        layers: Sequence[Layer],
        pixels: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        index: int = 0,
    ) -> None:
        """Take the training set and first weights, and make the steps for device `index`."""
        cuda.select_device(index)
        self.device = f"gpu:{index}"
        self.device_name = device_name()
        self.notes: tuple[str, ...] = ()
        self.network = network
        self.minibatches = network.minibatches_per_epoch(len(pixels))
        self.update = UpdateNumbers(network)
        self.stream: Any = self._make_stream()
        self.arrays = NetworkArrays(network, layers, self._place)
        self.totals: Any = self._make_totals()
        self._take_data(pixels, labels)
        self.steps: tuple[Step, ...] = tuple(self._make_steps())

    def _make_stream(self) -> Any:
        """Return the stream of the launches and copies; 0 is the default one."""
        return 0

    def _place(self, array: NDArray[Any]) -> Any:
        """Put an array of the network where this rung keeps them."""
        return cuda.to_device(array)

    def _staging(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return room on the host for what is copied to or from the device."""
        return np.zeros(shape, dtype)

    def _make_totals(self) -> Any:
        """Return room for loss and mistakes, (minibatches, 2), or (1, 2) if they are read in every minibatch."""
        return self._place(np.zeros((self.minibatches, 2), np.float32))

    @abstractmethod
    def _take_data(self, pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        """Keep the training set where this rung wants it."""

    @abstractmethod
    def _make_steps(self) -> list[Step]:
        """Return the steps of a minibatch, in order."""

    @abstractmethod
    def begin_epoch(self, rows: NDArray[np.uint32]) -> None:
        """Take the training rows (minibatches, m) of an epoch."""

    def steps_on(self, stream: Any) -> list[Step]:
        """Return the steps with their launches and copies on another stream, or into a graph that is being built."""
        own, self.stream = self.stream, stream
        try:
            return self._make_steps()
        finally:
            self.stream = own

    def prepare(self, tick: Callable[[], None]) -> float:
        """Compile or load the kernels; return the seconds that took."""
        started = time.perf_counter()
        self.update.use(0.0)
        self.begin_epoch(np.zeros((self.minibatches, self.network.batch_size), np.uint32))
        for step in self.steps:
            step.run(0)
            tick()
        self.result(1)  # waits, and forgets what these steps summed
        return time.perf_counter() - started

    def train_epoch(self, rows: NDArray[np.uint32], learn_rate: float, tick: Callable[[], None]) -> tuple[float, float]:
        """Train on all minibatches of an epoch; return running loss and error."""
        self.update.use(learn_rate)
        self.begin_epoch(rows)
        self.train(range(len(rows)), tick)
        return self.result(rows.size)

    def train(self, numbers: range, tick: Callable[[], None]) -> None:
        """Train on some minibatches of the epoch that was begun."""
        runs = [step.run for step in self.steps]
        for number in numbers:
            for run in runs:
                run(number)
            tick()

    def result(self, cases: int) -> tuple[float, float]:
        """Wait for the device; return running loss and error of the epoch's first cases."""
        totals = on_host(self.totals)[: cases // self.network.batch_size]
        loss, mistakes = totals.sum(axis=0, dtype=np.float64) / cases
        return float(loss), float(mistakes)

    def layers(self) -> list[Layer]:
        """Return the weights W = A - mu v, on the host."""
        return self.arrays.layers()


def device_name() -> str:
    """Return the name of the current device."""
    name = getattr(cuda.get_current_device(), "name", "simulator")
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
