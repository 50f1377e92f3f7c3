"""Findings of an explained race: what they say, how bad they are, and the ids that other measurements share."""

from __future__ import annotations

import msgspec
import pytest

from cudadoctor.facts.explanation import Call, CpuEffort, Explanation, Violation
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.race import Lane
from cudadoctor.findings import Finding, Severity
from cudadoctor.rules.diagnose import diagnose
from cudadoctor.rules.verdict import status
from tests.attribution import races
from tests.attribution.calls import allocate, copy_in, launch, python, read_back, wait
from tests.attribution.races import KERNELS, LADDER, explanation, lane, race, reading, recorded
from tests.rules import build as b


def found(explained: Explanation | None, *lanes: Lane, **sections: object) -> dict[str, Finding]:
    """Return the findings of a machine of which little else is known, by id."""
    machine = Machine(race=race(explained, *lanes), **sections)  # type: ignore[arg-type]
    return {finding.id: finding for finding in diagnose(machine)[0]}


def of_calls(*calls: Call) -> dict[str, Finding]:
    return found(explanation(recorded("R1", calls)))


def test_a_race_that_was_not_explained_is_not_judged() -> None:
    assert found(None) == {}
    skipped = diagnose(b.machine(race=race()))[1]
    assert "launch-bound-small-work" not in [skip.rule for skip in skipped]


def test_the_whole_ladder_has_one_finding_with_prediction_and_measurement() -> None:
    told = found(explanation())
    assert list(told) == ["launch-bound-small-work"]
    finding = told["launch-bound-small-work"]
    assert finding.confidence == "proven"
    assert "428 ± 3 µs of the 610 µs" in finding.summary
    assert "(R4 to R6) was measured to save 474" in finding.summary
    assert {evidence.source for evidence in finding.evidence} >= {"replay, predicted", "R4 to R6, measured", "R1"}


def test_the_lead_cause_of_a_gpu_that_lost_is_a_warning_and_of_one_that_won_a_note() -> None:
    lost = found(explanation())["launch-bound-small-work"]
    slow_cpu = (*LADDER[:-1], races.rung("C", 5000.0, device="cpu"))
    won = found(explanation(*slow_cpu))["launch-bound-small-work"]
    assert (lost.severity, won.severity) == (Severity.WARNING, Severity.NOTE)


def test_a_cause_that_does_not_lead_is_a_note() -> None:
    told = of_calls(*KERNELS, *(launch(5, 40), wait(20)) * 3)
    assert told["launch-bound-small-work"].severity is Severity.WARNING
    assert told["sync-every-step"].severity is Severity.NOTE


def test_a_race_never_makes_an_error() -> None:
    machine = Machine(race=race(explanation()))
    assert status(machine, diagnose(machine)[0]) == "warning"


BUSY = (launch(5, 200),) * 4


@pytest.mark.parametrize(
    ("id", "planted", "harmless"),
    [
        ("launch-bound-small-work", KERNELS, (launch(31, 60),) * 16),
        ("sync-every-step", (launch(5, 40), wait(30)) * 4, (*BUSY, wait(3))),
        ("readback-every-step", (python(100), *(launch(5, 40),) * 2, read_back(10, 2)), (*BUSY, read_back(3, 2))),
        ("allocation-in-loop", (allocate(60), *KERNELS), (allocate(60), *BUSY)),
        ("host-bound-not-gpu", (python(300), launch(5, 200), read_back(3, 2)), (python(300), *BUSY)),
        ("small-transfers", (*(copy_in(12, 6, size=4096),) * 8, *BUSY), BUSY),
        (
            "implicit-host-copies",
            (copy_in(20, 30, implicit=True), launch(30, 3), read_back(20, 30, implicit=True)),
            (copy_in(20, 30), launch(30, 3), read_back(20, 30)),
        ),
    ],
)
def test_each_cause_has_a_finding_where_it_costs(
    id: str, planted: tuple[Call, ...], harmless: tuple[Call, ...]
) -> None:
    assert id in of_calls(*planted)
    assert id not in of_calls(*harmless)


def test_a_healthy_gpu_that_works_all_the_time_gets_no_complaint() -> None:
    assert of_calls(*BUSY) == {}


COPIES = (copy_in(10, 130, size=2**20), *(launch(5, 40),) * 4)
WITH_PINNED = explanation(
    recorded("R1", COPIES), races.rung("R2", 180.0, (copy_in(6, 8, size=2**20, pinned=True), *(launch(5, 40),) * 4))
)


def test_pageable_copies_of_a_race_share_the_id_of_those_of_a_measurement() -> None:
    told = found(WITH_PINNED)["pageable-transfer"]
    assert "gpu-r1 copies each minibatch from ordinary (pageable) memory" in told.summary
    # A measurement whose pageable copies are healthy does not take that away, nor is the finding made twice.
    assert "pageable-transfer" in found(WITH_PINNED, bandwidth=b.bandwidth())
    findings, _ = diagnose(Machine(race=race(WITH_PINNED), bandwidth=b.bandwidth()))
    assert [finding.id for finding in findings].count("pageable-transfer") == 1


