"""The ladder as a whole, in the simulator: graphs and compiled kernels stand aside, losses and slices are real."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cudadoctor.dbn import recording, study
from cudadoctor.dbn.contenders import LANE_KINDS as KINDS
from cudadoctor.dbn.contenders import UnusableDeviceError, _named
from cudadoctor.dbn.cpu import Choice, CpuFast
from cudadoctor.dbn.digits import Digits
from cudadoctor.dbn.network import Network, first_weights
from cudadoctor.dbn.rungs.fused import Fused
from cudadoctor.dbn.rungs.ladder import LADDER
from cudadoctor.facts.explanation import BreakEven
from tests.dbn.following import small_set
from tests.simulator import SIMULATED

pytestmark = pytest.mark.skipif(not SIMULATED, reason="the ladder on a device is a race")

ROUNDS, EPOCH, BATCH = 3, 60, 2
NETWORK = Network(layers=(4, 3, 2), batch_size=BATCH, weight_scale=0.5)


class Told:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []

    def send(self, kind: str, **data: Any) -> None:
        self.messages.append((kind, data))

    def step(self, name: str, *, limit_s: float | None = None) -> Any:
        return nullcontext()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for each, data in self.messages if each == kind]


class NotRecorded(Fused):
    """Trains what a graph would hold, launch by launch."""

    held = 0

    def prepare_part(self, minibatches: int, tick: Callable[[], None]) -> float:
        self.held = minibatches
        return self.prepare(tick)

    def train(self, numbers: range, tick: Callable[[], None]) -> None:
        assert numbers == range(self.held)  # one graph is enough
        super().train(numbers, tick)


class OnManyThreads(CpuFast):
    """Finds two threads best, however few there are."""

    def prepare(self, tick: Callable[[], None]) -> float:
        self.adopt(Choice("dense", 2))
        return 0.0


def make(name: str, network: Network, layers: Any, digits: Digits, index: int) -> Any:
    if name == "cpu-fast":
        return OnManyThreads(network, layers, digits.training_pixels, digits.training_labels)
    if name == "gpu-persistent":
        raise UnusableDeviceError("not in the simulator")
    maker = NotRecorded if name == "gpu-graph" else _named(KINDS[name].maker)
    return maker(network, layers, digits.training_pixels, digits.training_labels)


@pytest.fixture(scope="module")
def told() -> Told:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "make", make)
        patch.setattr(recording, "_kernel_us", lambda rung, number: 1.0)
        patch.setattr(study.Study, "_break_even", lambda self: None)
        return climbed()


def climbed() -> Told:
    """Climb the whole ladder once; in the simulator that takes ten seconds."""
    pixels, labels = small_set(NETWORK)
    pixels, labels = (np.resize(each, (EPOCH * BATCH, *each.shape[1:])) for each in (pixels, labels))
    options: Any = SimpleNamespace(
        network=NETWORK,
        rounds=ROUNDS,
        lanes=("cpu-reference-float64",),
        training_samples=len(pixels),
        seed=0,
        device=0,
        silence_limit_s=5.0,
    )
    reporter: Any = Told()
    digits = Digits(pixels, labels, pixels[:0], labels[:0])
    study.Study(options, digits, first_weights(NETWORK, 0), reporter, lambda: None).run(())
    assert isinstance(reporter, Told)
    return reporter


def test_all_rungs_tell_the_loss_of_the_same_minibatches(told: Told) -> None:
    assert not told.of("rung_failed")
    losses = {data["rung"]: data["loss"] for data in told.of("rung_loss")}
    same = [losses[rung] for rung in ("C0", "C0d", "C1", "C1t", "R0", "R1", "R2", "R3", "R4", "R5", "R6")]
    assert same == pytest.approx([same[0]] * len(same), rel=1e-4)
    skipped = {data["rung"]: data["reason"] for data in told.of("rung_skipped")}
    assert skipped == {"R7": "not in the simulator", "R8x16": "3 rounds need 6 minibatches, and an epoch has 3"}


def test_a_slow_rung_trains_shorter_slices_and_as_many(told: Told) -> None:
    minibatches = {data["rung"]: data["minibatches"] for data in told.of("rung_ready")}
    assert minibatches["R1"] == minibatches["C1"] == 3  # of 6; as many have their steps timed
    assert minibatches["R0"] == minibatches["C1t"] == 1  # of 2
    assert minibatches["R6"] == 18  # the window, in one launch
    samples = [data["rung"] for data in told.of("rung_sample")]
    assert {samples.count(rung) for rung in minibatches} == {ROUNDS}


def test_the_cpu_trains_as_it_did_best_in_the_race(monkeypatch: pytest.MonkeyPatch) -> None:
    lane = CpuFast(NETWORK, first_weights(NETWORK, 0), *small_set(NETWORK))
    monkeypatch.setattr(CpuFast, "prepare", lambda self, tick: pytest.fail("tried again"))
    lane.adopt(Choice("dense", 1))
    lane.settle()
    lane.train_epoch(np.zeros((3, BATCH), np.uint32), 0.1, lambda: None)
    assert lane.choice == Choice("dense", 1)


@pytest.mark.parametrize("threads", [1, 2])
def test_one_thread_stands_beside_all_only_where_the_lane_takes_more(threads: int) -> None:
    pixels, labels = small_set(NETWORK)
    options, reporter = SimpleNamespace(network=NETWORK), Told()
    climber = study.Study(options, None, [], reporter, lambda: None, Choice("dense", threads))  # type: ignore[arg-type]
    lane = CpuFast(NETWORK, first_weights(NETWORK, 0), pixels, labels)
    if threads == 1:
        with pytest.raises(UnusableDeviceError, match="fastest on 1 thread by itself"):
            climber._on_threads(lane, 1)
    else:
        climber._on_threads(lane, 1)
        assert lane.choice == Choice("dense", 1)


def test_one_thread_is_not_taken_for_the_cpu_at_its_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "wait_until_quiet", lambda: None)
    climber: Any = study.Study(SimpleNamespace(network=NETWORK), None, [], Told(), lambda: None)  # type: ignore[arg-type]
    for name in LADDER:
        if name.lane == "cpu-fast":
            us = 50.0 if name.threads else 70.0
            climber._slices[name] = study.Slices(9, 3, slow=False)
            run = {"slice": lambda *_, us=us: us, "timed_slice": lambda *_: None, "loss": lambda _: 0.5}
            climber._runs[name] = SimpleNamespace(**run)
            climber._sample(0, name)
    assert climber._cpu_us == [70.0]


def test_a_rung_without_memory_is_reported_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(name: str, *arguments: Any) -> Any:
        if name == "gpu-pinned":
            error = RuntimeError("[2] Call to cuMemHostAlloc results in CUDA_ERROR_OUT_OF_MEMORY")
            error.code = 2  # type: ignore[attr-defined]
            raise error
        if name.startswith("gpu") or name == "cpu-reference":
            raise UnusableDeviceError("not in this test")
        return make(name, *arguments)

    monkeypatch.setattr(study, "make", short)
    monkeypatch.setattr(study.Study, "_break_even", lambda self: None)
    told = climbed()
    (failed,) = told.of("rung_failed")
    assert failed["rung"] == "R2"
    assert "CUDA_ERROR_OUT_OF_MEMORY" in failed["reason"]
    assert {data["rung"] for data in told.of("rung_loss")} == {"C0d", "C1", "C1t"}


def search(*, fails: bool) -> Any:
    yield
    if fails:
        raise RuntimeError("no memory")
    yield
    return BreakEven(
        variable="batch_size",
        cpu_lane="a",
        gpu_lane="b",
        points=(),
        cpu={"fixed_us": 0.0, "each_us": 0.0},  # type: ignore[arg-type]
        gpu={"fixed_us": 0.0, "each_us": 0.0},  # type: ignore[arg-type]
    )


def test_a_break_even_that_cannot_be_measured_leaves_the_other_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from cudadoctor.dbn import break_even

    both = {"batch_size": search(fails=False), "hidden_units": search(fails=True)}
    monkeypatch.setattr(break_even, "searches", lambda *_: both.items())
    reporter: Any = Told()
    options: Any = SimpleNamespace(network=NETWORK, device=0, silence_limit_s=5.0)
    study.Study(options, None, [], reporter, lambda: None)._break_even()  # type: ignore[arg-type]
    assert [data["found"]["variable"] for data in reporter.of("break_even")] == ["batch_size"]
    assert "no break-even by hidden_units: RuntimeError: no memory" in reporter.of("ladder_note")[0]["note"]
