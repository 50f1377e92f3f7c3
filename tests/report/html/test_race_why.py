"""Why a race came out as it did: every figure of the explanation is in a table, and parts sum to the whole."""

from __future__ import annotations

import re

import msgspec
import pytest

from cudadoctor.attribution.causes import judge
from cudadoctor.facts.explanation import BreakEvenPoint
from cudadoctor.report.html.parts import Figure
from cudadoctor.report.html.race_why import why_parts
from cudadoctor.report.race import verdict
from tests.attribution.races import LADDER, explanation, race, rung

WHOLE = race(explanation())


def figure(title: str, explained: object = None) -> Figure:
    parts = why_parts(WHOLE if explained is None else race(explained))  # type: ignore[arg-type]
    return next(each for part in parts for each in part.figures if each.title == title)


def cells(shown: Figure) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in shown.tables[0].rows]


def test_a_race_that_was_not_explained_has_no_such_part() -> None:
    assert why_parts(race()) == []


def test_the_verdict_stands_first_and_is_that_of_every_other_report() -> None:
    part = why_parts(WHOLE)[0]
    assert part.title == "Why"
    assert part.lead == (verdict(WHOLE),)


def test_the_ladder_has_a_bar_and_a_row_for_each_rung_and_a_line_for_the_cpu() -> None:
    shown = figure("The ladder")
    (chart,) = shown.charts
    assert chart.markup.count('class="whisker"') == 3 * len(LADDER)
    assert [row[0] for row in cells(shown)] == [each.id for each in LADDER]
    assert 'class="reference"' in chart.markup
    assert ">cpu-fast</text>" in chart.markup
    for row, each in zip(cells(shown), LADDER, strict=True):
        assert float(row[2]) == pytest.approx(each.median_us, rel=0.005)


def test_a_rung_that_was_not_measured_has_no_bar_and_says_why() -> None:
    left_out = msgspec.structs.replace(
        rung("R9", 1.0), state="skipped", reason="no graphs here", median_us=None, low_us=None, high_us=None
    )
    shown = figure("The ladder", explanation(*LADDER, left_out))
    assert "R9" not in shown.charts[0].markup
    assert cells(shown)[-1][2] == "skipped"
    assert "R9 was skipped: no graphs here." in shown.notes


def test_the_parts_of_each_rung_sum_to_its_wall_time() -> None:
    rows = cells(figure("Where the time of a minibatch goes"))
    assert rows[-1][0].startswith("wall time")
    for column in range(1, len(rows[0])):
        parts = [float(row[column]) for row in rows[:-1] if row[column] != "-"]
        assert sum(parts) == pytest.approx(float(rows[-1][column]), abs=0.05 * len(parts))


def test_the_judged_rung_comes_first_and_what_is_left_over_is_grey() -> None:
    shown = figure("Where the time of a minibatch goes")
    judgement = judge(WHOLE)
    assert judgement is not None
    assert shown.tables[0].heads[1] == judgement.rung.id
    assert re.search(r'class="area part s7"><title>not explained: ', shown.charts[0].markup)


def test_break_even_is_drawn_where_it_was_found_and_tests_of_it_say_what_was_predicted() -> None:
    (found,) = explanation().break_even
    check = BreakEvenPoint(value=48, cpu_us=230.0, gpu_us=510.0, predicted_winner="cpu-fast", winner="cpu-fast")
    tested = msgspec.structs.replace(found, checks=(check,))
    shown = figure("Break-even over rows in a minibatch", explanation(*LADDER, break_even=(tested,)))
    assert f"about {found.at:.0f}" in shown.charts[0].markup
    rows = {row[0]: row for row in cells(shown)}
    assert rows["48"] == ["48", "230", "510", "cpu-fast", "cpu-fast"]
    assert rows["64"][-1] == "-"
    assert len(rows) == len(found.points) + 1


def test_without_a_crossing_there_is_no_line_but_the_reason() -> None:
    (found,) = explanation().break_even
    never = msgspec.structs.replace(found, at=None, low=None, high=None, reason="the CPU is faster at every size")
    shown = figure("Break-even over rows in a minibatch", explanation(*LADDER, break_even=(never,)))
    assert 'class="reference"' not in shown.charts[0].markup
    assert "the CPU is faster at every size" in shown.notes[0]


def test_each_cause_says_what_helps() -> None:
    judgement = judge(WHOLE)
    assert judgement is not None
    part = why_parts(WHOLE)[1]
    assert part.title == "What to change in your own code"
    assert [row[0] for row in cells(part.figures[0])] == [cause.id for cause in judgement.causes[:3]]
    assert all(row[2] for row in cells(part.figures[0]))
