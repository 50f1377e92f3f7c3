"""Pretraining: layer after layer as a restricted Boltzmann machine, by contrastive divergence with one step (CD-1).

nolearn's DBN did none by default. As in gdbn 0.1, the output layer is pretrained too, minibatches are drawn anew for
every layer and epoch, the learning rate does not decay, and what fine-tuning takes over are weights and biases; the
biases of the visible units serve here only. Slow and obviously right; any precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.network import Layer, Network
from cudadoctor.dbn.reference import FloatArray, activate, forward, scaled, sigmoid

Units = Literal["gaussian", "relu", "sigmoid"]
"""Gaussian units have unit variance, and are visible only."""

_DIVERGED = 1e3
"""Times the first minibatch's reconstruction error; a machine that learns goes below it and does not come back."""


class Draws(Protocol):
    """Where chance comes from: a `numpy.random.Generator` is one."""

    def integers(self, low: int, high: int, size: int) -> NDArray[Any]:
        """Return whole numbers, low <= n < high."""

    def random(self, size: tuple[int, int]) -> NDArray[Any]:
        """Return numbers spread evenly over 0 to 1."""

    def standard_normal(self, size: tuple[int, int]) -> NDArray[Any]:
        """Return numbers of mean 0 and standard deviation 1."""


class Pretraining(msgspec.Struct, frozen=True, kw_only=True):
    """How to pretrain. Momentum, L2 cost, minibatch size and kind of hidden units are the network's.

    `epochs` and `learn_rates` have one number for each layer of weights, the output's too. A Gaussian input with
    rectified hidden units needs a learning rate of 0.001 to 0.005: the 0.3 of fine-tuning, which nolearn took if
    none was given, diverges. `nest_compare` leaves out the factor 1 - momentum, as nolearn did.
    """

    epochs: tuple[int, ...]
    learn_rates: tuple[float, ...]
    minibatches_per_epoch: int | None = None
    real_valued_input: bool = True
    nest_compare: bool = True


class Machine(NamedTuple):
    """A restricted Boltzmann machine: W (visible, hidden), and the biases of its visible and hidden units."""

    weights: FloatArray
    visible_biases: FloatArray
    hidden_biases: FloatArray


class Pretrained(NamedTuple):
    """Layers to fine-tune, and for each layer the reconstruction error of each epoch: ||v - v'||^2 per case."""

    layers: list[Layer]
    errors: tuple[tuple[float, ...], ...]


class DivergedError(Exception):
    """The reconstruction error grew without bound; the message is one line that says what to do."""


def sample(probabilities: FloatArray, units: Units, draws: Draws) -> FloatArray:
    """Return states of hidden units, given their mean activations (m, hidden).

    Sigmoid units are 1 with their probability, else 0. Rectified ones get Gaussian noise of variance
    sigmoid(activation) and are rectified again (noisy rectified linear units: Nair and Hinton, 2010).
    """
    dtype = probabilities.dtype
    if units == "sigmoid":
        return np.asarray(draws.random(probabilities.shape) <= probabilities, dtype)
    noise = np.asarray(draws.standard_normal(probabilities.shape), dtype)
    spread = np.sqrt(sigmoid(probabilities) + dtype.type(1e-30))
    return np.asarray(np.maximum(probabilities + spread * noise, dtype.type(0)))


def reconstruct(states: FloatArray, machine: Machine, visible: Units) -> FloatArray:
    """Return visible units (m, visible) for states of hidden ones: their mean, not a sample."""
    n = states @ machine.weights.T + machine.visible_biases
    return n if visible == "gaussian" else activate(n, visible)


def cd1_step(
    machine: Machine,
    speed: Machine,
    v: FloatArray,
    *,
    visible: Units,
    hidden: Literal["relu", "sigmoid"],
    learn_rate: float,
    momentum: float,
    l2: float,
    factor: float,
    draws: Draws,
) -> tuple[Machine, Machine, float]:
    """Do one step of CD-1.

    Args:
        machine: Weights and biases.
        speed: Their velocities, without the learning rate.
        v: Visible units (m, visible).
        visible: Kind of visible units.
        hidden: Kind of hidden units.
        learn_rate: Of this layer.
        momentum: Of the velocities.
        l2: Shrinks weights, never biases.
        factor: Of the new statistics, 1 or 1 - momentum.
        draws: Asked once, for the states of the hidden units.

    Returns:
        Machine and velocities after the step, and the squared reconstruction error summed over the minibatch.
    """
    m = len(v)
    w, g, b = machine
    h = activate(v @ w + b, hidden)
    v_again = reconstruct(sample(h, hidden, draws), machine, visible)
    h_again = activate(v_again @ w + b, hidden)
    speed = Machine(
        momentum * speed.weights + factor * (v.T @ h - v_again.T @ h_again),
        momentum * speed.visible_biases + factor * (v.sum(axis=0) - v_again.sum(axis=0)),
        momentum * speed.hidden_biases + factor * (h.sum(axis=0) - h_again.sum(axis=0)),
    )
    rate = learn_rate / m
    machine = Machine(
        w * (1 - l2 * learn_rate * factor) + rate * speed.weights,
        g + rate * speed.visible_biases,
        b + rate * speed.hidden_biases,
    )
    return machine, speed, float(np.square(v - v_again, dtype=np.float64).sum())


