from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cudadoctor.dbn import reference
from cudadoctor.dbn.network import Hidden, Layer, Network

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())["steps"]


def test_five_steps_are_those_of_the_original() -> None:
    """The golden values came from the formulas of gdbn in float64; `init` in the file says how inputs are drawn."""
    draw = np.random.RandomState(7)
    x = draw.rand(640, 784)
    x = x * (draw.rand(640, 784) < 0.2)
    y = draw.randint(10, size=640)
    layers = [Layer(0.05 * draw.randn(784, 300), np.zeros(300)), Layer(0.05 * draw.randn(300, 10), np.zeros(10))]
    velocities = reference.zero_velocities(layers)
    for golden in GOLDEN:
        rows = draw.randint(640, size=64)
        t = reference.one_hot(y[rows], 10, "float64")
        loss, mistakes = reference.step(Network(), layers, velocities, x[rows], t, 0.3)
        (w1, b1), (w2, b2) = layers
        assert mistakes == golden["mistakes"]
        got = {
            "loss": loss / 64,
            "W1_fro": np.linalg.norm(w1),
            "W2_fro": np.linalg.norm(w2),
            "b1_sum": b1.sum(),
            "b2_0": b2[0],
            "W1_0_0": w1[0, 0],
            "W1_700_299": w1[700, 299],
        }
        assert got == pytest.approx({name: golden[name] for name in got}, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_keeps_its_precision(dtype: str) -> None:
    layers = [Layer(np.ones((3, 2), dtype), np.zeros(2, dtype))]
    velocities = reference.zero_velocities(layers)
    reference.step(
        Network(layers=(3, 2)), layers, velocities, np.ones((4, 3), dtype), np.eye(2, dtype=dtype)[[0] * 4], 0.3
    )
    assert {str(a.dtype) for pair in (*layers, *velocities) for a in pair} == {dtype}


def test_one_step_by_hand() -> None:
    """One input of 1, two classes, equal weights: p is 1/2 each, so the gradient is (1/2, -1/2)."""
    network = Network(layers=(1, 2), batch_size=1, l2=0.0)
    layers = [Layer(np.zeros((1, 2)), np.zeros(2))]
    velocities = [Layer(np.zeros((1, 2)), np.zeros(2))]
    x, t = np.ones((1, 1)), np.array([[1.0, 0.0]])
    loss, mistakes = reference.step(network, layers, velocities, x, t, 0.2)
    assert loss == pytest.approx(np.log(2))
    assert mistakes == 0
    assert layers[0].weights.tolist() == [[0.1, -0.1]]
    assert layers[0].biases.tolist() == [0.1, -0.1]


def test_the_look_ahead_shows_in_the_loss_of_the_second_step() -> None:
    """With W = v = (0.1, -0.1) and mu = 0.9 the loss is taken at A = W + mu v = 0.19, biases alike."""
    network = Network(layers=(1, 2), batch_size=1, l2=0.0)
    layers = [Layer(np.array([[0.1, -0.1]]), np.array([0.1, -0.1]))]
    velocities = [Layer(np.array([[0.1, -0.1]]), np.array([0.1, -0.1]))]
    loss, _ = reference.step(network, layers, velocities, np.ones((1, 1)), np.array([[1.0, 0.0]]), 0.2)
    assert loss == pytest.approx(np.log1p(np.exp(-4 * 0.19)))


def test_the_l2_cost_shrinks_weights_and_leaves_biases() -> None:
    network = Network(layers=(1, 2), batch_size=1, l2=0.5)
    layers = [Layer(np.array([[3.0, 3.0]]), np.array([3.0, 3.0]))]
    reference.step(network, layers, reference.zero_velocities(layers), np.zeros((1, 1)), np.full((1, 2), 0.5), 0.2)
    assert layers[0].weights.tolist() == [[pytest.approx(2.7), pytest.approx(2.7)]]
    assert layers[0].biases.tolist() == [3.0, 3.0]


def test_running_averages_weigh_cases() -> None:
    running = reference.Running()
    running.add(6.0, 1, 3)
    running.add(1.0, 1, 1)
    assert (running.loss, running.err) == (7 / 4, 2 / 4)


def test_prediction_of_no_rows_is_empty() -> None:
    layers = [Layer(np.zeros((4, 2), np.float32), np.zeros(2, np.float32))]
    assert reference.predict(layers, np.zeros((0, 4), np.uint8)).tolist() == []


@pytest.mark.parametrize("hidden", ["relu", "sigmoid"])
def test_a_step_goes_down_the_slope_that_differences_show(hidden: Hidden) -> None:
    """Without momentum and L2 a step is -lr times the gradient of the mean loss; central differences measure it."""
    network = Network(layers=(5, 4, 3, 3), batch_size=6, momentum=0.0, l2=0.0, hidden=hidden)
    draw = np.random.default_rng(2)
    layers = [Layer(draw.normal(size=(n, m)), draw.normal(size=m)) for n, m in ((5, 4), (4, 3), (3, 3))]
    x, t = draw.random((6, 5)), np.eye(3)[draw.integers(0, 3, 6)]

    def loss_at(number: int, place: tuple[int, int], shift: float) -> float:
        moved = [Layer(w.copy(), b) for w, b in layers]
        moved[number].weights[place] += shift
        z = reference.forward(x, moved, hidden)[-1]
        return -float((t * reference.log_softmax(z)).sum()) / 6

    after = list(layers)
    reference.step(network, after, reference.zero_velocities(layers), x, t, 0.5)
    for number, (weights, _) in enumerate(layers):
        slopes = np.array(
            [
                (loss_at(number, place, 1e-6) - loss_at(number, place, -1e-6)) / 2e-6
                for place in np.ndindex(*weights.shape)
            ]
        )
        assert abs(slopes).max() > 1e-3
        np.testing.assert_allclose((after[number].weights - weights).reshape(-1), -0.5 * slopes, rtol=1e-4, atol=1e-8)


def test_the_sigmoid_neither_overflows_nor_changes_precision() -> None:
    with np.errstate(over="raise", invalid="raise"):
        got = reference.sigmoid(np.array([-1000, -1, 0, 1, 1000], "float32"))
    assert got.dtype == np.float32
    assert got.tolist() == pytest.approx([0, 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1])


def test_prediction_uses_the_hidden_units_asked_for() -> None:
    """One hidden unit with input -1: rectified it is 0, so class 0 wins by its bias; as a sigmoid it is 0.27."""
    layers = [
        Layer(np.array([[-1.0]], "float32"), np.zeros(1, "float32")),
        Layer(np.array([[0.0, 1.0]], "float32"), np.array([0.1, 0.0], "float32")),
    ]
    pixels = np.array([[255]], np.uint8)
    assert reference.predict(layers, pixels).tolist() == [0]
    assert reference.predict(layers, pixels, hidden="sigmoid").tolist() == [1]
