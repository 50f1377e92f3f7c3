"""CD-1 against a version in loops over samples and units."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest

from cudadoctor.dbn import reference
from cudadoctor.dbn.digits import procedural
from cudadoctor.dbn.network import Network, first_weights
from cudadoctor.dbn.pretraining import (
    DivergedError,
    Machine,
    Pretraining,
    Units,
    cd1_step,
    pretrain,
    reconstruct,
    sample,
)

Hidden = Literal["relu", "sigmoid"]


class Listed:
    """Draws that are known beforehand."""

    def __init__(self, noise: Any) -> None:
        self.noise = noise

    def integers(self, low: int, high: int, size: int) -> Any:
        raise AssertionError("one step draws no rows")

    def random(self, size: tuple[int, int]) -> Any:
        assert size == self.noise.shape
        return self.noise

    standard_normal = random


def act(n: float, kind: Units) -> float:
    if kind == "gaussian":
        return n
    return max(0.0, n) if kind == "relu" else 1 / (1 + math.exp(-n))


def state(mean: float, noise: float, kind: Units) -> float:
    if kind == "sigmoid":
        return 1.0 if noise <= mean else 0.0
    return max(0.0, mean + math.sqrt(1 / (1 + math.exp(-mean)) + 1e-30) * noise)


def by_hand(w: Any, g: Any, b: Any, dw: Any, dg: Any, db: Any, v: Any, noise: Any, visible: Units, hidden: Units,
            lr: float, mu: float, l2: float, f: float) -> tuple[Any, ...]:  # fmt: skip
    """One step of CD-1 in loops."""
    m, nv, nh = len(v), len(g), len(b)
    sw, sg, sb, error = np.zeros((nv, nh)), np.zeros(nv), np.zeros(nh), 0.0
    for s in range(m):
        hp = [act(sum(v[s][i] * w[i][j] for i in range(nv)) + b[j], hidden) for j in range(nh)]
        hs = [state(hp[j], noise[s][j], hidden) for j in range(nh)]
        vn = [act(sum(hs[j] * w[i][j] for j in range(nh)) + g[i], visible) for i in range(nv)]
        hn = [act(sum(vn[i] * w[i][j] for i in range(nv)) + b[j], hidden) for j in range(nh)]
        for i in range(nv):
            sg[i] += v[s][i] - vn[i]
            error += (v[s][i] - vn[i]) ** 2
            for j in range(nh):
                sw[i][j] += v[s][i] * hp[j] - vn[i] * hn[j]
        for j in range(nh):
            sb[j] += hp[j] - hn[j]
    dw, dg, db = mu * dw + f * sw, mu * dg + f * sg, mu * db + f * sb
    w = w * (1 - l2 * lr * f)
    return w + lr / m * dw, g + lr / m * dg, b + lr / m * db, dw, dg, db, error


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
@pytest.mark.parametrize("factor", [1.0, 0.1])
@pytest.mark.parametrize("hidden", ["relu", "sigmoid"])
@pytest.mark.parametrize("visible", ["gaussian", "relu", "sigmoid"])
def test_three_steps_are_those_of_the_loops(
    visible: Units, hidden: Hidden, factor: float, dtype: str, tolerance: float
) -> None:
    draw = np.random.default_rng(1)
    parts = [draw.normal(size=shape) for shape in ((5, 4), (5,), (4,), (5, 4), (5,), (4,))]
    machine, speed = (Machine(*(part.astype(dtype) for part in some)) for some in (parts[:3], parts[3:]))
    expected: Any = parts
    for _ in range(3):
        v, noise = draw.random((6, 5)), draw.random((6, 4)) if hidden == "sigmoid" else draw.normal(size=(6, 4))
        machine, speed, error = cd1_step(
            machine,
            speed,
            v.astype(dtype),
            visible=visible,
            hidden=hidden,
            learn_rate=0.05,
            momentum=0.9,
            l2=0.01,
            factor=factor,
            draws=Listed(noise),
        )
        *expected, error_by_hand = by_hand(*expected, v, noise, visible, hidden, 0.05, 0.9, 0.01, factor)
        assert error == pytest.approx(error_by_hand, rel=10 * tolerance)
    for got, known in zip((*machine, *speed), expected, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, known, rtol=10 * tolerance, atol=10 * tolerance)


def test_sigmoid_units_are_1_as_often_as_they_should_be_and_else_0() -> None:
    states = sample(np.full((200, 100), 0.3), "sigmoid", np.random.default_rng(0))
    assert set(np.unique(states)) == {0.0, 1.0}
    assert states.mean() == pytest.approx(0.3, abs=0.01)


def test_rectified_units_get_noise_of_the_variance_of_a_sigmoid() -> None:
    states = sample(np.full((300, 100), 9.0), "relu", np.random.default_rng(0))
    assert states.mean() == pytest.approx(9, abs=0.02)
    assert states.var() == pytest.approx(1 / (1 + math.exp(-9)), rel=0.02)
    assert sample(np.full((300, 100), 0.0), "relu", np.random.default_rng(0)).min() == 0


def test_visible_units_are_reconstructed_without_noise() -> None:
    machine = Machine(np.array([[2.0], [-1.0]]), np.array([0.5, 0.25]), np.zeros(1))
    states = np.array([[1.0]])
    assert reconstruct(states, machine, "gaussian").tolist() == [[2.5, -0.75]]
    assert reconstruct(states, machine, "relu").tolist() == [[2.5, 0]]
    assert reconstruct(states, machine, "sigmoid")[0] == pytest.approx(
        [1 / (1 + math.exp(-2.5)), 1 / (1 + math.exp(0.75))]
    )


@pytest.mark.parametrize(("hidden", "rates"), [("relu", (0.001, 0.001)), ("sigmoid", (0.005, 0.005))])
def test_the_error_falls_on_the_digits_and_fine_tuning_starts_ahead(hidden: Hidden, rates: tuple[float, ...]) -> None:
    network = Network(layers=(784, 60, 10), hidden=hidden)
    pixels = procedural(2000, 0).training_pixels
    first = first_weights(network, 0)
    before = [layer.weights.copy() for layer in first]
    options = Pretraining(epochs=(3, 2), learn_rates=rates)
    told: list[tuple[int, int, float]] = []
    ticks: list[None] = []
    layers, errors = pretrain(
        network, first, pixels, options, np.random.default_rng(0), lambda: ticks.append(None), lambda *e: told.append(e)
    )
    assert [len(of_layer) for of_layer in errors] == [3, 2]
    assert errors[0][0] > errors[0][1] > errors[0][2]
    assert errors[1][0] > errors[1][1]
    assert told == [
        (1, 1, errors[0][0]),
        (1, 2, errors[0][1]),
        (1, 3, errors[0][2]),
        (2, 1, errors[1][0]),
        (2, 2, errors[1][1]),
    ]
    assert len(ticks) == 5 * (2000 // 64)
    assert all((a == layer.weights).all() for a, layer in zip(before, first, strict=True))
    x = reference.scaled(pixels, "float32")

    def error_of(weights: Any, biases: Any, visible_mean: Any) -> float:
        """Of one reconstruction without noise, the visible biases taken from the data."""
        h = reference.activate(x @ weights + biases, hidden)
        return float(np.square(x - h @ weights.T - (visible_mean - (h @ weights.T).mean(axis=0))).sum(axis=1).mean())

    assert error_of(*layers[0], x.mean(axis=0)) < error_of(*first[0], x.mean(axis=0))
    assert layers[0].weights.dtype == np.float32


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_learning_rate_of_fine_tuning_diverges_and_says_so(dtype: str) -> None:
    network = Network(layers=(784, 60, 10))
    options = Pretraining(epochs=(1, 1), learn_rates=(0.3, 0.3))
    pixels = procedural(2000, 0).training_pixels
    with pytest.raises(DivergedError, match=r"layer 1 diverged in epoch 1: .* of 0\.3 is too high; try 0\.001$"):
        pretrain(network, first_weights(network, 0, dtype), pixels, options, np.random.default_rng(0))


def test_layers_without_epochs_stay_as_they_are() -> None:
    network = Network(layers=(784, 9, 8, 10))
    first = first_weights(network, 0)
    options = Pretraining(epochs=(0, 1, 0), learn_rates=(0.001,) * 3, minibatches_per_epoch=2)
    layers, errors = pretrain(network, first, procedural(100, 0).training_pixels, options, np.random.default_rng(0))
    assert (layers[0].weights == first[0].weights).all()
    assert (layers[1].weights != first[1].weights).any()
    assert (layers[2].weights == first[2].weights).all()
    assert [len(of_layer) for of_layer in errors] == [0, 1, 0]


def test_one_number_is_needed_for_each_layer() -> None:
    network = Network(layers=(784, 9, 10))
    options = Pretraining(epochs=(1,), learn_rates=(0.001, 0.001))
    with pytest.raises(ValueError, match="needs 2 epochs"):
        pretrain(network, first_weights(network, 0), np.zeros((9, 784), np.uint8), options, np.random.default_rng(0))
