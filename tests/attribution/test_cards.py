"""Predictions from data sheets, against what was measured, and the page that tells them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from statistics import median

import msgspec
import pytest

from cudadoctor.attribution import of_2014
from cudadoctor.attribution.cards import H100, LIBRARIES, Range, Style, fitted, predicted_us, reference_work
from cudadoctor.facts.base import Missing
from cudadoctor.facts.document import decode_facts
from cudadoctor.facts.explanation import Rung
from cudadoctor.facts.race import Race
from cudadoctor.tables.published_cards import PublishedCard, published_card, published_cards
from cudadoctor.tables.reader import rows
from tests.attribution import races
from tests.attribution.races import LADDER, explanation, race

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "the-2014-mystery.md").read_text(encoding="utf-8")
STYLES: tuple[Style, ...] = ("copied", "per-operation", "graph", "persistent")


def card(name: str) -> PublishedCard:
    found = published_card(name)
    assert found is not None
    return found


REFERENCE, POST = card(H100.card), card("GeForce GT 750M")


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
    assert all(len(row) == 11 for row in rows("published_cards.tsv"))


def test_the_compute_capability_of_a_card_is_that_of_its_chip() -> None:
    of_chip = {chip: capability for _, capability, chip, *_ in rows("pci_ids.tsv")}
    for each in published_cards():
        assert of_chip[each.chip] == ".".join(map(str, each.compute_capability))
    assert (REFERENCE.shared_bytes, POST.shared_bytes) == (227 * 1024, 48 * 1024)


def test_the_work_is_that_of_the_network() -> None:
    work = reference_work((784, 300, 10), 64)
    assert work.flop == 61_363_200  # five products: 30.1 + 0.38 + 0.38 + 30.1 + 0.38 Mflop
    assert work.moved_bytes == 4 * (7 * 238_510 + 6 * 64 * 1_094) + 64 * 784  # weights, units, pixels


def recorded(id: str) -> Rung:
    """Return a rung of the ladder that was recorded on an H100."""
    machine = decode_facts((Path(__file__).parents[1] / "machines/ubuntu24-h100-ladder/facts.json").read_bytes())
    assert isinstance(machine.race, Race)
    assert machine.race.explanation is not None
    return next(each for each in machine.race.explanation.rungs if each.id == id)


@pytest.mark.parametrize(("rung", "style"), [("R1", "copied"), ("R6", "graph")])
def test_the_reference_card_gets_its_own_measurement_back(rung: str, style: Style) -> None:
    assert predicted_us(REFERENCE, style, REFERENCE).value == pytest.approx(recorded(rung).median_us, rel=0.002)


def test_the_persistent_kernel_of_the_reference_card_is_the_one_that_was_measured() -> None:
    told = predicted_us(REFERENCE, "persistent", REFERENCE)
    measurements = (DOCS / "measurements.md").read_text(encoding="utf-8")
    assert f"**{told.value:.2f}** (median of 12 epochs, {told.low:.2f} to {told.high:.2f})" in measurements


def test_the_part_of_the_arithmetic_peak_is_what_larger_minibatches_cost() -> None:
    large, small = recorded("R8x16"), recorded("R6")
    assert large.median_us is not None
    assert small.median_us is not None
    more = reference_work((784, 300, 10), 1024).flop - reference_work((784, 300, 10), 64).flop
    reached = more / (large.median_us - small.median_us) * 1e-3 / REFERENCE.gflop_per_s
    assert pytest.approx(reached, rel=0.03) == H100.arithmetic.value
    told = predicted_us(REFERENCE, "graph", REFERENCE, batch_size=1024)
    assert told.value == pytest.approx(large.median_us, rel=0.05)


def test_copying_is_what_the_recorded_race_had_beside_its_launches() -> None:
    copied, operations = recorded("R1"), recorded("R4")
    assert operations.median_us is not None
    each = operations.median_us / 15
    ends = [(us or 0.0) - 14 * each for us in (copied.low_us, copied.high_us)]
    launch = H100.launch_us
    assert H100.copying_us.low == pytest.approx(ends[0] * launch.low / each, rel=0.01)
    assert H100.copying_us.high == pytest.approx(ends[1] * launch.high / each, rel=0.01)


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


def test_launches_follow_the_host_and_not_the_card() -> None:
    fast = [each for each in published_cards() if each.gflop_per_s > 8000]
    assert len(fast) >= 12
    assert {predicted_us(each, "per-operation", REFERENCE).value for each in fast} == {540.0}
    assert {predicted_us(each, "copied", REFERENCE).value for each in fast} == {863.0}
    assert predicted_us(REFERENCE, "per-operation", REFERENCE, host_factor=2).value == 1080
    assert predicted_us(REFERENCE, "copied", REFERENCE, host_factor=2).value == 1726


def test_a_card_that_is_slower_than_its_host_is_waited_for() -> None:
    device = predicted_us(POST, "graph", REFERENCE)
    assert predicted_us(POST, "per-operation", REFERENCE) == device
    assert predicted_us(POST, "copied", REFERENCE).value == pytest.approx(device.value + H100.copying_us.value)


def test_another_chip_is_less_certain_than_the_one_that_was_measured() -> None:
    same, other = card("H200 SXM"), card("B200")
    for style in ("graph", "persistent"):
        spans = [
            (told.high - told.low) / told.value for told in (predicted_us(c, style, REFERENCE) for c in (same, other))
        ]
        assert spans[1] > 10 * spans[0]


def test_a_block_that_holds_one_minibatch_cannot_fetch_the_next_meanwhile() -> None:
    ampere = card("A100 PCIe 40 GB")
    two, one = (predicted_us(ampere, "persistent", REFERENCE, buffers=buffers) for buffers in (2, 1))
    assert two.value == pytest.approx(6.40 * 1980 / 1410)
    assert (one.low, one.value, one.high) == pytest.approx((two.low, 1.25 * two.value, 1.53 * two.high))


def test_kernels_of_a_library_reach_more_on_a_small_card() -> None:
    own, library = (predicted_us(POST, "graph", REFERENCE, model=model) for model in (H100, LIBRARIES))
    assert own.low > library.high


# What docs/measurements.md holds: seconds an epoch of 732 minibatches, lane of 15 launches.
ON_H100 = (0.544, 0.584, 0.360, 0.395, 0.457, 0.758, 0.731, 0.757)
ON_H200 = (0.317, 0.327)


@pytest.mark.parametrize(("name", "seconds", "error"), [("H100 SXM", ON_H100, -0.30), ("H200 SXM", ON_H200, 0.23)])
def test_the_error_against_what_was_measured_is_the_one_that_the_page_tells(
    name: str, seconds: tuple[float, ...], error: float
) -> None:
    told = predicted_us(card(name), "per-operation", REFERENCE)
    us = [1e6 * each / 732 for each in seconds]
    assert all(told.low <= each <= told.high for each in us)
    assert told.value / median(us) - 1 == pytest.approx(error, abs=0.005)
    row = f"| {told.value:.0f} ({told.low:.0f} to {told.high:,.0f}) | {min(us):.0f} to {max(us):,.0f}, median "
    assert f"{row}{median(us):.0f} | {told.value / median(us) - 1:+.0%} |".replace("%", " %") in PAGE
    measurements = (DOCS / "measurements.md").read_text(encoding="utf-8")
    assert all(f"{each:.3f}" in measurements for each in seconds)


def test_the_style_of_2014_is_predicted_on_an_h100_as_the_page_tells() -> None:
    told = of_2014.predicted_2014_us(REFERENCE, H100.launch_us, Range(0.0, 0.0, 0.0))
    measured = 3.52e6 / 732  # docs/measurements.md: one epoch of `dbn-race --style 2014`
    assert told.low < measured < told.high
    assert f"| {measured:,.0f} | {told.value / measured - 1:+.0%} |".replace("%", " %") in PAGE


def test_the_constants_can_be_taken_from_a_recorded_race() -> None:
    model = fitted(race(explanation()), "H100 SXM")
    assert not isinstance(model, Missing)
    assert (model.launches, model.launch_us.value) == (16, 31)
    assert model.persistent_us.value == pytest.approx(16.0, rel=0.01)
    copied = LADDER[0].median_us
    assert predicted_us(REFERENCE, "copied", REFERENCE, model=model).value == pytest.approx(copied)
    assert predicted_us(REFERENCE, "graph", REFERENCE, model=model).value == pytest.approx(21.0, rel=0.01)
    assert predicted_us(REFERENCE, "per-operation", REFERENCE, model=model).value == pytest.approx(496, rel=0.01)
    assert isinstance(fitted(race(explanation(LADDER[0])), "H100 SXM"), Missing)
    without_calls = (races.rung("R4", 500.0), LADDER[5])
    assert isinstance(fitted(race(explanation(*without_calls)), "H100 SXM"), Missing)


def test_the_page_lists_every_card_as_the_model_predicts_it() -> None:
    listed = [
        line.split(" | ") for line in PAGE.splitlines() if re.match(r"^\| (?!H100 \|).*( \| [\d,.]+ \(.*){3}", line)
    ]
    assert [row[0].removeprefix("| ") for row in listed] == [each.name for each in published_cards()]
    for row, each in zip(listed, published_cards(), strict=True):
        for cell, style in zip(row[1:4], STYLES[:3], strict=True):
            told = predicted_us(each, style, REFERENCE)
            figures = [float(figure.replace(",", "")) for figure in re.findall(r"[\d,.]+", cell)]
            assert figures == pytest.approx([told.value, told.low, told.high], rel=0.006)
        assert (row[4] == "- |") == (each.chip not in ("GA100", "GH100", "GB100"))


def test_the_tables_of_the_page_are_generated() -> None:
    run = subprocess.run([sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True, check=False)
    assert "the-2014-mystery.md" not in run.stdout, run.stdout
    assert run.stderr == ""
