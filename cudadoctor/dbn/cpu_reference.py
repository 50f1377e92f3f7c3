"""The lane `cpu-reference`: plain NumPy, as most people would write it: `reference.step`, minibatch by minibatch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.blas import BlasThreads
from cudadoctor.dbn.cpu import cpu_name
from cudadoctor.dbn.network import Layer, Network
from cudadoctor.dbn.reference import Running, one_hot, scaled, step, zero_velocities


class CpuReference:
    """A contender on the host, in float32 or float64; BLAS uses as many threads as it does by itself."""

    name = "cpu-reference"
    device = "cpu"

    def __init__(
        self,
        network: Network,
        layers: Sequence[Layer],
        pixels: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        dtype: Literal["float32", "float64"] = "float32",
    ) -> None:
        """Take first weights, which are copied, and the training set, which is not."""
        self._network, self._dtype = network, dtype
        self._pixels, self._labels = pixels, labels
        self._layers = [Layer(weights.astype(dtype), biases.astype(dtype)) for weights, biases in layers]
        self._velocities = zero_velocities(self._layers)
        self.device_name = cpu_name()
        self.notes: tuple[str, ...] = (f"plain NumPy, {dtype}", f"BLAS: {BlasThreads().description}")

    def prepare(self, tick: Callable[[], None]) -> float:
        """Wake BLAS and its threads with a step that changes nothing; return the seconds that took."""
        started = time.perf_counter()
        layers, velocities = list(self._layers), list(self._velocities)
        self._step(layers, velocities, np.zeros(self._network.batch_size, np.uint32), 0.0)
        tick()
        return time.perf_counter() - started

    def train_epoch(self, rows: NDArray[np.uint32], learn_rate: float, tick: Callable[[], None]) -> tuple[float, float]:
        """Train on all minibatches of an epoch; return running loss and error."""
        running = Running()
        for minibatch in rows:
            running.add(*self._step(self._layers, self._velocities, minibatch, learn_rate), len(minibatch))
            tick()
        return running.loss, running.err

    def layers(self) -> list[Layer]:
        """Return the weights W, as a copy."""
        return [Layer(weights.copy(), biases.copy()) for weights, biases in self._layers]

    def _step(
        self, layers: list[Layer], velocities: list[Layer], rows: NDArray[np.uint32], learn_rate: float
    ) -> tuple[float, int]:
        x = scaled(self._pixels[rows], self._dtype)
        t = one_hot(self._labels[rows], self._network.classes, self._dtype)
        return step(self._network, layers, velocities, x, t, learn_rate)


class CpuReference64(CpuReference):
    """The same lane in double precision."""

    name = "cpu-reference-float64"

    def __init__(
        self, network: Network, layers: Sequence[Layer], pixels: NDArray[np.uint8], labels: NDArray[np.uint8]
    ) -> None:
        """Take first weights, which are copied, and the training set, which is not."""
        super().__init__(network, layers, pixels, labels, "float64")
