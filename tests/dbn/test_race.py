from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cudadoctor.dbn.events import (
    DataReady,
    EpochDone,
    EpochPretrained,
    Event,
    LaneDone,
    LaneReady,
    LaneSkipped,
    LaneStarted,
    Options,
    RungSampled,
)
from cudadoctor.dbn.lanes import why_nothing_was_learned
from cudadoctor.dbn.network import Network
from cudadoctor.dbn.race import Ahead, kernel_cache, run
from cudadoctor.facts.base import Missing
from cudadoctor.facts.race import Lane, Race

TWO = ("cpu-fast", "gpu-per-operation")
SMALL = Network(layers=(784, 30, 10))
NO_GPU: dict[str, Any] = {"training_samples": 3000, "test_samples": 500, "epochs": 2, "network": SMALL}


def through(options: Options, **keywords: Any) -> tuple[list[Event], Race | Missing]:
    *events, last = run(options, **keywords)
    assert isinstance(last, Race | Missing)
    return events, last


def race_of(options: Options, **keywords: Any) -> Race:
    _, race = through(options, **keywords)
    assert isinstance(race, Race)
    return race


def misbehaving(task: str, limit_s: float = 5.0) -> tuple[list[Event], Race | Missing]:
    return through(Options(silence_limit_s=limit_s, lanes=TWO), task=f"tests.dbn.tasks:{task}")


@pytest.fixture(scope="module")
def race() -> tuple[list[Event], Race]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_ENABLE_CUDASIM", "1")
        events, fact = through(Options(**NO_GPU))
    assert isinstance(fact, Race)
    return events, fact


class TestOnTheCpu:
    def test_events_tell_the_race_in_order(self, race: tuple[list[Event], Race]) -> None:
        kinds = [type(event) for event in race[0]]
        cpu = [DataReady, LaneStarted, LaneReady, EpochDone, EpochDone, LaneDone]
        assert kinds == cpu + 2 * [LaneStarted, LaneSkipped]  # nothing stands in where there is no device

    def test_the_fact_says_what_was_raced(self, race: tuple[list[Event], Race]) -> None:
        fact = race[1]
        assert (fact.data, fact.layers, fact.batch_size) == ("procedural", (784, 30, 10), 64)
        assert (fact.training_samples, fact.test_samples, fact.minibatches_per_epoch) == (3000, 500, 46)
        assert fact.data_seconds > 0

    def test_the_lane_learns_and_is_scored(self, race: tuple[list[Event], Race]) -> None:
        (lane,) = race[1].lanes
        assert (lane.name, lane.device, lane.state) == ("cpu-fast", "cpu", "finished")
        first, second = lane.epochs
        assert first.loss is not None
        assert second.loss is not None
        assert second.loss < first.loss < 2.2
        assert second.seconds > 0
        assert lane.compile_seconds is not None
        assert lane.test_accuracy is not None
        assert lane.test_accuracy > 0.5
        assert [score.digit for score in lane.digits] == list(range(10))
        assert sum(score.support for score in lane.digits) == 500

    def test_a_lane_in_the_simulator_is_skipped_because_its_times_mean_nothing(
        self, race: tuple[list[Event], Race]
    ) -> None:
        names = [skipped.name for skipped in race[1].skipped]
        assert names == ["gpu-copied", "gpu-persistent"]
        for skipped in race[1].skipped:
            assert skipped.device == "gpu:0"
            assert "NUMBA_ENABLE_CUDASIM" in skipped.reason

    def test_the_fact_survives_json(self, race: tuple[list[Event], Race]) -> None:
        assert msgspec.json.decode(msgspec.json.encode(race[1]), type=Race) == race[1]


@pytest.mark.skipif(os.environ.get("CUDADOCTOR_TEST_DEVICE") != "gpu", reason="needs a CUDA device")
def test_cpu_and_gpu_learn_alike_from_equal_weights_and_minibatches() -> None:
    cpu, *gpus = race_of(Options(**NO_GPU)).lanes
    assert len(gpus) == 2
    for gpu in gpus:
        assert gpu.state == "finished", gpu.reason
        for one, other in zip(cpu.epochs, gpu.epochs, strict=True):
            assert one.loss == pytest.approx(other.loss, rel=0.02)


