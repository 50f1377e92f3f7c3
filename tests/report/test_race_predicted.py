"""What a GPU would do, in text and HTML: figures, who would win, and that it says "predicted"."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cudadoctor.facts.race import PredictedCard, Race
from cudadoctor.report.html.race_predicted import predicted_parts
from cudadoctor.report.race import race_lines
from cudadoctor.report.race.predicted import predicted_lines, winner_sentence
from tests.attribution.races import lane, race
from tests.rules.test_properties import strategy_of

CPU = lane("cpu-fast", "cpu", [0.2, 0.22, 0.25])  # 273 to 342 µs a minibatch, median 301


def told(card: str, us: float, low: float, high: float, style: str = "copied", **more: bool) -> PredictedCard:
    return PredictedCard(card=card, style=style, us=us, low_us=low, high_us=high, source="a sheet", **more)  # type: ignore[arg-type]


def of(*predicted: PredictedCard, **more: str) -> Race:
    return race(None, CPU, predicted=predicted, **more)


BOTH = of(
    told("Old", 863, 658, 1938),
    told("Old", 417, 174, 597, "graph"),
    told("New", 863, 658, 1938, reproduced=True),
    told("New", 6.4, 6.35, 6.65, "persistent", reproduced=True),
)


def test_a_race_without_predictions_says_nothing_of_them() -> None:
    assert predicted_lines(race()) == []
    assert predicted_parts(race()) == []


def test_the_table_has_each_card_and_the_cpu_beside_them() -> None:
    lines = [line.split() for line in predicted_lines(BOTH)]
    assert ["Old", "863", "(658", "to", "1938)", "632", "ms", "417", "(174", "to", "597)", "305", "ms"] in lines
    assert [*["New", "863", "(658", "to", "1938)", "632", "ms", "6.40", "(6.35", "to", "6.65)", "4.68", "ms*"]] in lines
    assert [*["cpu-fast,", "measured", "301", "(273", "to", "342)", "220", "ms"]] in lines
    assert max(len(line) for line in predicted_lines(BOTH)) <= 80


def test_it_stands_after_the_lanes_and_says_that_nothing_was_measured() -> None:
    lines = race_lines(BOTH)
    assert lines[-len(predicted_lines(BOTH)) :] == predicted_lines(BOTH)
    text = " ".join(predicted_lines(BOTH))
    assert "predicted from data sheets; no GPU was measured here" in text
    assert "Reproduced and not predicted: New," in text


@pytest.mark.parametrize(
    ("ends", "winner"),
    [
        ((10, 272), "each of these GPUs beats cpu-fast"),
        ((10, 274), "it is open whether cpu-fast or the GPU wins"),
        ((341, 900), "it is open whether cpu-fast or the GPU wins"),
        ((343, 900), "cpu-fast beats each of these GPUs"),
    ],
)
def test_a_range_that_reaches_the_cpu_decides_nothing(ends: tuple[float, float], winner: str) -> None:
    told_of = winner_sentence(of(told("A", sum(ends) / 2, *ends), told("B", sum(ends) / 2, *ends)))
    assert told_of == (
        f"Predicted, not measured: as most people write it, {winner}; at its best, nothing is predicted."
    )


def test_cards_that_differ_are_named() -> None:
    cards = [told("A", 20, 10, 30, "graph"), told("B", 900, 800, 1000, "graph"), told("C", 300, 10, 1000, "graph")]
    assert "at its best, A beats cpu-fast, cpu-fast beats B, for C it is open." in winner_sentence(of(*cards))
    assert "at its best, A and D beat cpu-fast" in winner_sentence(of(*cards, told("D", 20, 10, 30, "graph")))


def test_without_a_finished_cpu_nobody_is_said_to_win() -> None:
    broken = msgspec.structs.replace(BOTH, lanes=(msgspec.structs.replace(CPU, state="interrupted"),))
    assert winner_sentence(broken) == ""
    assert not any("measured: as" in line or "cpu-fast" in line for line in predicted_lines(broken))
    assert predicted_parts(broken)[0].lead == ()


def test_what_is_not_predicted_says_why() -> None:
    race_ = of(not_predicted="the model holds for another network")
    sentence = "What a GPU would do is not predicted: the model holds for another network."
    assert predicted_lines(race_) == [sentence]
    assert predicted_parts(race_)[0].lead == (sentence,)


def test_the_page_draws_every_figure_and_lists_it() -> None:
    (part,) = predicted_parts(BOTH)
    (figure,) = part.figures
    assert "predicted, not measured" in part.title
    assert part.lead == (winner_sentence(BOTH),)
    assert figure.charts[0].markup.count('class="whisker"') == 3 * 4
    assert ">cpu-fast, measured</text>" in figure.charts[0].markup
    cells = [[cell.text for cell in row.cells] for row in figure.tables[0].rows]
    assert cells == [
        ["Old", "a graph of fused kernels", "863 (658 to 1938)", "632 ms", "417 (174 to 597)", "305 ms"],
        ["New", "one kernel an epoch", "863 (658 to 1938)", "632 ms", "6.40 (6.35 to 6.65)", "4.68 ms"],
        ["cpu-fast, measured", "-", "301 (273 to 342)", "220 ms", "-", "-"],
    ]


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.data())
def test_no_predictions_break_the_reports(data: st.DataObject) -> None:
    hostile = data.draw(strategy_of(Race))
    predicted_parts(hostile)
    for line in predicted_lines(hostile):
        assert "\x1b" not in line
        assert len(line) <= 80
