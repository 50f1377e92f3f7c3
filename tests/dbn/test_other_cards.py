"""Predictions for cards that are not here: for the network that the model was measured with, and for no other."""

from __future__ import annotations

import msgspec
import pytest

from cudadoctor.dbn.network import Network
from cudadoctor.dbn.other_cards import SHOWN, best_style, persistent_plan, predicted
from cudadoctor.facts.base import Missing
from cudadoctor.tables.published_cards import PublishedCard, published_card, published_cards


def card(name: str) -> PublishedCard:
    found = published_card(name)
    assert found is not None
    return found


def test_each_card_is_predicted_as_most_people_write_it_and_at_its_best() -> None:
    told = predicted(Network())
    assert not isinstance(told, Missing)
    assert [each.card for each in told[::2]] == [each.card for each in told[1::2]] == list(SHOWN)
    assert {each.style for each in told[::2]} == {"copied"}
    for copied, best in zip(told[::2], told[1::2], strict=True):
        assert best.style == best_style(card(best.card), Network())[0]
        assert 0 < best.low_us <= best.us <= best.high_us < copied.us


def test_the_card_of_the_constants_is_marked_and_the_others_name_their_sheet() -> None:
    told = predicted(Network())
    assert not isinstance(told, Missing)
    assert {each.card for each in told if each.reproduced} == {"H100 SXM"}
    for each in told:
        assert each.reproduced or card(each.card).source in each.source
        assert "measured on H100s" in each.source


@pytest.mark.parametrize(
    "network",
    [
        Network(batch_size=128),
        Network(layers=(784, 301, 10)),
        Network(layers=(784, 300, 300, 10)),
        Network(hidden="sigmoid"),
    ],
)
def test_nothing_is_predicted_for_what_the_model_was_not_measured_with(network: Network) -> None:
    told = predicted(network)
    assert isinstance(told, Missing)
    assert "784-300-10" in told.reason


def test_the_persistent_kernel_is_promised_only_to_cards_that_hold_it() -> None:
    holds = {each.name: best_style(each, Network()) for each in published_cards()}
    assert {name: buffers for name, (style, buffers) in holds.items() if style == "persistent"} == {
        "A100 PCIe 40 GB": 1,
        "H100 SXM": 2,
        "H200 SXM": 2,
        "B200": 2,
    }
    assert {style for style, buffers in holds.values() if not buffers} == {"graph"}


def test_a_card_that_cannot_says_what_it_lacks() -> None:
    def why(changed: PublishedCard) -> str:
        plan = persistent_plan(changed, Network())
        return plan.reason if isinstance(plan, Missing) else ""

    assert "99 KiB" in why(card("GeForce RTX 4090"))
    assert "tensor cores" in why(card("Tesla V100 PCIe 16 GB"))
    assert why(card("H100 SXM")) == ""
    assert "tensor cores" in why(msgspec.structs.replace(card("H100 SXM"), compute_capability=(7, 5)))


def test_the_plan_of_the_reference_card_is_the_one_that_was_measured() -> None:
    plan = persistent_plan(card("H100 SXM"), Network())
    assert not isinstance(plan, Missing)
    assert (plan.blocks, plan.tiles, plan.buffers, round(plan.size / 1024)) == (75, 1, 2, 171)
