"""Two lanes whose times are known, on a machine that slows them at random: what is told of them is true."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from cudadoctor.dbn.crossing import Range, Search, Steps
from cudadoctor.facts.explanation import BreakEven
from tests.dbn.disturbed import Lanes, Machine

Time = Callable[[float], float]

SEEDS = 200
ROWS = Range(64, 1, 16_384)
UNITS = Range(300, 1, 20_000)


def line(fixed: float, each: float) -> Time:
    return lambda size: fixed + each * size


CPU_BY_ROWS, GPU_BY_ROWS, MEET_AT_ROWS = line(50, 1.75), line(850, 1.2), 800 / 0.55
CPU_BY_UNITS, MEET_AT_UNITS = line(120, 0.145), 750 / 0.145


def gpu_by_units(units: float) -> float:
    """Flat as long as the host is what holds it up."""
    return max(870.0, 770 + 0.02 * units)


@contextmanager
def suppress_end(found: dict[int, BreakEven], number: int) -> Iterator[None]:
    try:
        yield
    except StopIteration as ended:
        found[number] = ended.value


def take_turns(searches: list[Steps]) -> list[BreakEven]:
    found: dict[int, BreakEven] = {}
    while len(found) < len(searches):
        for number, search in enumerate(searches):
            if number not in found:
                with suppress_end(found, number):
                    next(search)
    return [found[number] for number in range(len(searches))]


def by_rows(machine: Machine, cpu: Time = CPU_BY_ROWS, gpu: Time = GPU_BY_ROWS) -> Steps:
    return Search("batch_size", Lanes(machine, cpu, gpu), ROWS, lambda: machine.now).steps()


def by_units(machine: Machine) -> Steps:
    lanes = Lanes(machine, CPU_BY_UNITS, gpu_by_units)
    return Search("hidden_units", lanes, UNITS, lambda: machine.now).steps()


def is_right(found: BreakEven, at: float) -> bool:
    """Say whether a crossing that is told lies within 15 % of the true one, and was tested on both sides."""
    assert found.at is not None
    tested = [check.winner for check in found.checks] == [found.cpu_lane, found.gpu_lane]
    return tested and abs(found.at / at - 1) <= 0.15


@pytest.mark.parametrize(("bursts", "least"), [(0.0, 0.99), (0.5, 0.9)])
def test_a_crossing_is_found_or_said_not_to_be_told_and_never_wrong(bursts: float, least: float) -> None:
    told = {"batch_size": 0, "hidden_units": 0}
    seconds = []
    for seed in range(SEEDS):
        machine = Machine(seed, bursts=bursts)
        for found in take_turns([by_rows(machine), by_units(machine)]):
            if found.at is None:
                assert "no crossing can be told" in found.reason
                continue
            told[found.variable] += 1
            assert is_right(found, MEET_AT_ROWS if found.variable == "batch_size" else MEET_AT_UNITS), (seed, found)
        seconds.append(machine.now)
    assert min(told.values()) >= least * SEEDS
    assert sorted(seconds)[SEEDS // 2] < 3  # of the lanes' own time, both searches together


def test_bursts_of_a_third_of_a_second_leave_nearly_nothing_wrong() -> None:
    """Such a burst covers many turns, and slows each lane by its own factor: for as long that is the machine."""
    told, wrong = 0, 0
    for seed in range(SEEDS):
        machine = Machine(seed, length_s=0.3)
        for found in take_turns([by_rows(machine), by_units(machine)]):
            at = MEET_AT_ROWS if found.variable == "batch_size" else MEET_AT_UNITS
            told += found.at is not None
            wrong += found.at is not None and not is_right(found, at)
    assert told >= 1.5 * SEEDS
    assert wrong <= SEEDS // 100


@pytest.mark.parametrize("bursts", [0.0, 0.5])
def test_lines_that_never_cross_are_never_said_to(bursts: float) -> None:
    for seed in range(SEEDS // 4):
        machine = Machine(seed, bursts=bursts)
        (found,) = take_turns([by_rows(machine, line(50, 1.0), line(850, 1.0))])
        assert found.at is None
        assert "the CPU was faster at every size tried" in found.reason or "can be told" in found.reason


def test_a_gpu_that_is_always_faster_is_said_to_be_at_the_sizes_tried() -> None:
    (found,) = take_turns([by_rows(Machine(1, bursts=0.0), line(500, 2), line(50, 1))])
    assert found.at is None
    assert "the GPU was faster at every size tried (2 to 64)" in found.reason
    assert {point.winner for point in found.points} == {"gpu-copied"}


def test_a_gpu_that_wins_where_it_begins_is_looked_for_below() -> None:
    (found,) = take_turns([by_rows(Machine(2, bursts=0.0), line(30, 10), line(300, 1))])
    assert is_right(found, 30)


def test_the_five_sizes_lie_on_both_sides_and_none_far_off() -> None:
    (found,) = take_turns([by_rows(Machine(3))])
    sizes = [point.value for point in found.points]
    assert found.at is not None
    assert len(sizes) == 5
    assert sizes[0] < found.at < sizes[-1] < 4 * sizes[0]


def test_a_crossing_whose_double_cannot_be_run_is_not_told() -> None:
    machine = Machine(4, bursts=0.0)
    lanes = Lanes(machine, CPU_BY_ROWS, GPU_BY_ROWS)
    (found,) = take_turns([Search("batch_size", lanes, Range(64, 1, 2000), lambda: machine.now).steps()])
    assert found.at is None
    assert max(lanes.opened) <= 2000
    assert found.reason


class TurnsAgainstIt(Lanes):
    """A machine on which the GPU is four times slower once the five sizes are measured."""

    def open(self, size: int) -> tuple[object, object]:  # type: ignore[override]
        cpu, gpu = super().open(size)
        if self.chosen and len(self.opened) > self.chosen + 5:
            gpu._us *= 4
        return cpu, gpu

    chosen = 0

    def choose(self, size: int) -> None:
        self.chosen = self.chosen or len(self.opened)


def test_a_prediction_that_its_test_does_not_bear_out_is_taken_back_with_the_times() -> None:
    machine = Machine(5, bursts=0.0)
    lanes = TurnsAgainstIt(machine, CPU_BY_ROWS, GPU_BY_ROWS)
    (found,) = take_turns([Search("batch_size", lanes, ROWS, lambda: machine.now).steps()])
    assert (found.at, found.low, found.high) == (None, None, None)
    assert "the lines meet at about" in found.reason
    assert "where gpu-copied should win, cpu-fast won" in found.reason
    assert [check.predicted_winner for check in found.checks] == ["cpu-fast", "gpu-copied"]
