from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from cudadoctor.dbn.cpu import CpuFast
from cudadoctor.dbn.digits import procedural
from cudadoctor.dbn.network import Network, first_weights, minibatches
from cudadoctor.dbn.reference import Running, one_hot, scaled, step, zero_velocities
from tests.dbn.following import assert_follows_the_reference, small_set


@pytest.mark.parametrize("layers", [(20, 17, 5), (6, 4), (9, 8, 7, 3), (1, 1, 1)])
def test_the_lane_follows_the_reference(layers: tuple[int, ...]) -> None:
    assert_follows_the_reference(CpuFast, Network(layers=layers, batch_size=9, weight_scale=0.3), epochs=3)


def test_the_lane_leaves_the_first_weights_to_the_next_lane() -> None:
    network = Network(layers=(6, 5, 4), batch_size=5)
    weights = first_weights(network, 0)
    before = [layer.weights.copy() for layer in weights]
    lane = CpuFast(network, weights, *small_set(network))
    lane.prepare(lambda: None)
    lane.train_epoch(next(minibatches(network, 30, 0)), 0.3, lambda: None)
    assert all((a == b.weights).all() for a, b in zip(before, weights, strict=True))
    assert any((a != b.weights).any() for a, b in zip(before, lane.layers(), strict=True))


def pixels_with_ink(share: float, inputs: int, samples: int = 60) -> np.ndarray:
    generator = np.random.default_rng(8)
    shades = generator.integers(1, 256, (samples, inputs), dtype=np.uint8)
    return shades * (generator.random(shades.shape) < share)


def lane_on(pixels: np.ndarray, network: Network) -> CpuFast:
    labels = np.random.default_rng(9).integers(0, network.classes, len(pixels), dtype=np.uint8)
    lane = CpuFast(network, first_weights(network, 0), pixels, labels)
    lane.prepare(lambda: None)
    return lane


def test_the_notes_say_how_it_trains_on_how_many_threads_and_how_many_pixels_have_ink() -> None:
    notes = lane_on(pixels_with_ink(0.2, 50), Network(layers=(50, 20, 4), batch_size=8)).notes
    assert "of the pixels are not 0" in notes[0]
    assert "thread" in notes[1]
    assert "ms with sparse kernels" in notes[2]
    assert "ms with dense kernels and BLAS" in notes[2]


def test_many_inputs_that_are_mostly_0_are_trained_by_the_sparse_kernels() -> None:
    lane = lane_on(pixels_with_ink(0.02, 3000), Network(layers=(3000, 100, 4), batch_size=32))
    assert lane.notes[0].startswith("sparse kernels; 1.9 % of the pixels")


def test_dense_data_are_trained_in_blas() -> None:
    lane = lane_on(pixels_with_ink(0.9, 50), Network(layers=(50, 20, 4), batch_size=8))
    assert lane.notes[0].startswith("dense kernels")
    assert lane.notes[-1] == "no sparse kernels, because most pixels are not 0"


def test_other_depths_are_trained_in_blas() -> None:
    lane = lane_on(pixels_with_ink(0.2, 50), Network(layers=(50, 20, 10, 4), batch_size=8))
    assert lane.notes[-1] == "no sparse kernels, because they are written for one hidden layer"


def test_every_minibatch_counts_once_though_some_are_trials() -> None:
    network = Network(layers=(50, 20, 4), batch_size=8)
    lane = lane_on(pixels_with_ink(0.2, 50), network)
    lane._contenders = lane._contenders._replace(numbers=(1, 2))
    trained: list[int] = []
    lane._trainer = SimpleNamespace(  # type: ignore[assignment]
        arrange=lambda threads: None, train=lambda rows, *_: trained.extend(rows[:, 0].tolist()) or (8.0 * len(rows), 0)
    )
    rows = np.arange(50 * 8, dtype=np.uint32).reshape(50, 8)
    assert lane.train_epoch(rows, 0.1, lambda: None) == (1.0, 0.0)
    assert trained == rows[:, 0].tolist()


def test_an_epoch_of_digits_ends_at_the_loss_of_the_reference() -> None:
    network = Network(layers=(784, 60, 10), learn_rate=0.1)
    digits = procedural(3000, 0)
    rows = next(minibatches(network, 3000, 1))
    lane = CpuFast(network, first_weights(network, 1), digits.training_pixels, digits.training_labels)
    lane.prepare(lambda: None)
    loss, err = lane.train_epoch(rows, 0.1, lambda: None)
    layers = first_weights(network, 1)
    velocities, running = zero_velocities(layers), Running()
    for minibatch in rows:
        x = scaled(digits.training_pixels[minibatch], "float32")
        t = one_hot(digits.training_labels[minibatch], 10, "float32")
        running.add(*step(network, layers, velocities, x, t, 0.1), len(minibatch))
    assert loss == pytest.approx(running.loss, abs=1e-3)
    assert err == pytest.approx(running.err, abs=2e-3)
    assert loss < 1.5


def test_sigmoid_units_are_refused_with_the_reason() -> None:
    network = Network(layers=(6, 5, 4), hidden="sigmoid")
    with pytest.raises(ValueError, match="rectified hidden units"):
        CpuFast(network, first_weights(network, 0), *small_set(network))
