"""The reference: one training step of the network as nolearn and gdbn did it, in NumPy, for any precision.

Slow and obviously right: it keeps the weights W and their velocities apart, as the original did, and every other
version is compared with it. gdbn 0.1 is the original; names follow the formulas in the comments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.network import Hidden, Layer, Network

FloatArray = NDArray[Any]

_ROWS_AT_ONCE = 2048


def scaled(pixels: NDArray[np.uint8], dtype: str) -> FloatArray:
    """Return pixels of 0 to 255 as numbers of 0 to 1."""
    return np.asarray(pixels / np.array(255, dtype), dtype)


def one_hot(labels: NDArray[Any], classes: int, dtype: str) -> FloatArray:
    """Return targets (samples, classes): 1 in the column of the label, else 0."""
    return np.asarray(np.eye(classes, dtype=dtype)[labels])


def sigmoid(n: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-n)), without overflow for any n."""
    small = np.exp(-np.abs(n))
    return np.asarray(np.where(n >= 0, 1 / (1 + small), small / (1 + small)), n.dtype)


def activate(n: FloatArray, hidden: Hidden) -> FloatArray:
    """Return hidden units for their inputs n."""
    return n * (n > 0) if hidden == "relu" else sigmoid(n)


def slope(units: FloatArray, hidden: Hidden) -> FloatArray:
    """Return the derivative of `activate`, given what it returned."""
    return units > 0 if hidden == "relu" else units * (1 - units)


def forward(x: FloatArray, layers: Sequence[Layer], hidden: Hidden = "relu") -> list[FloatArray]:
    """Return the units of all layers for inputs x (samples, inputs): hidden units, then raw outputs z."""
    units = [x]
    for number, (weights, biases) in enumerate(layers, start=1):
        n = units[-1] @ weights + biases
        units.append(n if number == len(layers) else activate(n, hidden))
    return units


def log_softmax(z: FloatArray) -> FloatArray:
    """Return the logarithms of the class probabilities (samples, classes)."""
    shifted = z - z.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def step(
    network: Network,
    layers: list[Layer],
    velocities: list[Layer],
    x: FloatArray,
    t: FloatArray,
    learn_rate: float,
) -> tuple[float, int]:
    """Train on one minibatch, changing `layers` and `velocities` in place.

    Args:
        network: Kind of hidden units, momentum and L2 cost are taken from it.
        layers: W and b.
        velocities: vW and vb.
        x: Inputs (m, inputs).
        t: Targets (m, classes), one-hot.
        learn_rate: Learning rate of this epoch.

    Returns:
        Cross-entropy summed over the minibatch, in nats, and the number of misclassified rows, both at the
        look-ahead weights, before the update.
    """
    mu, m = network.momentum, len(x)
    # v <- mu v; look-ahead A = W + v, c = b + vb
    velocities[:] = [Layer(mu * v.weights, mu * v.biases) for v in velocities]
    ahead = [Layer(w.weights + v.weights, w.biases + v.biases) for w, v in zip(layers, velocities, strict=True)]

    units = forward(x, ahead, network.hidden)
    log_p = log_softmax(units[-1])
    loss = -float((t * log_p).sum())
    mistakes = int((log_p.argmax(axis=1) != t.argmax(axis=1)).sum())

    d = t - np.exp(log_p)
    for i in reversed(range(len(layers))):
        gradient, q = units[i].T @ d, d.sum(axis=0)
        if i > 0:
            d = (d @ ahead[i].weights.T) * slope(units[i], network.hidden)
        # v <- v + lr (G/m - lambda A): the L2 cost is taken at the look-ahead weights, and never on biases.
        v = Layer(
            velocities[i].weights + learn_rate * (gradient / m - network.l2 * ahead[i].weights),
            velocities[i].biases + learn_rate / m * q,
        )
        velocities[i] = v
        layers[i] = Layer(layers[i].weights + v.weights, layers[i].biases + v.biases)
    return loss, mistakes


def zero_velocities(layers: Sequence[Layer]) -> list[Layer]:
    """Return velocities of 0 for these layers."""
    return [Layer(np.zeros_like(weights), np.zeros_like(biases)) for weights, biases in layers]


def predict(
    layers: Sequence[Layer],
    pixels: NDArray[np.uint8],
    tick: Callable[[], None] | None = None,
    hidden: Hidden = "relu",
) -> NDArray[Any]:
    """Return the most probable class of each row of pixels, at the weights W themselves and not the look-ahead."""
    dtype = str(layers[0].weights.dtype)
    answers = []
    for start in range(0, len(pixels), _ROWS_AT_ONCE):
        z = forward(scaled(pixels[start : start + _ROWS_AT_ONCE], dtype), layers, hidden)[-1]
        answers.append(z.argmax(axis=1))
        if tick is not None:
            tick()
    return np.concatenate(answers) if answers else np.zeros(0, np.intp)


class Running:
    """Running loss and error of an epoch, as nolearn printed them: averages over the cases while the weights move."""

    def __init__(self) -> None:
        """Start an epoch with no cases seen."""
        self._loss, self._mistakes, self._cases = 0.0, 0, 0

    def add(self, loss: float, mistakes: int, cases: int) -> None:
        """Add one minibatch."""
        self._loss += loss
        self._mistakes += mistakes
        self._cases += cases

    @property
    def loss(self) -> float:
        """Cross-entropy per case in nats, without the L2 term."""
        return self._loss / self._cases

    @property
    def err(self) -> float:
        """Fraction of cases whose most probable class was not the label."""
        return self._mistakes / self._cases
