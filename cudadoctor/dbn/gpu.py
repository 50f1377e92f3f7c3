"""The lane `gpu-per-operation`: one kernel an operation, with everything resident on the device, float32.

Pixels, labels, weights and buffers stay on the device; an epoch's row numbers go over in one copy, and its losses
come back in one. Nothing waits in between. What is left is what this lane is there to show: 16 launches a minibatch,
11,712 an epoch, for kernels that are mostly shorter than their own launch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.network import Layer, Network
from cudadoctor.dbn.ops import (
    affine,
    bias_gradient,
    gather,
    hidden_delta,
    nesterov,
    output_delta,
    relu,
    softmax,
    weight_gradient,
)
from cudadoctor.dbn.ops.device import cuda


class GpuPerOperation:
    """A contender on one CUDA device."""

    name = "gpu-per-operation"

    def __init__(
        self,
        network: Network,
        layers: Sequence[Layer],
        pixels: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        index: int = 0,
    ) -> None:
        """Copy the training set and the first weights to device `index`."""
        cuda.select_device(index)
        self.device = f"gpu:{index}"
        self.device_name = _device_name()
        self._network = network
        m, units = network.batch_size, network.layers
        minibatches = network.minibatches_per_epoch(len(pixels))

        started = time.perf_counter()
        self._pixels, self._labels = cuda.to_device(pixels), cuda.to_device(labels)
        cuda.synchronize()
        seconds = time.perf_counter() - started
        self.notes: tuple[str, ...] = (
            f"{pixels.nbytes / 1e6:.1f} MB of pixels copied to the device once, before the first epoch, "
            f"in {seconds * 1e3:.0f} ms",
        )

        self._ahead: list[Any] = [Layer(cuda.to_device(_single(w)), cuda.to_device(_single(b))) for w, b in layers]
        self._velocity: list[Any] = [_zeros_like(layer) for layer in layers]
        self._gradient: list[Any] = [_zeros_like(layer) for layer in layers]
        self._units = [cuda.device_array((m, n), np.float32) for n in units]
        self._deltas = [cuda.device_array((m, n), np.float32) for n in units]
        self._targets = cuda.device_array(m, np.uint8)
        self._rows = cuda.device_array((minibatches, m), np.uint32)
        self._totals = cuda.device_array((minibatches, 2), np.float32)
        # Flat views are made once: making one costs more than a launch should.
        self._hidden = [units.reshape(units.size) for units in self._units]
        self._flat = [
            (a.reshape(a.size), v.reshape(a.size), g.reshape(a.size), decays)
            for layer in zip(self._ahead, self._velocity, self._gradient, strict=True)
            for (a, v, g), decays in zip(zip(*layer, strict=True), (True, False), strict=True)
        ]

    def prepare(self, tick: Callable[[], None]) -> float:
        """Compile or load the kernels; return the seconds that took.

        A step at learning rate 0 with velocities of 0 changes no weight.
        """
        started = time.perf_counter()
        self._rows.copy_to_device(np.zeros(self._rows.shape, np.uint32))
        for _ in self._launches(0, 0.0):
            tick()
        cuda.synchronize()
        return time.perf_counter() - started

    def train_epoch(self, rows: NDArray[np.uint32], learn_rate: float, tick: Callable[[], None]) -> tuple[float, float]:
        """Train on all minibatches of an epoch; return running loss and error."""
        self._rows.copy_to_device(rows)
        for step in range(len(rows)):
            for _ in self._launches(step, learn_rate):
                pass
            tick()
        loss, mistakes = self._totals.copy_to_host().sum(axis=0, dtype=np.float64) / rows.size
        return float(loss), float(mistakes)

    def layers(self) -> list[Layer]:
        """Return the weights W = A - mu v, on the host."""
        mu = np.float32(self._network.momentum)
        return [
            Layer(
                a.weights.copy_to_host() - mu * v.weights.copy_to_host(),
                a.biases.copy_to_host() - mu * v.biases.copy_to_host(),
            )
            for a, v in zip(self._ahead, self._velocity, strict=True)
        ]

    def _launches(self, step: int, learn_rate: float) -> Iterator[None]:
        """Train on one minibatch; yield after each launch."""
        units, deltas, ahead, gradient = self._units, self._deltas, self._ahead, self._gradient
        last = len(ahead) - 1
        gather.launch(self._pixels, self._labels, self._rows, step, units[0], self._targets)
        yield
        for i, (weights, biases) in enumerate(ahead):
            affine.launch(units[i], weights, biases, units[i + 1])
            yield
            if i < last:
                relu.launch(self._hidden[i + 1])
                yield
        d = units[-1]  # the outputs become their own deltas
        softmax.launch(d, self._targets, step, self._totals)
        yield
        output_delta.launch(d, self._targets)
        yield
        for i in range(last, -1, -1):
            weight_gradient.launch(units[i], d, gradient[i].weights)
            yield
            bias_gradient.launch(d, gradient[i].biases)
            yield
            if i > 0:
                hidden_delta.launch(d, ahead[i].weights, units[i], deltas[i])
                d = deltas[i]
                yield
        mu = np.float32(self._network.momentum)
        rate = np.float32(learn_rate / self._network.batch_size)
        shrink, none = np.float32(learn_rate * self._network.l2), np.float32(0)
        for a, v, g, decays in self._flat:
            nesterov.launch(a, v, g, mu, rate, shrink if decays else none)
            yield


def why_no_device(index: int) -> str | None:
    """Return why the device cannot be used, as a phrase that completes "because ...", or None if it can.

    Initialises the driver, so it belongs in a child process.
    """
    if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0"):
        return "NUMBA_ENABLE_CUDASIM is set: numba would run the kernels in Python, and such times mean nothing"
    try:
        count = len(cuda.gpus)
    except Exception as error:  # noqa: BLE001 - numba raises its own errors, the loader OSError, a stub anything
        return f"CUDA did not start: {' '.join(str(error).split()) or type(error).__name__}"
    if count == 0:
        return "there is no CUDA device"
    if not 0 <= index < count:
        return f"there is no CUDA device {index}; the driver shows {count}, counted from 0"
    return None


def _device_name() -> str:
    name = getattr(cuda.get_current_device(), "name", "simulator")
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _single(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, np.float32)


def _zeros_like(layer: Layer) -> Layer:
    return Layer(*(cuda.to_device(np.zeros(values.shape, np.float32)) for values in layer))
