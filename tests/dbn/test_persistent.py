"""The kernel that trains an epoch, emulated; on a GPU `tests/dbn/device` runs the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cudadoctor.dbn.network import Layer, Network
from cudadoctor.dbn.persistent import fragments, sums
from cudadoctor.dbn.persistent.arrays import first_state, padded_pixels, rates, sums_for, weights_of
from cudadoctor.dbn.persistent.plan import divide, why_not
from tests.dbn import emulator, following
from tests.dbn.following import assert_follows_the_reference


def lane_type(monkeypatch: pytest.MonkeyPatch, multiprocessors: int, shared_bytes: int = 1 << 18) -> Any:
    class Emulated:
        def __init__(self, network: Network, layers: list[Layer], pixels: Any, labels: Any) -> None:
            self.network = network
            self.plan = divide(network, multiprocessors=multiprocessors, shared_bytes=shared_bytes)
            self.pixels, self.labels = padded_pixels(pixels, self.plan), labels.astype(np.int32)
            self.state = first_state(layers)
            self.sums = np.full(sums_for(self.plan), 12345, np.int64)

        def prepare(self, tick: Any) -> None:
            pass

        def train_epoch(self, rows: Any, learn_rate: float, tick: Any) -> tuple[float, float]:
            totals = np.full(2 * len(rows), np.nan, np.float32)
            arrays = (self.pixels, self.labels, rows.reshape(-1), self.state, self.sums, totals)
            emulator.launch(monkeypatch, self.plan, (*arrays, len(rows), *rates(self.network, learn_rate)))
            loss, mistakes = totals.reshape(-1, 2).sum(axis=0, dtype=np.float64) / rows.size
            return float(loss), float(mistakes)

        def layers(self) -> list[Layer]:
            return weights_of(self.state, self.network)

    return Emulated


@pytest.mark.parametrize(
    ("layers", "batch", "multiprocessors"),
    [
        ((7, 5, 3), 11, 4),  # two blocks, the second with one unit
        ((40, 9, 3), 11, 2),  # two tiles a block, two pairs of inputs
        ((4, 3, 18), 15, 1),  # more classes than 16
    ],
)
def test_the_kernel_follows_the_reference(
    layers: tuple[int, ...], batch: int, multiprocessors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator.shrink_blocks(monkeypatch, warps=2, matrix_warps=1)
    network = Network(layers=layers, batch_size=batch, weight_scale=0.5)
    assert_follows_the_reference(lane_type(monkeypatch, multiprocessors), network)


def test_a_large_minibatch_is_taken_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    emulator.shrink_blocks(monkeypatch, warps=4, matrix_warps=2)
    monkeypatch.setattr(following, "SAMPLES", 70)
    network = Network(layers=(33, 3, 2), batch_size=70, weight_scale=0.5)
    plan = divide(network, multiprocessors=1, shared_bytes=1)
    assert (plan.groups, plan.matrix_warps) == (2, 2)
    assert_follows_the_reference(lane_type(monkeypatch, 1), network)


@pytest.mark.parametrize("buffers", [1, 2])
def test_it_holds_two_minibatches_if_they_fit_and_else_one(buffers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator.shrink_blocks(monkeypatch, warps=2, matrix_warps=1)
    network = Network(layers=(5, 2, 2), batch_size=7, weight_scale=0.5)
    most = divide(network, multiprocessors=1, shared_bytes=1 << 18)
    shared_bytes = most.size - (2 - buffers) * 64 * most.stride
    assert divide(network, multiprocessors=1, shared_bytes=shared_bytes).buffers == buffers
    assert_follows_the_reference(lane_type(monkeypatch, 1, shared_bytes=shared_bytes), network)


def test_an_output_that_no_number_holds_makes_the_loss_not_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    emulator.shrink_blocks(monkeypatch, warps=2, matrix_warps=1)
    network = Network(layers=(4, 5, 2), batch_size=6)
    layers = [Layer(np.full((4, 5), 100, np.float32), np.zeros(5, np.float32))]
    layers.append(Layer(np.full((5, 2), 100, np.float32), np.zeros(2, np.float32)))
    pixels, labels = np.full((6, 4), 255, np.uint8), np.zeros(6, np.uint8)
    lane = lane_type(monkeypatch, 4)(network, layers, pixels, labels)
    loss, _ = lane.train_epoch(np.arange(6, dtype=np.uint32).reshape(1, 6), 0.1, lambda: None)
    assert np.isnan(loss)


def added(parts: list[float], blocks: int, before: int = 0) -> np.int64:
    total = np.int64(before)
    with np.errstate(over="ignore"):
        for number in parts:
            total += sums.part.py_func(np.float32(number))
        return np.int64(sums.news.py_func(total, np.int64(before), blocks))


@pytest.fixture
def rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "round_to_long", lambda number: np.int64(np.rint(np.float64(number))))


@pytest.mark.usefixtures("rounding")
@pytest.mark.parametrize("before", [0, 2**63 - 5, -(2**63), -1])
@pytest.mark.parametrize("blocks", [1, 2, 75, 128, 255])
def test_a_sum_is_complete_when_all_blocks_have_added_and_not_before(blocks: int, before: int) -> None:
    generator = np.random.default_rng(blocks)
    parts = [float(np.float32(part)) for part in generator.normal(0, 3, blocks)]
    news = added(parts, blocks, before)
    assert sums.complete.py_func(news)
    assert abs(float(sums.value.py_func(news)) - sum(parts)) < blocks * 2**-27 + abs(sum(parts)) * 2**-23
    for count in {0, 1, blocks // 2, blocks - 1} - {blocks}:
        assert not sums.complete.py_func(added(parts[:count], blocks, before))


@pytest.mark.usefixtures("rounding")
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 4096.0, -1e9])
@pytest.mark.parametrize("others", [0.0, 4095.0, -4095.0])
def test_one_part_out_of_range_makes_the_sum_not_a_number(bad: float, others: float) -> None:
    for bads in (1, 255):
        news = added([bad] * bads + [others] * (255 - bads), 255)
        assert sums.complete.py_func(news)
        assert np.isnan(sums.value.py_func(news))


@pytest.mark.usefixtures("rounding")
def test_the_largest_parts_are_numbers() -> None:
    for part in (4095.75, -4095.75):
        assert float(sums.value.py_func(added([part] * 255, 255))) == np.float32(part * 255)


def test_two_halves_carry_single_precision() -> None:
    weights = np.random.default_rng(0).normal(0, 0.05, 100_000).astype(np.float32) * np.float32(fragments.SPLIT_SCALE)
    first = weights.astype(np.float16)
    rest = (weights - first.astype(np.float32)).astype(np.float16)
    error = np.abs(first.astype(np.float64) + rest - weights) / fragments.SPLIT_SCALE
    assert error.max() <= 2.0**-26  # an eighth of a unit in the last place of a weight of 0.25 and of single precision


H100 = {"multiprocessors": 132, "shared_bytes": 232_448, "capability": (9, 0), "cooperative": True}


@pytest.mark.parametrize(
    ("layers", "batch"),
    [((784, 300, 10), 64), ((784, 512, 10), 64), ((784, 100, 10), 64), ((784, 301, 10), 16), ((784, 300, 10), 128)],
)
def test_an_h100_takes_the_usual_shapes(layers: tuple[int, ...], batch: int) -> None:
    assert why_not(Network(layers=layers, batch_size=batch), **H100) is None


@pytest.mark.parametrize(
    ("layers", "batch", "changed", "words"),
    [
        ((784, 10), 64, {}, "one hidden layer, and this one has 0"),
        ((784, 300, 300, 10), 64, {}, "one hidden layer, and this one has 2"),
        ((784, 300, 257), 64, {}, "at most 256 classes"),
        ((784, 300, 10), 256, {}, "a minibatch of 256"),
        ((784, 30_000, 10), 64, {}, "KiB of shared memory"),
        ((784, 300, 10), 64, {"capability": (7, 5)}, "compute capability 8.0, and this GPU has 7.5"),
        ((784, 300, 10), 64, {"cooperative": False}, "cooperative"),
        ((784, 300, 10), 64, {"shared_bytes": 48 * 1024}, "48 KiB"),
    ],
)
def test_what_it_cannot_take_is_said(layers: tuple[int, ...], batch: int, changed: dict[str, Any], words: str) -> None:
    reason = why_not(Network(layers=layers, batch_size=batch), **{**H100, **changed})
    assert reason is not None
    assert words in reason


@pytest.mark.parametrize("multiprocessors", [1, 3, 76, 132, 300])
@pytest.mark.parametrize("hidden", [1, 4, 5, 300, 529, 1057])
def test_the_blocks_hold_all_units_and_all_run_at_once(hidden: int, multiprocessors: int) -> None:
    plan = divide(Network(layers=(784, hidden, 10)), multiprocessors=multiprocessors, shared_bytes=232_448)
    assert plan.blocks <= min(multiprocessors, 255)
    assert (plan.blocks - 1) * plan.tiles * 4 < hidden <= plan.blocks * plan.tiles * 4


def test_the_areas_of_shared_memory_do_not_overlap() -> None:
    plan = divide(Network(layers=(100, 37, 7), batch_size=70), multiprocessors=8, shared_bytes=232_448)
    names = plan._fields[plan._fields.index("pixels") : plan._fields.index("size")]
    starts = sorted(getattr(plan, name) for name in names)
    assert len(set(starts)) == len(names)
    assert all(start % 16 == 0 for start in starts)
    assert starts[0] == 0
    assert starts[-1] < plan.size