class Bench(Protocol):
    """Where machines are trained: on the host, or on a device."""

    def begin(self, number: int, layer: Layer, below: Sequence[Layer]) -> None:
        """Take the layer to train, counted from 0, and those below it."""

    def step(self, rows: NDArray[Any], draws: Draws) -> float:
        """Train on a minibatch of these rows; return its squared reconstruction error, summed."""

    def end(self) -> Layer:
        """Return the trained layer."""


class HostBench:
    """Trains in NumPy, in the precision of the layers."""

    def __init__(self, network: Network, pixels: NDArray[np.uint8], options: Pretraining) -> None:
        """Take the training images (n, inputs)."""
        self._network, self._pixels, self._options = network, pixels, options

    def begin(self, number: int, layer: Layer, below: Sequence[Layer]) -> None:
        """Take the layer to train and those below it."""
        weights, biases = layer
        self._number, self._below, self._dtype = number, below, str(weights.dtype)
        self._machine = Machine(weights.copy(), np.zeros(len(weights), weights.dtype), biases.copy())
        self._speed = Machine(*(np.zeros_like(part) for part in self._machine))

    def step(self, rows: NDArray[Any], draws: Draws) -> float:
        """Train on a minibatch; return its squared reconstruction error, summed."""
        network, options = self._network, self._options
        v = _activations(scaled(self._pixels[rows], self._dtype), self._below, network)
        with np.errstate(over="ignore", invalid="ignore"):  # divergence is told in words, by `pretrain`
            self._machine, self._speed, error = cd1_step(
                self._machine,
                self._speed,
                v,
                visible=visible_units(self._number, network, options),
                hidden=network.hidden,
                learn_rate=options.learn_rates[self._number],
                momentum=network.momentum,
                l2=network.l2,
                factor=factor_of(network, options),
                draws=draws,
            )
        return error

    def end(self) -> Layer:
        """Return weights and hidden biases."""
        return Layer(self._machine.weights, self._machine.hidden_biases)


def visible_units(number: int, network: Network, options: Pretraining) -> Units:
    """Return the kind of visible units of a layer, counted from 0."""
    return "gaussian" if number == 0 and options.real_valued_input else network.hidden


def factor_of(network: Network, options: Pretraining) -> float:
    """Return the factor of new statistics in a velocity."""
    return 1.0 if options.nest_compare else 1.0 - network.momentum


def pretrain(
    network: Network,
    layers: Sequence[Layer],
    pixels: NDArray[np.uint8],
    options: Pretraining,
    draws: Draws,
    tick: Callable[[], None] | None = None,
    told: Callable[[int, int, float], None] | None = None,
    bench: Bench | None = None,
) -> Pretrained:
    """Pretrain all layers in turn, each on the activations of those below it.

    Args:
        network: What is fine-tuned later.
        layers: First weights and biases, which are copied; their precision is used.
        pixels: Training images (n, inputs).
        options: How to pretrain.
        draws: Row numbers and noise come from it, in the order in which they are used.
        tick: Called after every minibatch.
        told: Called after every epoch with layer and epoch, counted from 1, and its reconstruction error.
        bench: Where to train; on the host by default.

    Raises:
        ValueError: The options do not fit the network.
        DivergedError: The learning rate is too high.
    """
    for name, numbers in (("epochs", options.epochs), ("learn_rates", options.learn_rates)):
        if len(numbers) != len(layers):
            raise ValueError(f"pretraining needs {len(layers)} {name}, one for each layer of weights: {numbers}")
    bench = bench or HostBench(network, pixels, options)
    minibatches = options.minibatches_per_epoch or network.minibatches_per_epoch(len(pixels))
    trained: list[Layer] = []
    errors = []
    for number, layer in enumerate(layers):
        bench.begin(number, layer, trained)
        of_layer: list[float] = []
        limit = math.inf
        for epoch in range(1, options.epochs[number] + 1):
            total = 0.0
            for _ in range(minibatches):
                error = bench.step(draws.integers(0, len(pixels), size=network.batch_size), draws)
                if not error <= limit:
                    raise DivergedError(
                        f"pretraining of layer {number + 1} diverged in epoch {epoch}: a learning rate of "
                        f"{options.learn_rates[number]:g} is too high; try 0.001"
                    )
                limit = min(limit, _DIVERGED * max(error, 1.0))
                total += error
                if tick is not None:
                    tick()
            of_layer.append(total / (minibatches * network.batch_size))
            if told is not None:
                told(number + 1, epoch, of_layer[-1])
        trained.append(bench.end())
        errors.append(tuple(of_layer))
    return Pretrained(trained, tuple(errors))


def _activations(x: FloatArray, layers: Sequence[Layer], network: Network) -> FloatArray:
    """Return what the layers below give, without noise, for inputs x (m, inputs)."""
    if not layers:
        return x
    return activate(forward(x, layers, network.hidden)[-1], network.hidden)
