"""The network's arrays, on the host or on the device, and the numbers of the update.

A holds the look-ahead weights W + mu v, which is all that a step needs; W = A - mu v when training is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cudadoctor.dbn.network import Layer, Network


class NetworkArrays:
    """All arrays of a network, float32 and C-contiguous; `copy` puts an array of the host where they belong.

    `ahead`, `velocity` and `gradient` are layers of (inputs, outputs) and (outputs,); `units` (m, n) for each layer of
    units, input first; `deltas` likewise; `targets` (m,) uint8. `flat` are one-dimensional views of A, v, G and
    whether L2 applies, `hidden` of the units: making a view costs more than a launch should.
    """

    def __init__(self, network: Network, layers: Sequence[Layer], copy: Callable[[Any], Any]) -> None:
        """Copy the first weights and make room for the rest."""
        self._momentum = np.float32(network.momentum)
        m = network.batch_size

        def zeros(*shape: int) -> Any:
            return copy(np.zeros(shape, np.float32))

        self.ahead = [Layer(copy(_single(w)), copy(_single(b))) for w, b in layers]
        self.velocity = [Layer(zeros(*w.shape), zeros(*b.shape)) for w, b in layers]
        self.gradient = [Layer(zeros(*w.shape), zeros(*b.shape)) for w, b in layers]
        self.units = [zeros(m, n) for n in network.layers]
        self.deltas = [zeros(m, n) for n in network.layers]
        self.targets = copy(np.zeros(m, np.uint8))
        self.hidden = [units.reshape(units.size) for units in self.units]
        self.flat = [
            (a.reshape(a.size), v.reshape(a.size), g.reshape(a.size), decays)
            for layer in zip(self.ahead, self.velocity, self.gradient, strict=True)
            for (a, v, g), decays in zip(zip(*layer, strict=True), (True, False), strict=True)
        ]

    def layers(self) -> list[Layer]:
        """Return the weights W, on the host."""
        return [
            Layer(*(on_host(a) - self._momentum * on_host(v) for a, v in zip(ahead, velocity, strict=True)))
            for ahead, velocity in zip(self.ahead, self.velocity, strict=True)
        ]


class UpdateNumbers:
    """Scalars of the update as float32: a Python float would arrive as float64 and take the arithmetic with it."""

    def __init__(self, network: Network) -> None:
        """Begin at learning rate 0, at which a step changes no weight while velocities are 0."""
        self._network = network
        self.momentum = np.float32(network.momentum)
        self.use(0.0)

    def use(self, learn_rate: float) -> None:
        """Take the learning rate of an epoch."""
        self.rate = np.float32(learn_rate / self._network.batch_size)
        self.shrink = np.float32(learn_rate * self._network.l2)

    def shrink_of(self, decays: bool) -> Any:
        """Return the factor of the L2 cost: that of weights, or 0 for biases."""
        return self.shrink if decays else np.float32(0)


def on_host(array: Any) -> Any:
    """Return an array's values as a NumPy array."""
    return array if isinstance(array, np.ndarray) else array.copy_to_host()


def _single(values: Any) -> Any:
    return np.ascontiguousarray(values, np.float32)
