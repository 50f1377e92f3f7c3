from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from cudadoctor.dbn.network import Network, first_weights
from cudadoctor.dbn.rungs.fused import Fused, Graph, why_not_fused
from cudadoctor.dbn.rungs.per_operation import Copied, HostArrays, PerOperation, Pinned, ResidentReadBack
from cudadoctor.dbn.style_2014 import Style2014, why_not_2014
from tests.dbn.following import assert_follows_the_reference, small_set
from tests.simulator import SIMULATED

STEPWISE = [HostArrays, Copied, Pinned, ResidentReadBack, PerOperation, Fused, Style2014]
# In the simulator the deeper network alone: it holds all that the other does, and takes seconds a lane.
SHAPES = [(4, 5, 3, 2)] if SIMULATED else [(7, 5, 3), (4, 5, 3, 2)]


@pytest.mark.parametrize("layers", SHAPES)
@pytest.mark.parametrize("lane", STEPWISE, ids=lambda lane: lane.name)
def test_every_rung_follows_the_reference(lane: Any, layers: tuple[int, ...]) -> None:
    assert_follows_the_reference(lane, Network(layers=layers, batch_size=11, weight_scale=0.5))


@pytest.mark.parametrize("lane", [HostArrays, Copied, Pinned, ResidentReadBack, PerOperation], ids=lambda one: one.name)
def test_every_rung_of_single_operations_trains_sigmoid_units(lane: Any) -> None:
    network = Network(layers=SHAPES[0], batch_size=11, weight_scale=0.5, hidden="sigmoid")
    assert_follows_the_reference(lane, network)


@pytest.mark.parametrize("why_not", [why_not_fused, why_not_2014])
def test_rungs_written_for_rectified_units_refuse_others_with_the_reason(why_not: Any) -> None:
    assert "rectified hidden units" in why_not(Network(layers=(4, 5, 3), hidden="sigmoid"))
    assert why_not(Network(layers=(4, 5, 3))) is None


def test_a_network_without_hidden_units_is_trained_operation_by_operation() -> None:
    network = Network(layers=(4, 3), batch_size=11, weight_scale=0.5)
    assert_follows_the_reference(PerOperation, network)
    assert "hidden layer" in (why_not_fused(network) or "")


@pytest.mark.skipif(SIMULATED, reason="the simulator records no graphs")
@pytest.mark.parametrize("layers", SHAPES)
def test_a_graph_follows_the_reference_at_more_than_one_learning_rate(layers: tuple[int, ...]) -> None:
    assert_follows_the_reference(Graph, Network(layers=layers, batch_size=11, weight_scale=0.5), epochs=2)


def test_the_lane_of_2014_makes_the_calls_that_were_counted() -> None:
    """103 operations and 74 waits, as recorded from gdbn, gnumpy and cudamat (minibatch of 64, two layers)."""
    network = Network(layers=(4, 5, 3), batch_size=64)
    lane = Style2014(network, first_weights(network, 0), np.zeros((64, 4), np.uint8), np.zeros(64, np.uint8))
    device = [step for step in lane.steps if step.kind != "host"]
    names = Counter(step.name for step in device)
    assert len(device) == 103
    assert sum(step.waits for step in device) == 74
    assert (names["product"], names["sum"], names["copy"], names["transpose"]) == (5, 7, 26, 3)
    kinds = Counter(step.kind for step in device)
    assert (kinds["copy-to-device"], kinds["copy-to-host"]) == (2, 4)
    assert kinds["launch"] - names["product"] - names["sum"] - names["copy"] == 59


@pytest.mark.parametrize("lane", STEPWISE, ids=lambda lane: lane.name)
def test_part_of_an_epoch_after_a_whole_one_has_its_own_loss(lane: Any) -> None:
    network = Network(layers=(7, 5, 3), batch_size=5, weight_scale=0.5)
    pixels, labels = small_set(network)
    weights = first_weights(network, 3)
    rows = np.random.default_rng(1).integers(0, len(pixels), (3, 5), dtype=np.uint32)
    after_all, alone = (lane(network, weights, pixels, labels) for _ in range(2))
    after_all.prepare(lambda: None)
    alone.prepare(lambda: None)
    after_all.train_epoch(rows, 0.0, lambda: None)
    assert after_all.train_epoch(rows[:1], 0.0, lambda: None) == alone.train_epoch(rows[:1], 0.0, lambda: None)
