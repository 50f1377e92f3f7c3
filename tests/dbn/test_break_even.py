"""Both lanes at a size, made cheaply: the CPU's for real, the GPU's by a stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cudadoctor.dbn import break_even, quiet
from cudadoctor.dbn.break_even import SizedLanes, repeated_weights, searches
from cudadoctor.dbn.cpu import Choice, CpuFast
from cudadoctor.dbn.crossing import Steps
from cudadoctor.dbn.digits import Digits
from cudadoctor.dbn.network import Network
from cudadoctor.facts.explanation import BreakEven

NETWORK = Network(layers=(30, 20, 4), batch_size=8)


class StandIn(CpuFast):
    def prepare(self, tick: Any) -> float:
        self.adopt(Choice("dense", 1))
        return 0.0


@pytest.fixture
def digits(monkeypatch: pytest.MonkeyPatch) -> Digits:
    def make(name: str, network: Network, layers: Any, digits: Digits, index: int) -> Any:
        return StandIn(network, layers, digits.training_pixels, digits.training_labels)

    monkeypatch.setattr(break_even, "make", make)
    generator = np.random.default_rng(4)
    pixels = generator.integers(0, 256, (400, 30), dtype=np.uint8)
    labels = generator.integers(0, 4, 400, dtype=np.uint8)
    return Digits(pixels, labels, pixels[:0], labels[:0])


@pytest.mark.parametrize(("variable", "size"), [("batch_size", 400), ("batch_size", 1), ("hidden_units", 150)])
def test_both_lanes_are_sampled_at_a_size(digits: Digits, variable: Any, size: int) -> None:
    lanes = SizedLanes(variable, NETWORK, digits, 0, None, lambda: None)
    lanes.choose(size)
    for lane in lanes.open(size):
        assert 0 < lane.sample() < 1e6
    lanes.calm()


def test_widths_are_varied_where_there_is_one_hidden_layer(digits: Digits) -> None:
    told = [name for name, _ in searches(NETWORK, digits, 0, Choice("sparse", 1), lambda: None)]
    assert told == ["batch_size", "hidden_units"]
    deep = Network(layers=(30, 20, 20, 4), batch_size=8)
    assert [name for name, _ in searches(deep, digits, 0, None, lambda: None)] == ["batch_size"]


def result(search: Steps) -> BreakEven:
    ended: list[BreakEven] = []

    def run() -> Iterator[None]:
        ended.append((yield from search))

    assert len(list(run())) < 1000
    return ended[0]


def test_a_search_on_lanes_that_are_alike_tells_no_crossing(digits: Digits) -> None:
    for _, search in searches(NETWORK, digits, 0, Choice("dense", 1), lambda: None):
        found = result(search)
        assert found.reason or found.checks
        assert all(point.cpu_us > 0 and point.gpu_us > 0 for point in found.points)


def test_repeated_weights_have_the_network_s_shapes_and_spread() -> None:
    network = Network(layers=(784, 3000, 10))
    first, second = repeated_weights(network)
    assert first.weights.shape == (784, 3000)
    assert second.weights.shape == (3000, 10)
    assert first.weights.std() == pytest.approx(network.weight_scale, rel=0.02)
    assert first.weights.dtype == second.biases.dtype == np.float32
    assert first.weights.flags.c_contiguous


class Clock:
    """Time that passes in naps only, and a process that is busy until some moment."""

    def __init__(self, busy_until: float) -> None:
        self.now, self._busy_until = 0.0, busy_until

    def perf_counter(self) -> float:
        return self.now

    def process_time(self) -> float:
        return 15 * min(self.now, self._busy_until)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("busy_until", "least", "most"), [(0.0, 0.0, 0.003), (0.06, 0.06, 0.065), (9.0, 0.2, 0.21)])
def test_quiet_is_waited_for_while_threads_turn_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, busy_until: float, least: float, most: float
) -> None:
    monkeypatch.setattr(quiet, "time", Clock(busy_until))
    assert least <= quiet.wait_until_quiet() <= most


def test_a_network_that_the_cpu_s_lane_cannot_train_has_no_break_even(digits: Digits) -> None:
    other = Network(layers=(30, 20, 4), batch_size=8, hidden="sigmoid")
    assert list(searches(other, digits, 0, None, lambda: None)) == []
