"""Pretraining on a CUDA device, float32; what is drawn is drawn on the host, as it is for the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.network import Layer, Network
from cudadoctor.dbn.ops import cd1
from cudadoctor.dbn.ops.device import cuda
from cudadoctor.dbn.pretraining import Draws, Pretraining, factor_of, visible_units

_PER_PIXEL = np.float32(1 / 255)


class DeviceBench:
    """Trains one machine after the other; a `pretraining.Bench`.

    Raises:
        What numba.cuda raises, from every method.
    """

    def __init__(self, network: Network, pixels: NDArray[np.uint8], options: Pretraining, index: int = 0) -> None:
        """Take the training images (n, inputs), which stay on the host, for device `index`."""
        cuda.select_device(index)
        self._network, self._pixels, self._options = network, pixels, options

    def begin(self, number: int, layer: Layer, below: Sequence[Layer]) -> None:
        """Copy the layer to train and those below it to the device."""
        network, options = self._network, self._options
        m, sizes = network.batch_size, network.layers
        weights, biases = (np.ascontiguousarray(values, np.float32) for values in layer)
        self._machine = [cuda.to_device(a) for a in (weights, np.zeros(len(weights), np.float32), biases)]
        self._speed = [cuda.to_device(np.zeros(a.shape, np.float32)) for a in self._machine]
        self._below = [tuple(cuda.to_device(np.ascontiguousarray(a, np.float32)) for a in one) for one in below]
        self._units = [cuda.device_array((m, n), np.float32) for n in sizes[: number + 1]]
        self._visible = visible_units(number, network, options)
        self._v_again = cuda.device_array((m, sizes[number]), np.float32)
        self._h, self._states, self._h_again = (cuda.device_array((m, sizes[number + 1]), np.float32) for _ in range(3))
        self._noise = cuda.device_array(self._h.size, np.float32)
        self._errors = cuda.device_array(m, np.float32)
        rate, factor = options.learn_rates[number], factor_of(network, options)
        numbers = [network.momentum, factor, rate / m, 1 - network.l2 * rate * factor]
        self._numbers = cuda.to_device(np.array(numbers, np.float32))

    def step(self, rows: NDArray[Any], draws: Draws) -> float:
        """Train on a minibatch; return its squared reconstruction error, summed."""
        hidden, (weights, visible_biases, hidden_biases) = self._network.hidden, self._machine
        self._units[0].copy_to_device(self._pixels[rows].astype(np.float32) * _PER_PIXEL)
        for (a, b), v, h in zip(self._below, self._units, self._units[1:], strict=False):
            cd1.up(v, a, b, hidden, h)
        v = self._units[-1]
        shape = self._h.shape
        drawn = draws.random(shape) if hidden == "sigmoid" else draws.standard_normal(shape)
        self._noise.copy_to_device(np.ascontiguousarray(drawn, np.float32).reshape(-1))
        cd1.up(v, weights, hidden_biases, hidden, self._h)
        cd1.sample(_flat(self._h), self._noise, hidden, _flat(self._states))
        cd1.down(self._states, weights, visible_biases, self._visible, self._v_again)
        cd1.up(self._v_again, weights, hidden_biases, hidden, self._h_again)
        cd1.error(v, self._v_again, self._errors)
        cd1.learn(v, self._h, self._v_again, self._h_again, self._machine, self._speed, self._numbers)
        return float(self._errors.copy_to_host().sum(dtype=np.float64))

    def end(self) -> Layer:
        """Copy weights and hidden biases back."""
        return Layer(self._machine[0].copy_to_host(), self._machine[2].copy_to_host())


def _flat(array: Any) -> Any:
    return array.reshape(array.size)
