from __future__ import annotations

import numpy as np
import pytest

from cudadoctor.dbn import reference
from cudadoctor.dbn.cpu_reference import CpuReference
from cudadoctor.dbn.network import Hidden, Layer, Network, first_weights, minibatches
from tests.dbn.following import SAMPLES, assert_follows_the_reference, small_set


@pytest.mark.parametrize("layers", [(20, 17, 5), (6, 4), (9, 8, 7, 3)])
def test_the_lane_in_float32_follows_the_reference_in_float64(layers: tuple[int, ...]) -> None:
    assert_follows_the_reference(CpuReference, Network(layers=layers, batch_size=9, weight_scale=0.3), epochs=3)


@pytest.mark.parametrize("hidden", ["relu", "sigmoid"])
def test_the_lane_in_float64_is_the_reference(hidden: Hidden) -> None:
    network = Network(layers=(20, 17, 5), batch_size=9, hidden=hidden)
    pixels, labels = small_set(network)
    lane = CpuReference(network, first_weights(network, 3), pixels, labels, "float64")
    lane.prepare(lambda: None)
    layers = [Layer(w.astype("float64"), b.astype("float64")) for w, b in first_weights(network, 3)]
    velocities = reference.zero_velocities(layers)
    rows = next(minibatches(network, SAMPLES, 3))
    running = reference.Running()
    for minibatch in rows:
        x = reference.scaled(pixels[minibatch], "float64")
        t = reference.one_hot(labels[minibatch], network.classes, "float64")
        running.add(*reference.step(network, layers, velocities, x, t, 0.3), len(minibatch))
    assert lane.train_epoch(rows, 0.3, lambda: None) == (running.loss, running.err)
    for expected, got in zip(layers, lane.layers(), strict=True):
        assert got.weights.dtype == np.float64
        np.testing.assert_array_equal(got.weights, expected.weights)
        np.testing.assert_array_equal(got.biases, expected.biases)


def test_the_notes_name_precision_and_blas() -> None:
    network = Network(layers=(6, 5, 4))
    notes = CpuReference(network, first_weights(network, 0), *small_set(network), "float64").notes
    assert notes[0] == "plain NumPy, float64"
    assert notes[1].startswith("BLAS: ")
