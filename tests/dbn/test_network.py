from __future__ import annotations

import numpy as np
import pytest

from cudadoctor.dbn.network import Network, first_weights, minibatches


def test_the_defaults_make_732_minibatches_of_46900_samples() -> None:
    assert Network().minibatches_per_epoch(46_900) == 732


def test_the_learning_rate_decays_after_every_epoch() -> None:
    assert [round(Network().rate(epoch), 4) for epoch in (1, 2, 10)] == [0.3, 0.27, 0.1162]


def test_equal_seeds_give_equal_weights_and_minibatches() -> None:
    network = Network(layers=(30, 20, 10), batch_size=8)
    for one, other in zip(first_weights(network, 4), first_weights(network, 4), strict=True):
        assert (one.weights == other.weights).all()
    one, other = minibatches(network, 100, 4), minibatches(network, 100, 4)
    first, second = next(one), next(one)
    assert (first == next(other)).all()
    assert (second == next(other)).all()
    assert (first != second).any()


def test_another_seed_gives_other_weights_and_minibatches() -> None:
    network = Network(layers=(30, 20, 10), batch_size=8)
    assert (first_weights(network, 4)[0].weights != first_weights(network, 5)[0].weights).any()
    assert (next(minibatches(network, 100, 4)) != next(minibatches(network, 100, 5))).any()


def test_first_weights_are_gaussian_of_the_given_scale_and_biases_are_zero() -> None:
    (w1, b1), (w2, b2) = first_weights(Network(), 0)
    assert (w1.shape, b1.shape, w2.shape, b2.shape) == ((784, 300), (300,), (300, 10), (10,))
    assert w1.dtype == b1.dtype == np.float32
    assert abs(w1.std() - 0.05) < 0.001
    assert abs(w1.mean()) < 0.001
    assert not b1.any()
    assert not b2.any()


def test_an_epoch_draws_with_replacement_and_sees_63_percent_of_the_rows() -> None:
    rows = next(minibatches(Network(), 46_900, 0))
    assert rows.shape == (732, 64)
    assert abs(len(np.unique(rows)) / 46_900 - 0.632) < 0.01


@pytest.mark.parametrize("wrong", [{"layers": (784,)}, {"layers": (784, 0, 10)}, {"batch_size": 0}])
def test_an_impossible_network_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="needs at least"):
        Network(**wrong)  # type: ignore[arg-type]
