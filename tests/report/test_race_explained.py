"""The explanation of a race: two sentences, tables that add up, 80 columns."""

from __future__ import annotations

import re
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cudadoctor.attribution.causes import judge
from cudadoctor.attribution.decomposition import decompose
from cudadoctor.facts.explanation import BreakEvenPoint, Call, Explanation, Violation
from cudadoctor.report.race import explanation_lines, race_lines, verdict
from tests.attribution import races
from tests.attribution.calls import MINIBATCHES, launch, python, read_back
from tests.attribution.races import LADDER, explanation, race, reading, recorded
from tests.rules.test_properties import strategy_of

WHOLE = race(explanation())


def text(explained: Explanation) -> str:
    """Return the explanation with its line breaks taken out, so that sentences can be looked for."""
    return " ".join(" ".join(explanation_lines(race(explained))).split())


def test_a_race_that_was_not_explained_says_nothing() -> None:
    assert explanation_lines(race()) == []
    assert verdict(race()) == ""


def test_the_verdict_names_what_the_gpu_waits_for_and_what_helps() -> None:
    assert verdict(WHOLE) == (
        "gpu-copied is slower than the CPU: of the 610 µs that a minibatch takes, its GPU computes for 48.0 (8 %), and "
        "428 pass while the host launches one small kernel after another. Without that it would take 182 µs "
        "(predicted; 180 to 185); the best way that was tried (R7) takes 16.0 µs, and the CPU 300."
    )


def test_a_prediction_with_a_large_error_is_not_below_what_the_gpu_computes() -> None:
    judgement = judge(WHOLE)
    assert judgement is not None
    assert judgement.lead is not None
    causes = (msgspec.structs.replace(judgement.lead, error_us=285.0), *judgement.causes[1:])
    unsure = msgspec.structs.replace(judgement, causes=causes)
    with patch("cudadoctor.report.race.why.judge", return_value=unsure):
        assert "it would take 182 µs (predicted; 48.0 to 467);" in verdict(WHOLE)


def test_it_stands_after_the_epochs() -> None:
    assert race_lines(WHOLE)[-len(explanation_lines(WHOLE)) :] == explanation_lines(WHOLE)


def test_no_line_is_longer_than_a_terminal() -> None:
    assert max(len(line) for line in explanation_lines(WHOLE)) <= 80


def rows(lines: list[str]) -> list[float]:
    """Return the figures of the decomposition, from the GPU's computing to the wall time."""
    start = next(i for i, line in enumerate(lines) if line.startswith("where a minibatch"))
    found = []
    for line in lines[start + 1 :]:
        figures = re.search(r" (-?[\d.]+) +-?[\d.]+ %$", line)
        if figures:
            found.append(float(figures[1]))
        if "wall time" in line:
            return found
    raise AssertionError("there is no wall time")


@given(MINIBATCHES, st.floats(0.96, 1.04))
def test_the_rows_of_the_decomposition_sum_to_the_wall_time_as_they_are_printed(
    calls: tuple[Call, ...], off: float
) -> None:
    made = recorded("R1", (python(50), *calls))
    made = msgspec.structs.replace(made, median_us=(made.median_us or 0.0) * off)
    parts = decompose("R1", made.lane, made.calls, made.median_us or 0.0)
    figures = rows(explanation_lines(race(explanation(made, decompositions=(parts,)))))
    assert sum(figures[:-1]) == pytest.approx(figures[-1], abs=0.05 * len(figures))


def test_the_ladder_gives_each_rung_its_prediction() -> None:
    lines = explanation_lines(WHOLE)
    r5 = next(line for line in lines if line.startswith("R5"))
    assert re.fullmatch(r"R5 +92\.8 +92\.6 to 93\.4 +6\.57 +92\.8 ± 1\.6  most launches", r5)
    assert next(line for line in lines if line.startswith("R7")).endswith("at least 2.37  all launches")
    assert "The predictions are off by 0.2 % in the mean." in text(explanation())


def test_rungs_that_were_not_measured_and_those_that_train_otherwise_are_marked() -> None:
    failed = msgspec.structs.replace(
        LADDER[5], state="failed", reason="no graphs here", median_us=None, low_us=None, high_us=None, samples_us=()
    )
    larger = races.rung("R8", 22.0, removes="minibatch x4", changes_training=True)
    told = text(explanation(*LADDER[:5], failed, larger))
    assert "R6 failed: no graphs here" in told
    assert "minibatch x4*" in told
    assert "trains on other minibatches" in told