def test_what_neither_measurement_nor_race_tells_is_skipped_and_says_why() -> None:
    skipped = {skip.rule: skip.reason for skip in diagnose(b.machine())[1]}
    assert "bandwidth" in skipped["pageable-transfer"]
    assert "bandwidth" in skipped["low-power-state"]
    reasons = {skip.rule: skip.reason for skip in diagnose(Machine())[1]}
    for id in ("thermal-throttle", "power-cap", "gpu-shared-with-others"):
        assert "nvml" in reasons[id]


@pytest.mark.parametrize(
    ("id", "severity", "told"),
    [
        ("thermal-throttle", Severity.WARNING, {"violations": (Violation(policy="thermal", seconds=3.0),)}),
        ("power-cap", Severity.NOTE, {"violations": (Violation(policy="power", seconds=3.0),)}),
        (
            "gpu-shared-with-others",
            Severity.NOTE,
            {"readings": (reading(0.0, other_processes=0), reading(1.0, other_processes=2))},
        ),
        (
            "low-power-state",
            Severity.WARNING,
            {"readings": tuple(reading(float(i), performance_state=8, sm_mhz=345) for i in range(3))},
        ),
    ],
)
def test_what_nvml_saw_while_the_race_ran_is_evidence(id: str, severity: Severity, told: dict[str, object]) -> None:
    assert found(explanation(**told))[id].severity is severity
    assert id not in found(explanation())


def test_a_clock_that_ramps_is_a_note() -> None:
    told = explanation(readings=(reading(0.0, sm_mhz=345), reading(1.0)))
    lanes = (lane("cpu-fast", "cpu", [0.2] * 10), lane("gpu-copied", "gpu:0", [1.0] + [0.4] * 9))
    finding = found(told, *lanes)["clock-ramp"]
    assert "2.50 times as long" in finding.summary
    assert "345 MHz where it was 1980 MHz" in finding.summary
    assert "clock-ramp" not in found(explanation(), *lanes)


def test_a_gpu_that_loses_at_its_best_is_told_from_where_on_it_wins() -> None:
    kept = [rung for rung in LADDER if rung.id in ("R1", "R4", "R5")]
    rungs = (*kept, races.rung("C", 60.0, device="cpu"))
    told = found(explanation(*rungs, break_even=explanation().break_even))["low-end-gpu"]
    assert "R5" in told.summary
    assert "wins from about 114 batch size on" in told.summary
    assert "low-end-gpu" not in found(explanation())


def test_a_cpu_near_its_peak_is_named_only_where_the_gpu_lost() -> None:
    good = CpuEffort(lane="cpu-fast", threads=2, cores=2, gflop_per_s=150.0, sgemm_gflop_per_s=200.0)
    assert "75 %" in found(explanation(cpu=good))["cpu-baseline-blas"].summary
    slow_cpu = (*LADDER[:-1], races.rung("C", 5000.0, device="cpu"))
    assert "cpu-baseline-blas" not in found(explanation(*slow_cpu, cpu=good))
    idle = msgspec.structs.replace(good, gflop_per_s=50.0)
    assert "cpu-baseline-blas" not in found(explanation(cpu=idle))


def test_pools_that_fight_are_named() -> None:
    slow = CpuEffort(
        lane="cpu-fast",
        threads=2,
        cores=2,
        gflop_per_s=12.0,
        sgemm_gflop_per_s=200.0,
        pools=("OpenBLAS 0.3.31: 2", "OpenMP (libgomp): 2"),
    )
    finding = found(explanation(cpu=slow))["cpu-threads-oversubscribed"]
    assert "OpenBLAS 0.3.31: 2, OpenMP (libgomp): 2" in finding.summary
    fast = msgspec.structs.replace(slow, gflop_per_s=130.0)
    assert "cpu-threads-oversubscribed" not in found(explanation(cpu=fast))


def test_a_warm_up_that_would_turn_the_race_is_a_note_and_a_long_compile_too() -> None:
    cpu = lane("cpu-fast", "cpu", [0.5] * 10)
    slow_start = lane("gpu-copied", "gpu:0", [0.3] * 10, compile_seconds=25.0)
    told = found(explanation(), cpu, slow_start)
    assert "25.00 s of warm-up" in told["warmup-in-timing"].summary
    assert "25 s before its first epoch" in told["ptx-jit-first-run"].summary
    quick = lane("gpu-copied", "gpu:0", [0.3] * 10, compile_seconds=0.5)
    assert set(found(explanation(), cpu, quick)) == {"launch-bound-small-work"}
