"""Follow a lane step by step with the reference in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from cudadoctor.dbn import reference
from cudadoctor.dbn.network import Layer, Network, first_weights, minibatches

SAMPLES = 30


def small_set(network: Network) -> tuple[Any, Any]:
    """Return pixels and labels at random."""
    generator = np.random.default_rng(5)
    pixels = generator.integers(0, 256, (SAMPLES, network.layers[0]), dtype=np.uint8)
    return pixels, generator.integers(0, network.classes, SAMPLES, dtype=np.uint8)


def assert_follows_the_reference(lane_type: Any, network: Network, *, epochs: int = 1) -> None:
    """Train a lane and the reference on the same minibatches; weights, loss and error must agree in float32."""
    pixels, labels = small_set(network)
    weights = first_weights(network, 3)
    lane = lane_type(network, weights, pixels, labels)
    lane.prepare(lambda: None)
    for before, after in zip(weights, lane.layers(), strict=True):
        np.testing.assert_array_equal(before.weights, after.weights)  # preparing trains nothing
        np.testing.assert_array_equal(before.biases, after.biases)

    layers = [Layer(w.astype(np.float64), b.astype(np.float64)) for w, b in weights]
    velocities = reference.zero_velocities(layers)
    for epoch, rows in zip(range(1, epochs + 1), minibatches(network, SAMPLES, 3), strict=False):
        running = reference.Running()
        for minibatch in rows:
            x = reference.scaled(pixels[minibatch], "float64")
            t = reference.one_hot(labels[minibatch], network.classes, "float64")
            running.add(*reference.step(network, layers, velocities, x, t, network.rate(epoch)), len(minibatch))
        loss, err = lane.train_epoch(rows, network.rate(epoch), lambda: None)
        assert abs(loss - running.loss) < 1e-5 * max(1.0, running.loss)
        assert err == running.err
    for expected, got in zip(layers, lane.layers(), strict=True):
        assert got.weights.dtype == got.biases.dtype == np.float32
        np.testing.assert_allclose(got.weights, expected.weights, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(got.biases, expected.biases, rtol=1e-4, atol=1e-6)
