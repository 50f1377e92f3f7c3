"""The kernel that trains an epoch, on a GPU; without one `tests/dbn/test_persistent.py` emulates it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.dbn import following
from tests.simulator import SIMULATED

if SIMULATED:
    pytest.skip("the simulator has neither tensor cores nor asynchronous copies", allow_module_level=True)

from cudadoctor.dbn import reference
from cudadoctor.dbn.digits import procedural
from cudadoctor.dbn.network import Layer, Network, first_weights
from cudadoctor.dbn.persistent.lane import GpuPersistent, why_no_persistent_kernel

pytestmark = pytest.mark.gpu


def skip_unless_possible(network: Network) -> None:
    reason = why_no_persistent_kernel(network, 0)
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def digits() -> Any:
    return procedural(640, 1)


def by_reference(network: Network, layers: list[Layer], digits: Any, rows: Any) -> tuple[list[Layer], float, float]:
    layers = [Layer(w.astype(np.float64), b.astype(np.float64)) for w, b in layers]
    velocities = reference.zero_velocities(layers)
    running = reference.Running()
    for minibatch in rows:
        x = reference.scaled(digits.training_pixels[minibatch], "float64")
        t = reference.one_hot(digits.training_labels[minibatch], network.classes, "float64")
        running.add(*reference.step(network, layers, velocities, x, t, 0.3), len(minibatch))
    return layers, running.loss, running.err


@pytest.mark.parametrize(
    ("layers", "scale"), [((7, 5, 3), 0.5), ((4, 3, 2), 0.5), ((40, 9, 3), 0.5), ((4, 3, 18), 0.5), ((33, 700, 5), 0.1)]
)
def test_it_follows_the_reference(layers: tuple[int, ...], scale: float) -> None:
    network = Network(layers=layers, batch_size=11, weight_scale=scale)
    skip_unless_possible(network)
    following.assert_follows_the_reference(GpuPersistent, network)


@pytest.mark.parametrize("batch", [16, 65, 128])
def test_it_follows_the_reference_with_other_minibatches(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(layers=(20, 9, 3), batch_size=batch, weight_scale=0.5)
    skip_unless_possible(network)
    monkeypatch.setattr(following, "SAMPLES", 3 * batch)
    following.assert_follows_the_reference(GpuPersistent, network)


def test_it_follows_the_reference_step_by_step(digits: Any) -> None:
    network = Network()
    skip_unless_possible(network)
    layers = first_weights(network, 0)
    lane = GpuPersistent(
        network, layers, digits.training_pixels[:64], digits.training_labels[:64]
    )  # an epoch of one step
    lane.prepare(lambda: None)
    rows = np.random.default_rng(1).integers(0, 64, (10, 64), dtype=np.uint32)
    seen_loss = seen_err = 0.0
    for count in range(1, len(rows) + 1):
        loss, err = lane.train_epoch(rows[count - 1 : count], 0.3, lambda: None)
        expected, running_loss, running_err = by_reference(network, layers, digits, rows[:count])
        assert loss == pytest.approx(count * running_loss - seen_loss, abs=1e-5)
        assert err == pytest.approx(count * running_err - seen_err, abs=1e-9)
        seen_loss, seen_err = count * running_loss, count * running_err
        for a, b in zip(expected, lane.layers(), strict=True):
            np.testing.assert_allclose(b.weights, a.weights, atol=1e-5)
            np.testing.assert_allclose(b.biases, a.biases, atol=1e-5)


@pytest.mark.parametrize(
    ("layers", "batch", "steps"),
    [
        ((784, 300, 10), 64, 100),
        ((784, 512, 10), 64, 100),
        ((784, 100, 10), 64, 100),
        ((784, 301, 10), 16, 20),
        ((784, 300, 10), 128, 100),
        ((784, 1000, 10), 64, 20),
    ],
)
def test_an_epoch_agrees_with_the_reference(layers: tuple[int, ...], batch: int, steps: int, digits: Any) -> None:
    """As long as two references in single and double precision agree; after 120 minibatches of 16 they do not."""
    network = Network(layers=layers, batch_size=batch)
    skip_unless_possible(network)
    first = first_weights(network, 0)
    pixels, labels = digits.training_pixels, digits.training_labels
    taken = max(steps * batch, len(pixels))  # rows are drawn from all of the digits
    many = -(-taken // len(pixels))
    lane = GpuPersistent(network, first, np.tile(pixels, (many, 1))[:taken], np.tile(labels, many)[:taken])
    lane.prepare(lambda: None)
    rows = np.random.default_rng(2).integers(0, len(pixels), (steps, batch), dtype=np.uint32)
    loss, err = lane.train_epoch(rows, 0.3, lambda: None)
    expected, expected_loss, expected_err = by_reference(network, first, digits, rows)
    assert loss == pytest.approx(expected_loss, abs=1e-5)
    assert err == pytest.approx(expected_err, abs=1e-3)
    for a, b in zip(expected, lane.layers(), strict=True):
        np.testing.assert_allclose(b.weights, a.weights, atol=1e-4)
        np.testing.assert_allclose(b.biases, a.biases, atol=1e-4)


def test_part_of_an_epoch_after_a_whole_one_has_its_own_loss(digits: Any) -> None:
    network = Network()
    skip_unless_possible(network)
    rows = np.random.default_rng(3).integers(0, 640, (10, 64), dtype=np.uint32)
    losses = []
    for before in (10, 0):
        lane = GpuPersistent(network, first_weights(network, 0), digits.training_pixels, digits.training_labels)
        lane.prepare(lambda: None)
        if before:
            lane.train_epoch(rows, 0.0, lambda: None)
        losses.append(lane.train_epoch(rows[:3], 0.0, lambda: None))
    assert losses[0] == losses[1]


def test_training_is_repeatable_to_the_last_bit(digits: Any) -> None:
    network = Network()
    skip_unless_possible(network)
    rows = np.random.default_rng(3).integers(0, 640, (10, 64), dtype=np.uint32)
    results = []
    for _ in range(2):
        lane = GpuPersistent(network, first_weights(network, 0), digits.training_pixels, digits.training_labels)
        lane.prepare(lambda: None)
        results.append((lane.train_epoch(rows, 0.3, lambda: None), lane.layers()))
    (first, before), (second, after) = results
    assert first == second
    for a, b in zip(before, after, strict=True):
        assert np.array_equal(a.weights, b.weights)
        assert np.array_equal(a.biases, b.biases)


def test_it_says_what_it_cannot_take() -> None:
    assert "one hidden layer" in str(why_no_persistent_kernel(Network(layers=(784, 10)), 0))
    assert "KiB of shared memory" in str(why_no_persistent_kernel(Network(batch_size=4096), 0))
