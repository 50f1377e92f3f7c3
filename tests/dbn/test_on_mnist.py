"""Training on MNIST, against the figures of the original code and of the post of 2014.

MNIST is no part of the project: CUDADOCTOR_TEST_MNIST names a folder with its four files. With
CUDADOCTOR_TEST_DEVICE=gpu the lanes of the GPU are held against the curve as well.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cudadoctor.dbn import reference
from cudadoctor.dbn.contenders import device_bench
from cudadoctor.dbn.events import Options
from cudadoctor.dbn.network import Hidden, Layer, Network
from cudadoctor.dbn.pretraining import Pretraining, pretrain
from cudadoctor.dbn.race import run
from cudadoctor.facts.race import Race
from tests.dbn.bands import apply_to, outliers
from tests.simulator import ON_GPU

MNIST = os.environ.get("CUDADOCTOR_TEST_MNIST")
LANES = ("gpu-copied", "gpu-graph", "gpu-persistent") if ON_GPU else ("cpu-reference", "cpu-fast")

needs_mnist = pytest.mark.skipif(not MNIST, reason="set CUDADOCTOR_TEST_MNIST to a folder with the four MNIST files")
needs_gpu = pytest.mark.skipif(not ON_GPU, reason="CUDADOCTOR_TEST_DEVICE=gpu runs them on a GPU")


@needs_mnist
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ten_epochs_follow_the_curve_of_2014(seed: int) -> None:
    """Twelve seeds of the original network on MNIST; the post's own last figures, 0.0183 and 0.497 %, lie within."""
    *_, race = run(Options(lanes=LANES, seed=seed, mnist=MNIST, stand_ins=False))
    assert isinstance(race, Race)
    assert apply_to(race)
    assert [lane.state for lane in race.lanes] == ["finished"] * len(LANES)
    for lane in race.lanes:
        assert outliers(lane.epochs, lane.test_accuracy, race.data) == (), lane.name


@needs_mnist
@pytest.mark.parametrize("where", ["host", pytest.param("device", marks=needs_gpu)])
@pytest.mark.parametrize(
    ("hidden", "rate", "errors", "loss", "err"),
    [
        ("relu", 0.001, (132.774, 92.345, 23.257), 0.68141, 0.183125),
        ("sigmoid", 0.005, (103.64, 62.86, 6.590), 0.63455, 0.15906),
    ],
)
def test_the_figures_of_gdbn_on_mnist(
    hidden: Hidden, rate: float, errors: tuple[float, ...], loss: float, err: float, where: str
) -> None:
    """gdbn under npmat: 200 minibatches an epoch; two epochs of layer 1, one of layer 2, one of fine-tuning.

    Which training rows it had is not recorded, so the figures are met within what another split changes.
    """
    from cudadoctor.dbn.mnist import read

    digits = read(Path(str(MNIST)))
    network = Network(hidden=hidden)
    draws = Npmat(network)
    layers = [Layer(w.astype("float32"), b.astype("float32")) for w, b in draws.layers]
    options = Pretraining(epochs=(2, 1), learn_rates=(rate, rate), minibatches_per_epoch=200)
    bench = device_bench(network, digits.training_pixels, options, 0) if where == "device" else None
    layers, got = pretrain(network, layers, digits.training_pixels, options, draws, bench=bench)
    assert (*got[0], *got[1]) == pytest.approx(errors, rel=0.02)

    velocities, running = reference.zero_velocities(layers), reference.Running()
    for _ in range(200):
        rows = draws.integers(0, len(digits.training_pixels), 64)
        x = reference.scaled(digits.training_pixels[rows], "float32")
        t = reference.one_hot(digits.training_labels[rows], 10, "float32")
        running.add(*reference.step(network, layers, velocities, x, t, 0.3), 64)
    assert (running.loss, running.err) == pytest.approx((loss, err), rel=0.1)


class Npmat:
    """The random stream of gdbn with npmat, which reseeds with 0 and draws one number more after each noise array."""

    def __init__(self, network: Network) -> None:
        self._stream = np.random.RandomState(0)
        stream = self._stream
        inputs, hidden, classes = network.layers
        for n in (classes, inputs, hidden):
            stream.rand(1, n)  # biases, zeroed later
        weights = []
        for n, m in ((inputs, hidden), (hidden, classes)):
            weights.append(network.weight_scale * stream.randn(n, m))
            for _ in range(m):
                stream.permutation(n)  # a mask of connections, without effect
        self.layers = [Layer(w, np.zeros(w.shape[1])) for w in weights]

    def integers(self, low: int, high: int, size: int) -> Any:
        return self._stream.randint(low, high, size=size)

    def random(self, size: tuple[int, int]) -> Any:
        return self._checked(self._stream.rand(*size))

    def standard_normal(self, size: tuple[int, int]) -> Any:
        return self._checked(self._stream.randn(*size))

    def _checked(self, noise: Any) -> Any:
        self._stream.rand()
        return noise


def test_the_stream_of_npmat_is_drawn_in_its_order() -> None:
    """Independent of `Npmat`: the same calls, written out for 3-2-2."""
    draws = Npmat(Network(layers=(3, 2, 2)))
    again = np.random.RandomState(0)
    again.rand(2 + 3 + 2)
    w1 = again.randn(6).reshape(3, 2)
    for _ in range(2):
        again.permutation(3)
    w2 = again.randn(4).reshape(2, 2)
    for _ in range(2):
        again.permutation(2)
    assert (draws.layers[0].weights == 0.05 * w1).all()
    assert (draws.layers[1].weights == 0.05 * w2).all()
    assert (draws.integers(0, 9, 4) == again.randint(9, size=4)).all()
    assert (draws.standard_normal((2, 2)) == again.randn(2, 2)).all()
    again.rand()
    assert (draws.random((2, 2)) == again.rand(2, 2)).all()
