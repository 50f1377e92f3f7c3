"""Predictions from data sheets, against what was measured, and the page that tells them."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median

import msgspec
import pytest

from cudadoctor.attribution import of_2014
from cudadoctor.attribution.cards import H100, Range, Style, fitted, predicted_us, reference_work
from cudadoctor.attribution.decomposition import parts_of
from cudadoctor.attribution.replay import replay
from cudadoctor.attribution.what_if import without_waits
from cudadoctor.facts.base import Missing
from cudadoctor.tables.published_cards import PublishedCard, published_card, published_cards
from cudadoctor.tables.reader import rows
from tests.attribution import races
from tests.attribution.races import LADDER, explanation, race

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "the-2014-mystery.md").read_text(encoding="utf-8")
TOLD = " ".join(PAGE.split())
STYLES: tuple[Style, ...] = ("per-operation", "graph", "persistent")


def card(name: str) -> PublishedCard:
    found = published_card(name)
    assert found is not None
    return found


REFERENCE, POST = card(H100.card), card("GeForce GT 750M")


def ms(range_: Range, digits: int = 2) -> str:
    """Return a range as the page writes it."""
    value, low, high = (f"{us / 1e3:.{digits}f}" for us in (range_.value, range_.low, range_.high))
    return f"{value} ({low} to {high})"


def test_every_card_has_a_source_and_figures_that_fit_together() -> None:
    assert 12 <= len(published_cards()) == len({each.name for each in published_cards()})
    lanes = {"GK107": 192, "GV100": 64, "TU104": 64, "TU106": 64, "GA100": 64}
    for each in published_cards():
        assert "." in each.source
        computed = 2e-3 * lanes.get(each.chip, 128) * each.multiprocessors * each.boost_mhz
        assert each.gflop_per_s == pytest.approx(computed, rel=0.005), each.name


def test_what_was_not_found_is_empty_and_not_guessed() -> None:
    assert card("B200").pcie_generation is None
    assert card("GeForce RTX 4060 Laptop").pcie_width == 8
    assert published_card("GeForce 256") is None
    assert all(len(row) == 10 for row in rows("published_cards.tsv"))


def test_the_work_is_that_of_the_network() -> None:
    work = reference_work((784, 300, 10), 64, fused=False)
    assert work.flop == 61_363_200  # five products: 30.1 + 0.38 + 0.38 + 30.1 + 0.38 Mflop
    assert reference_work((784, 300, 10), 64, fused=True).moved_bytes == 64 * 784


def test_the_reference_card_gets_its_own_measurement_back() -> None:
    assert predicted_us(REFERENCE, "graph", REFERENCE).value == pytest.approx(88.0)
    assert predicted_us(REFERENCE, "persistent", REFERENCE).value == pytest.approx(16.0)


@pytest.mark.parametrize("style", STYLES)
def test_predictions_are_ranges_around_their_value(style: Style) -> None:
    for each in published_cards():
        told = predicted_us(each, style, REFERENCE)
        assert 0 < told.low <= told.value <= told.high


@pytest.mark.parametrize("style", STYLES)
def test_a_better_card_is_never_slower(style: Style) -> None:
    better = msgspec.structs.replace(
        POST, gflop_per_s=2 * POST.gflop_per_s, memory_gb_per_s=2 * POST.memory_gb_per_s, boost_mhz=2 * POST.boost_mhz
    )
    assert predicted_us(better, style, REFERENCE).value <= predicted_us(POST, style, REFERENCE).value


def test_one_kernel_an_operation_follows_the_host_and_not_the_card() -> None:
    assert {predicted_us(each, "per-operation", REFERENCE).value for each in published_cards()} == {576.0}
    assert predicted_us(REFERENCE, "per-operation", REFERENCE, host_factor=2).value == 1152


# What docs/measurements.md holds: seconds an epoch of 732 minibatches, lane of 16 launches.
ON_H100 = (0.544, 0.584, 0.360, 0.395, 0.457, 0.758, 0.731, 0.757)
ON_H200 = (0.317, 0.327)


@pytest.mark.parametrize(("name", "seconds", "error"), [("H100 SXM", ON_H100, -0.25), ("H200 SXM", ON_H200, 0.31)])
def test_the_error_against_what_was_measured_is_the_one_that_the_page_tells(
    name: str, seconds: tuple[float, ...], error: float
) -> None:
    told = predicted_us(card(name), "per-operation", REFERENCE)
    us = [1e6 * each / 732 for each in seconds]
    assert all(told.low <= each <= told.high for each in us)
    assert told.value / median(us) - 1 == pytest.approx(error, abs=0.005)
    row = f"| {told.value:.0f} ({told.low:.0f} to {told.high:.0f}) | {min(us):.0f} to {max(us):.0f}, median "
    assert f"{row}{median(us):.0f} | {told.value / median(us) - 1:+.0%} |".replace("%", " %") in PAGE
    measurements = (DOCS / "measurements.md").read_text(encoding="utf-8")
    assert all(f"{each:.3f}" in measurements for each in seconds)


def test_the_constants_can_be_taken_from_a_recorded_race() -> None:
    model = fitted(race(explanation()), "H100 SXM")
    assert not isinstance(model, Missing)
    assert (model.launches, model.launch_us.value) == (16, 31)
    assert model.persistent_us.value == pytest.approx(16.0, rel=0.01)
    assert predicted_us(REFERENCE, "graph", REFERENCE, model=model).value == pytest.approx(21.0, rel=0.01)
    assert predicted_us(REFERENCE, "per-operation", REFERENCE, model=model).value == pytest.approx(496, rel=0.01)
    assert isinstance(fitted(race(explanation(LADDER[0])), "H100 SXM"), Missing)
    without_calls = (races.rung("R4", 500.0), LADDER[5])
    assert isinstance(fitted(race(explanation(*without_calls)), "H100 SXM"), Missing)


# 2014

ACCOUNT = of_2014.account(POST)
CALLS = of_2014.calls_of_2014(POST, ACCOUNT.per_operation.value, ACCOUNT.interpreter.value)


def test_the_calls_are_those_that_were_counted() -> None:
    assert (len(CALLS), of_2014.LAUNCHES, of_2014.WAITS) == (103, 97, 74)
    assert sum(call.waits for call in CALLS) == 74
    assert sum(call.kind == "launch" for call in CALLS) == 97
    for figure in ("| 103 |", "| 97 |", "| 6 |", "| 74 |"):
        assert figure in PAGE


def test_played_again_they_take_what_the_post_measured() -> None:
    assert replay(CALLS).period_us == pytest.approx(8e6 / 732)
    slow = (of_2014.EPOCH_S.high * 1e6 / 732, 1400.0, ACCOUNT.card.low)
    launch = of_2014.implied_launch_us(POST, *slow)
    assert replay(of_2014.calls_of_2014(POST, launch, slow[1], slow[2])).period_us == pytest.approx(slow[0])


def test_the_account_sums_to_the_whole_and_agrees_with_the_decomposition() -> None:
    told = ACCOUNT.card.value + ACCOUNT.copies + ACCOUNT.interpreter.value + ACCOUNT.launches.value
    assert told == pytest.approx(ACCOUNT.total.value)
    idle = sum(part.us for part in parts_of(replay(CALLS)) if part.kind == "idle")
    assert ACCOUNT.launches.value + ACCOUNT.interpreter.value == pytest.approx(idle)


def test_the_page_and_the_model_agree_on_where_the_time_went() -> None:
    total = ACCOUNT.total.value
    for range_, words in (
        (ACCOUNT.launches, "launches, copy calls and waits"),
        (ACCOUNT.interpreter, "Python"),
        (ACCOUNT.card, "the card"),
    ):
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| {words}"))
        assert f"| {ms(range_)} | {range_.value / total:.0%}".replace("%", " %") in row
    assert f"| {ACCOUNT.copies / 1e3:.2f} | {ACCOUNT.copies / total:.0%}".replace("%", " %") in PAGE
    assert f"**{total / 1e3:.1f} ms** a minibatch on the GPU ({ACCOUNT.total.low / 1e3:.1f} to " in TOLD
    each = ACCOUNT.per_operation
    assert f"costs the host {each.value:.0f} µs ({each.low:.0f} to {each.high:.0f})" in TOLD
    assert f"with Python's part it is {each.value + ACCOUNT.interpreter.value / 103:.0f} µs" in TOLD
    assert f"idle for {1 - (ACCOUNT.card.value + ACCOUNT.copies) / total:.0%}".replace("%", " %") in TOLD
    assert total / ACCOUNT.card.value == pytest.approx(15, abs=0.5)  # "a fifteenth"


def test_the_page_and_the_model_agree_on_a_faster_card() -> None:
    faster = of_2014.predicted_2014_us(REFERENCE, ACCOUNT.per_operation, ACCOUNT.interpreter)
    assert f"{faster.value / 1e3:.1f} ms predicted" in TOLD
    assert f"would have saved {1 - faster.value / ACCOUNT.total.value:.0%}".replace("%", " %") in TOLD
    assert f"It has {REFERENCE.gflop_per_s / POST.gflop_per_s:.0f} times the arithmetic" in TOLD


def test_the_page_and_the_model_agree_on_what_would_have_helped() -> None:
    total = ACCOUNT.total.value
    for calls in (
        without_waits(CALLS),
        [msgspec.structs.replace(call, waits=False) for call in CALLS if call.kind == "launch"],
    ):
        left = replay(calls).period_us
        assert f"| at most {left / 1e3:.1f} | {total / left:.2f} at least |" in PAGE
    low = ACCOUNT.per_operation.low + ACCOUNT.interpreter.high / 103
    high = ACCOUNT.per_operation.high + ACCOUNT.interpreter.low / 103
    value = ACCOUNT.per_operation.value + ACCOUNT.interpreter.value / 103
    stages = Range(8 * value, 8 * low, 8 * high)
    assert stages.low > predicted_us(POST, "graph", REFERENCE).value  # the host, not the card
    assert f"| {ms(stages)} | {total / stages.value:.0f} |" in PAGE
    for style in ("graph", "persistent"):
        told = predicted_us(POST, style, REFERENCE)
        factors = f"{total / told.value:.0f} ({total / told.high:.0f} to {total / told.low:.0f})"
        assert f"| {ms(told)} | {factors} |" in PAGE
    epoch = predicted_us(POST, "persistent", REFERENCE).times(732)
    assert f"{epoch.value / 1e6:.2f} s ({epoch.low / 1e6:.2f} to {epoch.high / 1e6:.2f})" in TOLD


def test_the_page_lists_every_card_as_the_model_predicts_it() -> None:
    listed = re.findall(r"^\| (.+?) \| (\d+ \(.*?\)) \| (\d+ \(.*?\)) \| (\d+ \(.*?\)) \|$", PAGE, re.MULTILINE)
    made = []
    for each in published_cards():
        told = [predicted_us(each, style, REFERENCE) for style in STYLES]
        made.append((each.name, *(f"{r.value:.0f} ({r.low:.0f} to {r.high:.0f})" for r in told)))
    assert listed == made
