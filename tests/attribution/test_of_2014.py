"""The minibatch of 2014 as calls, and the page that tells where its time went."""

from __future__ import annotations

import msgspec
import pytest

from cudadoctor.attribution import of_2014
from cudadoctor.attribution.cards import LIBRARIES, Range, predicted_us
from cudadoctor.attribution.decomposition import parts_of
from cudadoctor.attribution.replay import replay
from cudadoctor.attribution.what_if import without_waits
from tests.attribution.test_cards import PAGE, POST, REFERENCE

TOLD = " ".join(PAGE.split())


def ms(range_: Range, digits: int = 2) -> str:
    """Return a range as the page writes it."""
    value, low, high = (f"{us / 1e3:.{digits}f}" for us in (range_.value, range_.low, range_.high))
    return f"{value} ({low} to {high})"


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
    assert stages.low > predicted_us(POST, "graph", REFERENCE, model=LIBRARIES).value  # the host, not the card
    assert f"| {ms(stages)} | {total / stages.value:.0f} |" in PAGE
    graph = predicted_us(POST, "graph", REFERENCE, model=LIBRARIES)
    factors = f"{total / graph.value:.0f} ({total / graph.high:.0f} to {total / graph.low:.0f})"
    assert f"| {ms(graph)} | {factors} |" in PAGE
    epoch = graph.times(732)
    assert f"{epoch.value / 1e6:.2f} s ({epoch.low / 1e6:.2f} to {epoch.high / 1e6:.2f})" in TOLD
