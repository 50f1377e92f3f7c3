"""Each cause planted alone, beside a twin with the same calls that must not be accused of it."""

from __future__ import annotations

import msgspec
import pytest

from cudadoctor.attribution import circumstances
from cudadoctor.attribution.causes import Judgement, judge
from cudadoctor.facts.explanation import Call, CpuEffort, Rung, Violation
from tests.attribution import races
from tests.attribution.calls import allocate, copy_in, launch, python, read_back, wait
from tests.attribution.races import KERNELS, LADDER, explanation, lane, race, reading, recorded


def judged(*rungs: Rung, **told: object) -> Judgement:
    found = judge(race(explanation(*rungs, **told)))
    assert found is not None
    return found


def causes(*calls: Call) -> list[str]:
    return [cause.id for cause in judged(recorded("R1", calls)).causes]


BUSY = (launch(5, 200),) * 4
"""A device that is the bottleneck: 800 µs of work, 20 of launching."""


@pytest.mark.parametrize(
    ("id", "planted", "twin"),
    [
        # The kernels of the twin are longer than their launches: the device is never idle.
        ("launch-bound-small-work", KERNELS, (launch(31, 60),) * 16),
        # The host waits in both, but there the device is busy all the time, and here it then is idle.
        ("sync-every-step", (launch(5, 40), wait(30)) * 4, (*BUSY, wait(3))),
        ("readback-every-step", (python(100), *(launch(5, 40),) * 2, read_back(10, 2)), (*BUSY, read_back(3, 2))),
        ("allocation-in-loop", (allocate(60), *KERNELS), (allocate(60), *BUSY)),
        ("host-bound-not-gpu", (python(300), launch(5, 200), read_back(3, 2)), (python(300), *BUSY)),
        ("small-transfers", (*(copy_in(12, 6, size=4096),) * 8, *BUSY), (*BUSY, *(copy_in(2, 2, size=4096),) * 4)),
        (
            "implicit-host-copies",
            (copy_in(20, 30, implicit=True), launch(30, 3), read_back(20, 30, implicit=True)),
            (copy_in(20, 30), launch(30, 3), read_back(20, 30)),
        ),
    ],
)
def test_a_cause_is_named_where_it_costs_and_not_where_it_does_not(
    id: str, planted: tuple[Call, ...], twin: tuple[Call, ...]
) -> None:
    assert id in causes(*planted)
    assert id not in causes(*twin)


def test_allocation_hidden_behind_a_busy_device_costs_nothing() -> None:
    assert causes(allocate(60), *BUSY) == []


PINNED = races.rung("R2", 700.0, (copy_in(6, 8, size=2**20, pinned=True),))


@pytest.mark.parametrize(
    ("copy", "accused"),
    [
        (copy_in(10, 130, size=2**20), True),
        # At more than 0.6 of the rate of a pinned copy there is nothing to gain.
        (copy_in(6, 10, size=2**20), False),
        (copy_in(10, 130, size=2**20, pinned=True), False),
    ],
)
def test_pageable_memory_is_accused_only_where_pinned_memory_is_faster(copy: Call, accused: bool) -> None:
    found = judged(recorded("R1", (copy, *(launch(5, 40),) * 4)), msgspec.structs.replace(PINNED, median_us=None))
    assert ("pageable-transfer" in [cause.id for cause in found.causes]) is accused


def test_the_lead_cause_needs_a_quarter_of_the_time() -> None:
    small = judged(recorded("R1", (*(launch(5, 100),) * 4, wait(30), python(20))))
    assert [(cause.id, cause.lead) for cause in small.causes] == [("sync-every-step", False)]
    assert small.lead is None
    whole = judged(*LADDER)
    assert whole.lead is not None
    assert whole.lead.id == "launch-bound-small-work"


def test_what_a_rung_agrees_with_is_proven_and_otherwise_supported() -> None:
    told = explanation()
    proven = judge(race(told))
    assert proven is not None
    assert [cause.confidence for cause in proven.causes] == ["proven"]
    without = judge(race(msgspec.structs.replace(told, predictions=())))
    assert without is not None
    assert [cause.confidence for cause in without.causes] == ["supported"]
    assert causes(*KERNELS) == ["launch-bound-small-work"]


def test_what_was_taken_away_without_an_effect_is_no_cause() -> None:
    calls = (*KERNELS, read_back(60, 2))
    same = (recorded("R3", calls), races.rung("R4", recorded("R3", calls).median_us or 0.0))
    assert "readback-every-step" in causes(*calls)
    found = judged(recorded("R1", calls), *same)
    assert "readback-every-step" not in [cause.id for cause in found.causes]


def test_a_saving_within_twice_its_error_is_no_cause() -> None:
    calls = (*BUSY, wait(60))
    sure = recorded("R1", calls)
    assert [cause.id for cause in judged(sure).causes] == ["sync-every-step"]
    # 4 % of the minibatch is not explained: of what is saved, 33 µs are doubtful.
    off = msgspec.structs.replace(sure, median_us=sure.median_us and sure.median_us * 1.042)
    assert judged(off).causes == ()


def test_a_device_that_works_all_the_time_has_nothing_wrong() -> None:
    found = judged(recorded("R1", BUSY))
    assert found.busy
    assert found.causes == ()
    assert found.unknown == ""


@pytest.mark.parametrize(("factor", "word"), [(1.1, "the limit"), (1.5, "is not explained")])
def test_what_the_replay_does_not_reproduce_is_not_judged(factor: float, word: str) -> None:
    made = recorded("R1", KERNELS)
    found = judged(msgspec.structs.replace(made, median_us=made.median_us and made.median_us * factor))
    assert found.causes == ()
    assert not found.busy
    assert word in found.unknown