def test_a_rung_that_changed_nothing_is_said_to_have_no_effect() -> None:
    same = msgspec.structs.replace(LADDER[0], id="R2", samples_us=LADDER[0].samples_us[::-1])
    assert "No effect was measured from R1 to R2" in text(explanation(LADDER[0], same))
    assert "No effect" not in text(explanation())


@pytest.mark.parametrize(
    ("rungs", "sentence"),
    [
        ((recorded("R1", [launch(5, 200)] * 4),), "Nothing is wrong: the GPU computes for 80"),
        ((recorded("R1", (*[launch(5, 100)] * 3, read_back(40, 2), python(40))),), "No single cause costs a quarter"),
        ((msgspec.structs.replace(LADDER[0], median_us=700.0), LADDER[6]), "is not known: played again"),
        ((msgspec.structs.replace(LADDER[0], median_us=900.0), LADDER[6]), "tried (R7) takes 16.0 µs"),
        (
            (*LADDER[:5], races.rung("C", 60.0, device="cpu")),
            "for work of this size this GPU is not faster",
        ),
        ((*LADDER[:4], races.rung("C", 900.0, device="cpu")), "gpu-copied beats the CPU, and could do better"),
    ],
)
def test_the_verdict_of_other_races(rungs: tuple, sentence: str) -> None:
    assert sentence in verdict(race(explanation(*rungs)))


def test_the_break_even_and_its_tests_are_told() -> None:
    (found,) = explanation().break_even
    checks = (
        BreakEvenPoint(value=57, cpu_us=271, gpu_us=511, predicted_winner="cpu-fast", winner="cpu-fast"),
        BreakEvenPoint(value=229, cpu_us=1000, gpu_us=990, predicted_winner="gpu-per-operation"),
        BreakEvenPoint(value=300, cpu_us=1, gpu_us=990, predicted_winner="gpu-per-operation", winner="cpu-fast"),
    )
    told = text(explanation(break_even=(msgspec.structs.replace(found, checks=checks),)))
    assert "gpu-per-operation wins from about 114 rows on" in told
    assert "tested with 57 rows: 271 and 511 µs, cpu-fast won, as predicted." in told
    assert "990 µs, their times overlap." in told
    assert "cpu-fast won, against the prediction (gpu-per-operation)." in told
    none = msgspec.structs.replace(found, at=None, low=None, high=None, reason="the CPU is faster at every size")
    assert "break-even over rows: none, the CPU is faster at every size." in text(explanation(break_even=(none,)))


def test_one_line_says_whether_others_used_the_board_and_whether_that_matters() -> None:
    assert "others on the GPU: none in 6 readings" in text(explanation())
    shared = tuple(reading(float(i), other_processes=i % 2) for i in range(6))
    assert "up to 1 in 3 of 6 readings; the race used the GPU 16 % of the time only" in text(
        explanation(readings=shared)
    )
    unknown = (reading(0.0, other_processes=None),)
    assert "not known, NVML does not say" in text(explanation(readings=unknown))


def test_clocks_name_what_held_them_down() -> None:
    assert "SM clock 1980 MHz, memory 2619 MHz, performance state P0" in text(explanation())
    held = explanation(violations=(Violation(policy="thermal", seconds=6.0),))
    assert "held down by thermal for 20 % of the time" in text(held)
    idle = explanation(violations=(Violation(policy="low utilization", seconds=21.0),))
    assert "for want of work for 70 % of the time, and by no limit" in text(idle)
    named = explanation(readings=(reading(0.0, reasons=0x1), reading(1.0, reasons=0x4)))
    assert "reasons that NVML named at times: power cap" in text(named)


def test_the_advice_is_that_of_the_lead_cause() -> None:
    told = text(explanation())
    assert "launch-bound-small-work (70 % of the time, proven): Launch less" in told


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.data())
def test_no_explanation_breaks_the_report(data: st.DataObject) -> None:
    explained = data.draw(strategy_of(Explanation))
    for line in explanation_lines(race(explained)):
        assert "\x1b" not in line


def test_a_break_even_of_fastest_samples_says_so_and_one_taken_back_says_why() -> None:
    (found,) = explanation().break_even
    assert "fitted to the fastest samples, µs a minibatch" in text(
        explanation(break_even=(msgspec.structs.replace(found, statistic="fastest"),))
    )
    reason = "the lines meet at about 1436, but tested there, the CPU took 9 µs, so no crossing can be told"
    taken_back = msgspec.structs.replace(found, at=None, low=None, high=None, reason=reason)
    told = " ".join(text(explanation(break_even=(taken_back,))).split())
    assert f"break-even over rows: none, {reason}." in told
