"""The arrays that the kernel takes and gives back, in host memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.network import Layer, Network
from cudadoctor.dbn.persistent.fragments import PRODUCT_SCALE
from cudadoctor.dbn.persistent.plan import ROWS, Plan


def padded_pixels(pixels: NDArray[np.uint8], plan: Plan) -> NDArray[np.uint8]:
    """Return pixels flat, each sample filled up with zeros to a multiple of 16 bytes."""
    missing = 16 * plan.chunks - pixels.shape[1]
    filled = np.pad(pixels, ((0, 0), (0, missing))) if missing else pixels
    return np.ascontiguousarray(filled).reshape(-1)


def first_state(layers: Sequence[Layer]) -> NDArray[np.float32]:
    """Return the kernel's state for first weights: all of them flat, and as many velocities of 0."""
    ahead = [np.asarray(part, np.float32).reshape(-1) for layer in layers for part in layer]
    return np.concatenate([*ahead, np.zeros(sum(map(len, ahead)), np.float32)])


def weights_of(state: NDArray[np.float32], network: Network) -> list[Layer]:
    """Return the weights W = A - mu v of a state."""
    ahead, velocities = np.split(state, 2)
    flat = ahead - np.float32(network.momentum) * velocities
    layers, start = [], 0
    for inputs, outputs in zip(network.layers, network.layers[1:], strict=False):
        middle = start + inputs * outputs
        layers.append(Layer(flat[start:middle].reshape(inputs, outputs), flat[middle : middle + outputs]))
        start = middle + outputs
    return layers


def sums_for(plan: Plan) -> int:
    """Return how many sums the kernel needs."""
    return 2 * plan.groups * ROWS * plan.sum_columns


def rates(network: Network, learn_rate: float) -> tuple[Any, ...]:
    """Return the kernel's last four arguments: momentum, rate for products, rate and shrink."""
    rate = learn_rate / network.batch_size
    return tuple(map(np.float32, (network.momentum, rate * PRODUCT_SCALE, rate, learn_rate * network.l2)))