def test_another_rung_is_judged_where_the_first_does_not_add_up() -> None:
    made = recorded("R1", KERNELS)
    off = msgspec.structs.replace(made, median_us=made.median_us and made.median_us * 1.5)
    assert judged(off, recorded("R4", KERNELS)).rung.id == "R4"


def test_without_rungs_on_a_gpu_nothing_is_judged() -> None:
    assert judge(race()) is None
    assert judge(race(explanation(LADDER[-1]))) is None


def test_the_cpu_is_the_one_between_the_rungs_or_else_the_one_of_the_race() -> None:
    assert judged(*LADDER).cpu_us == LADDER[-1].median_us
    assert judged(*LADDER[:-1]).cpu_us == pytest.approx(0.22 / 732 * 1e6)
    assert judged(*LADDER).lost
    slow = race(explanation(*LADDER[:-1]), lane("cpu-fast", "cpu", [0.6] * 10))
    found = judge(slow)
    assert found is not None
    assert not found.lost


# circumstances


@pytest.mark.parametrize(
    ("epochs", "clocks", "ramped"),
    [
        ([0.9] + [0.4] * 9, (1100, 1980, 1980), True),
        ([0.9] + [0.4] * 9, (1980, 1980, 1980), False),
        ([0.41] + [0.4] * 9, (345, 1980, 1980), False),
        ([0.5] + [0.4] * 9, (1100, 1980, 1980), False),  # 2 % of the lane's time
    ],
)
def test_a_clock_that_rises_is_reported_where_it_is_felt(
    epochs: list[float], clocks: tuple[int, ...], ramped: bool
) -> None:
    told = explanation(readings=tuple(reading(i / 2, sm_mhz=mhz) for i, mhz in enumerate(clocks)))
    found = circumstances.clock_ramp(race(told, lane("gpu-copied", "gpu:0", epochs)))
    assert (found is not None) is ramped


@pytest.mark.parametrize(("seconds", "held"), [(1.5, True), (1.4, False), (0.0, False)])
def test_a_limit_counts_from_5_percent_of_the_race_on(seconds: float, held: bool) -> None:
    told = explanation(violations=(Violation(policy="NVML_PERF_POLICY_THERMAL", seconds=seconds),))
    assert (circumstances.held_down(told, "thermal") is not None) is held
    assert circumstances.held_down(told, "power") is None


def test_without_a_window_no_limit_is_judged() -> None:
    told = explanation(violations=(Violation(policy="thermal", seconds=9.0),), window_s=None)
    assert circumstances.held_down(told, "thermal") is None


@pytest.mark.parametrize(
    ("states", "low"), [((8, 8, 8), True), ((8, 8, 2), False), ((8, 8), False), ((0, 0, 0), False)]
)
def test_a_low_state_must_last_through_the_race(states: tuple[int, ...], low: bool) -> None:
    told = explanation(readings=tuple(reading(float(i), performance_state=s) for i, s in enumerate(states)))
    assert (circumstances.low_state(told) is not None) is low


def test_a_gpu_that_loses_with_everything_removed_is_slower_at_this_work() -> None:
    assert circumstances.low_end(race(explanation())) is None
    beaten = [rung for rung in (*LADDER[:-1], races.rung("C", 70.0, device="cpu")) if rung.id not in ("R6", "R7")]
    found = circumstances.low_end(race(explanation(*beaten)))
    assert found is not None
    assert found[0].id == "R5"
    unfixed = [rung for rung in beaten if rung.id in ("R1", "R4", "C")]
    assert circumstances.low_end(race(explanation(*unfixed))) is None


def effort(gflop_per_s: float, *pools: str, cores: int = 2) -> CpuEffort:
    return CpuEffort(
        lane="cpu-fast",
        threads=cores,
        cores=cores,
        gflop_per_s=gflop_per_s,
        sgemm_gflop_per_s=200.0,
        pools=pools,
    )


@pytest.mark.parametrize(
    ("achieved", "pools", "fights"),
    [
        (12.0, ("OpenBLAS 0.3.31: 2", "OpenMP (libgomp): 2"), True),
        (130.0, ("OpenBLAS 0.3.31: 2", "OpenMP (libgomp): 2"), False),
        (12.0, ("OpenBLAS 0.3.31: 2", "OpenMP (libgomp): 1"), False),
        (12.0, ("OpenBLAS 0.3.31: 2",), False),
        (12.0, ("OpenBLAS", "OpenMP: many"), False),
    ],
)
def test_pools_fight_where_they_have_more_threads_than_cores_and_the_lane_is_slow(
    achieved: float, pools: tuple[str, ...], fights: bool
) -> None:
    assert bool(circumstances.oversubscribed(effort(achieved, *pools))) is fights


def test_a_cpu_near_its_own_peak_is_used_well() -> None:
    assert circumstances.near_peak(effort(130.0)) == pytest.approx(0.65)
    assert circumstances.near_peak(effort(100.0)) is None
    assert circumstances.near_peak(effort(0.0)) is None


@pytest.mark.parametrize(
    ("gpu", "compiled", "turned"),
    [([0.3] * 10, 3.0, True), ([0.3] * 10, 0.5, False), ([0.6] * 10, 3.0, False), ([2.5] + [0.3] * 9, 0.1, True)],
)
def test_a_warm_up_counts_where_it_would_turn_the_race(gpu: list[float], compiled: float, turned: bool) -> None:
    lanes = (lane("cpu-fast", "cpu", [0.5] * 10), lane("gpu-copied", "gpu:0", gpu, compile_seconds=compiled))
    assert (circumstances.one_off_that_turns_the_race(race(explanation(), *lanes)) is not None) is turned
    assert circumstances.one_off_that_turns_the_race(race(None, *lanes)) is None
