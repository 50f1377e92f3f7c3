from __future__ import annotations

import pytest

from cudadoctor.dbn.cpu import CpuFast
from cudadoctor.dbn.network import Network
from tests.dbn.following import assert_follows_the_reference, small_set


@pytest.mark.parametrize("layers", [(20, 17, 5), (6, 4), (9, 8, 7, 3), (1, 1, 1)])
def test_the_lane_follows_the_reference(layers: tuple[int, ...]) -> None:
    assert_follows_the_reference(CpuFast, Network(layers=layers, batch_size=9, weight_scale=0.3), epochs=3)


def test_the_lane_leaves_the_first_weights_to_the_next_lane() -> None:
    from cudadoctor.dbn.network import first_weights, minibatches

    network = Network(layers=(6, 5, 4), batch_size=5)
    weights = first_weights(network, 0)
    before = [layer.weights.copy() for layer in weights]
    lane = CpuFast(network, weights, *small_set(network))
    lane.train_epoch(next(minibatches(network, 30, 0)), 0.3, lambda: None)
    assert all((a == b.weights).all() for a, b in zip(before, weights, strict=True))
    assert any((a != b.weights).any() for a, b in zip(before, lane.layers(), strict=True))


def test_the_notes_name_the_blas_and_its_threads() -> None:
    network = Network(layers=(6, 5, 4))
    lane = CpuFast(network, [], *small_set(network))
    assert any("threads" in note for note in lane.notes)