def test_a_race_in_which_nothing_is_learned_fails() -> None:
    network = msgspec.structs.replace(SMALL, learn_rate=0.0)
    options = Options(**{**NO_GPU, "network": network}, lanes=("cpu-fast",))
    (lane,) = race_of(options).lanes
    assert lane.state == "failed"
    assert "nothing was learned" in lane.reason
    assert "2.3026" in lane.reason
    assert len(lane.epochs) == 1
    assert lane.test_accuracy is None


def test_an_epoch_of_a_few_minibatches_is_not_judged_by_its_loss() -> None:
    network = msgspec.structs.replace(SMALL, learn_rate=0.0, batch_size=1000)
    (lane,) = race_of(Options(**{**NO_GPU, "network": network}, lanes=("cpu-fast",))).lanes
    assert lane.state == "finished"


def test_a_loss_that_is_not_a_number_fails_and_is_kept_as_none() -> None:
    network = msgspec.structs.replace(SMALL, learn_rate=1e30)
    (lane,) = race_of(Options(**{**NO_GPU, "network": network}, lanes=("cpu-fast",))).lanes
    assert lane.state == "failed"
    assert "not a finite number" in lane.reason
    assert (lane.epochs[0].loss, lane.epochs[0].err) == (None, None)


def test_pretraining_is_told_layer_by_layer_and_changes_what_is_trained() -> None:
    options = Options(**{**NO_GPU, "epochs": 1}, lanes=("cpu-fast",), pretrain_epochs=2)
    events, race = through(options)
    assert isinstance(race, Race)
    (lane,) = race.lanes
    assert [(row.layer, row.epoch) for row in lane.pretraining] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert lane.pretraining[1].error < lane.pretraining[0].error
    told = [event.epoch for event in events if isinstance(event, EpochPretrained)]
    assert tuple(told) == lane.pretraining
    plain = race_of(Options(**{**NO_GPU, "epochs": 1}, lanes=("cpu-fast",)))
    assert lane.epochs[0].loss != plain.lanes[0].epochs[0].loss


def test_sigmoid_units_are_trained_by_the_lane_that_can() -> None:
    network = msgspec.structs.replace(SMALL, hidden="sigmoid")
    race = race_of(Options(**{**NO_GPU, "network": network}, lanes=("cpu-fast",)))
    assert [lane.name for lane in race.skipped] == ["cpu-fast"]
    assert [(lane.name, lane.state) for lane in race.lanes] == [("cpu-reference", "finished")]
    assert race.hidden == "sigmoid"


def test_the_test_set_is_read_with_the_units_that_were_trained() -> None:
    """With those of another kind accuracy stays a tenth or more below what the last epoch reached."""
    network = msgspec.structs.replace(SMALL, hidden="sigmoid", batch_size=32)
    (lane,) = race_of(Options(**{**NO_GPU, "network": network, "epochs": 4}, lanes=("cpu-reference",))).lanes
    assert lane.test_accuracy is not None
    assert lane.epochs[-1].err is not None
    assert lane.test_accuracy > 1 - lane.epochs[-1].err - 0.08


def test_learning_a_little_is_learning() -> None:
    assert why_nothing_was_learned(2.18, 10) is None
    assert why_nothing_was_learned(2.19, 10) is not None


def test_a_hang_in_the_second_lane_keeps_the_first() -> None:
    events, race = misbehaving("hangs_in_the_gpu_lane", limit_s=0.5)
    assert isinstance(race, Race)
    cpu, gpu = race.lanes
    assert (cpu.state, cpu.test_accuracy) == ("finished", 0.9)
    assert (gpu.state, gpu.epochs) == ("failed", ())
    assert "no sign of life" in gpu.reason
    assert "gpu-per-operation: starting" in gpu.reason
    assert events[-1] == LaneDone(lane=gpu)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_crash_keeps_the_epochs_before_it_and_names_the_step() -> None:
    _, race = misbehaving("is_killed_in_the_gpu_lane")
    assert isinstance(race, Race)
    gpu = race.lanes[1]
    assert (gpu.state, len(gpu.epochs), gpu.device_name, gpu.notes) == ("failed", 1, "a GPU", ("a note",))
    for part in ("SIGKILL", "gpu-per-operation: epoch 2", "the driver's last words"):
        assert part in gpu.reason


