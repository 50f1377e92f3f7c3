from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from cudadoctor.dbn.network import Network, first_weights
from cudadoctor.dbn.pretraining import DivergedError, Pretraining, pretrain
from cudadoctor.dbn.rungs.pretraining import DeviceBench

PIXELS = np.random.default_rng(5).integers(0, 256, (20, 7), dtype=np.uint8)


def both(network: Network, options: Pretraining) -> Any:
    """Return what host and device make of the same draws."""
    layers = first_weights(network, 3)
    host = pretrain(network, layers, PIXELS, options, np.random.default_rng(1))
    bench = DeviceBench(network, PIXELS, options)
    return host, pretrain(network, layers, PIXELS, options, np.random.default_rng(1), bench=bench)


@pytest.mark.parametrize("real_valued", [True, False])
@pytest.mark.parametrize("hidden", ["relu", "sigmoid"])
def test_the_device_pretrains_as_the_host_does(hidden: Literal["relu", "sigmoid"], real_valued: bool) -> None:
    network = Network(layers=(7, 5, 3), batch_size=6, weight_scale=0.5, hidden=hidden)
    options = Pretraining(
        epochs=(2, 1), learn_rates=(0.01, 0.02), minibatches_per_epoch=2, real_valued_input=real_valued
    )
    host, device = both(network, options)
    np.testing.assert_allclose(np.concatenate(device.errors), np.concatenate(host.errors), rtol=1e-4)
    for ours, theirs in zip(device.layers, host.layers, strict=True):
        assert ours.weights.dtype == np.float32
        np.testing.assert_allclose(ours.weights, theirs.weights, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(ours.biases, theirs.biases, rtol=1e-4, atol=1e-5)


def test_new_statistics_count_less_without_nest_compare() -> None:
    network = Network(layers=(7, 5, 3), batch_size=6, weight_scale=0.5)
    options = Pretraining(epochs=(1, 1), learn_rates=(0.05, 0.05), minibatches_per_epoch=3, nest_compare=False)
    host, device = both(network, options)
    np.testing.assert_allclose(device.layers[0].weights, host.layers[0].weights, rtol=1e-4, atol=1e-5)


def test_a_learning_rate_that_is_too_high_is_told_on_the_device_too() -> None:
    network = Network(layers=(7, 5, 3), batch_size=6, weight_scale=0.5)
    options = Pretraining(epochs=(3, 0), learn_rates=(30.0, 0.0), minibatches_per_epoch=20)
    with pytest.raises(DivergedError, match="learning rate of 30 is too high"):
        pretrain(
            network,
            first_weights(network, 3),
            PIXELS,
            options,
            np.random.default_rng(1),
            bench=DeviceBench(network, PIXELS, options),
        )
