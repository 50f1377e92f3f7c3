"""The reference network: a plain multilayer perceptron, its hyperparameters, first weights and minibatch stream.

nolearn's DBN of 2014 did no pretraining by default, so "the deep belief network" was a 784-300-10 network with
rectified hidden units and a softmax output, trained by Nesterov's method on minibatches drawn with replacement.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A stream of its own for each use, so that asking one for more numbers never shifts another.
_WEIGHTS, _MINIBATCHES, _PRETRAINING = 0, 1, 2


Hidden = Literal["relu", "sigmoid"]


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """Hyperparameters; the defaults are those that nolearn 0.5 had in force for `DBN([784, 300, 10], ...)`.

    `layers` are the numbers of units, input first; `hidden` says what the hidden ones compute. `l2` applies to
    weights and never to biases. `weight_scale` is the standard deviation of the first weights; biases and velocities
    start at 0.
    """

    layers: tuple[int, ...] = (784, 300, 10)
    hidden: Hidden = "relu"
    batch_size: int = 64
    learn_rate: float = 0.3
    learn_rate_decay: float = 0.9
    momentum: float = 0.9
    l2: float = 1e-4
    weight_scale: float = 0.05

    def __post_init__(self) -> None:
        if len(self.layers) < 2 or min(self.layers) < 1:
            raise ValueError(f"a network needs at least two layers of at least one unit, not {self.layers}")
        if self.batch_size < 1:
            raise ValueError(f"a minibatch needs at least one sample, not {self.batch_size}")

    @property
    def classes(self) -> int:
        """Number of output units."""
        return self.layers[-1]

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 1: the first trains with `learn_rate`."""
        return float(self.learn_rate * self.learn_rate_decay ** (epoch - 1))

    def minibatches_per_epoch(self, samples: int) -> int:
        """Return how many minibatches an epoch has; the rest of the division is dropped, as Python 2 did."""
        return samples // self.batch_size


class Layer(NamedTuple):
    """Weights (inputs, outputs) and biases (outputs,) between two layers of units; also their velocities."""

    weights: NDArray[Any]
    biases: NDArray[Any]


def first_weights(network: Network, seed: int, dtype: str = "float32") -> list[Layer]:
    """Draw the weights that every lane of a race starts from: Gaussian, with biases of 0."""
    import numpy as np

    generator = np.random.default_rng([seed, _WEIGHTS])
    return [
        Layer((network.weight_scale * generator.standard_normal((n, m))).astype(dtype), np.zeros(m, dtype))
        for n, m in zip(network.layers, network.layers[1:], strict=False)
    ]


def minibatches(network: Network, samples: int, seed: int) -> Iterator[NDArray[np.uint32]]:
    """Yield for each epoch the training rows of all its minibatches, without end.

    Rows are drawn independently with replacement, so an epoch sees about 63 % of the samples. Every lane of a race
    replays the same stream from the same seed.

    Yields:
        Row numbers (minibatches an epoch, batch_size).
    """
    import numpy as np

    generator = np.random.default_rng([seed, _MINIBATCHES])
    shape = (network.minibatches_per_epoch(samples), network.batch_size)
    while True:
        yield generator.integers(0, samples, size=shape, dtype=np.uint32)


def pretraining_draws(seed: int) -> np.random.Generator:
    """Return where pretraining's minibatches and noise come from; the same for every lane of a race."""
    import numpy as np

    return np.random.default_rng([seed, _PRETRAINING])