def test_lanes_that_never_started_are_skipped_with_the_reason() -> None:
    _, race = misbehaving("hangs_in_the_first_lane", limit_s=0.5)
    assert isinstance(race, Race)
    assert race.lanes[0].state == "failed"
    assert race.skipped[0].name == "gpu-per-operation"
    assert "no sign of life" in race.skipped[0].reason


def test_without_digits_there_is_no_race() -> None:
    events, race = misbehaving("dies_without_digits")
    assert isinstance(race, Missing)
    assert "making the digits" in race.reason
    assert "no memory for the digits" in race.reason
    assert {type(event) for event in events} == {LaneSkipped}


def test_a_slow_lane_that_shows_life_is_not_taken_for_hung() -> None:
    _, race = misbehaving("beats_slowly", limit_s=1.0)
    assert isinstance(race, Race)
    assert race.lanes[0].state == "finished"


def test_ctrl_c_keeps_what_was_measured() -> None:
    race = run(Options(lanes=TWO), task="tests.dbn.tasks:hangs_in_the_first_lane")
    lane: Lane | None = None
    for event in race:
        if isinstance(event, EpochDone):
            break
    done = race.throw(KeyboardInterrupt())
    assert isinstance(done, LaneDone)
    lane = done.lane
    assert (lane.state, len(lane.epochs)) == ("interrupted", 1)
    *_, last = race
    assert isinstance(last, Race)
    assert last.lanes == (lane,)
    assert "interrupted" in last.skipped[0].reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"seed": -1},
        {"lanes": ()},
        {"lanes": ("gpu-magic",)},
        {"training_samples": 63},
        {"network": Network(layers=(784, 300, 9))},
    ],
)
def test_an_impossible_race_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"need|seed is|lanes are"):
        Options(**wrong)


def test_compiled_kernels_are_kept_where_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "chosen")
    with kernel_cache() as environment:
        assert environment["NUMBA_CACHE_DIR"] == "chosen"


def test_compiled_kernels_are_kept_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    with kernel_cache() as environment:
        assert environment["NUMBA_CACHE_DIR"] == str(tmp_path / "cudadoctor" / "numba")


def test_a_cache_that_cannot_be_written_costs_time_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "file" / name)
    with kernel_cache() as environment:
        folder = Path(environment["NUMBA_CACHE_DIR"])
        assert folder.is_dir()
    assert not folder.exists()
    race = race_of(Options(**{**NO_GPU, "epochs": 1}, lanes=("cpu-fast",)))
    assert race.lanes[0].state == "finished"


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_lane_that_takes_its_process_along_leaves_the_others_to_run() -> None:
    options = Options(lanes=("cpu-fast", "gpu-copied", "gpu-graph"), silence_limit_s=5.0)
    race = race_of(options, task="tests.dbn.tasks:dies_in_the_lane_gpu_copied")
    assert [(lane.name, lane.state) for lane in race.lanes] == [
        ("cpu-fast", "finished"),
        ("gpu-copied", "failed"),
        ("gpu-graph", "finished"),
    ]
    assert "SIGKILL" in race.lanes[1].reason


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_rung_that_takes_its_process_along_is_named_and_the_ladder_goes_on_without_it() -> None:
    options = Options(lanes=("cpu-fast",), explain=True, silence_limit_s=5.0)
    race = race_of(options, task="tests.dbn.tasks:dies_in_the_rung_r0")
    assert race.explanation is not None
    rungs = {rung.id: rung for rung in race.explanation.rungs}
    assert rungs["R0"].state == "failed"
    assert "SIGKILL" in rungs["R0"].reason
    assert (rungs["R1"].state, rungs["R1"].median_us) == ("measured", 22.0)
    assert race.explanation.notes == ()


def test_a_child_that_does_nothing_of_what_is_left_is_not_asked_for_ever() -> None:
    options = Options(lanes=("cpu-fast",), explain=True, silence_limit_s=5.0)
    race = race_of(options, task="tests.dbn.tasks:never_climbs")
    assert race.lanes[0].state == "finished"
    assert race.explanation is None


@pytest.fixture(scope="module")
def explained() -> Race:
    return race_of(Options(lanes=("cpu-fast",), explain=True, silence_limit_s=5.0), task="tests.dbn.tasks:climbs")


class TestExplanation:
    def test_a_rung_is_the_median_of_its_rounds(self, explained: Race) -> None:
        assert explained.explanation is not None
        rung = explained.explanation.rungs[0]
        assert (rung.id, rung.lane, rung.device) == ("R3", "gpu-resident-read-back", "gpu:0")
        assert rung.samples_us == (24, 25, 26)
        assert (rung.median_us, rung.loss, rung.batch_size) == (25, 0.5, 64)
        assert rung.low_us is not None
        assert rung.high_us is not None
        assert 24 <= rung.low_us <= 25 <= rung.high_us <= 26

    def test_its_calls_are_taken_apart_and_the_next_rung_is_predicted_from_them(self, explained: Race) -> None:
        assert explained.explanation is not None
        (three, four) = explained.explanation.decompositions
        # 10 to launch; the call that reads back spends its 5 while the kernel runs for 15, and waits for it.
        assert three.replayed_us == pytest.approx(25)
        assert three.dilation == pytest.approx(1.1)
        assert sum(part.us for part in three.parts) + three.residual_us == pytest.approx(three.wall_us)
        assert four.rung == "R4"
        (prediction,) = explained.explanation.predictions
        assert (prediction.from_rung, prediction.to_rung, prediction.measured_us) == ("R3", "R4", 16)
        assert prediction.predicted_us == pytest.approx(15)  # the device alone: its kernel covers the launch
        assert explained.explanation.mean_absolute_error == pytest.approx(1 / 16)

    def test_a_rung_that_is_skipped_says_why(self, explained: Race) -> None:
        assert explained.explanation is not None
        last = explained.explanation.rungs[-1]
        assert (last.id, last.state, last.reason) == ("R7", "skipped", "too small")


def test_ctrl_c_in_the_ladder_keeps_what_was_measured() -> None:
    events = run(
        Options(lanes=("cpu-fast",), explain=True, silence_limit_s=5.0), task="tests.dbn.tasks:hangs_in_the_ladder"
    )
    for event in events:
        if isinstance(event, RungSampled):
            break
    *_, last = [events.throw(KeyboardInterrupt()), *events]
    assert isinstance(last, Race)
    assert last.explanation is not None
    assert last.explanation.rungs[0].samples_us == (7.0,)
    assert "interrupted" in last.explanation.notes[0]


class TestAhead:
    """A child that was started before the race is known."""

    options = Options(**NO_GPU, lanes=("cpu-fast",))

    def test_its_race_is_the_same_as_without(self) -> None:
        wanted = Options(**NO_GPU, lanes=TWO)
        with Ahead(wanted) as ahead:
            # Without a GPU the lanes that need one are left out, after the child began.
            early = race_of(self.options, ahead=ahead)
        late = race_of(self.options)
        assert [lane.name for lane in early.lanes] == ["cpu-fast"]
        assert [epoch.loss for epoch in early.lanes[0].epochs] == [epoch.loss for epoch in late.lanes[0].epochs]
        assert early.lanes[0].test_accuracy == late.lanes[0].test_accuracy

    def test_it_makes_the_digits_before_it_is_told_to_race(self) -> None:
        with Ahead(self.options) as ahead:
            deadline = time.monotonic() + 30
            while ahead.worker._messages.qsize() < 3 and time.monotonic() < deadline:  # begin, data, end
                time.sleep(0.02)
            assert ahead.worker._messages.qsize() == 3
            assert isinstance(through(self.options, ahead=ahead)[0][0], DataReady)

    def test_a_child_that_is_not_needed_is_gone_with_its_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
        monkeypatch.setattr("cudadoctor.dbn.race._can_write", lambda folder: False)
        with Ahead(self.options) as ahead:
            folder = ahead._environment["NUMBA_CACHE_DIR"]
            assert os.path.isdir(folder)
        assert ahead.worker._process.poll() is not None
        assert not os.path.exists(folder)

    def test_one_that_dies_of_the_digits_ends_the_race_as_another_would(self) -> None:
        task = "tests.dbn.tasks:dies_without_digits"
        with Ahead(self.options, task=task) as ahead:
            _, fact = through(self.options, ahead=ahead, task=task)
        assert isinstance(fact, Missing)
        assert "no memory for the digits" in fact.reason
