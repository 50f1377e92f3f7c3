"""Minibatches whose timeline was worked out on paper, and what holds for all of them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cudadoctor.attribution.replay import replay
from cudadoctor.facts.explanation import Call
from tests.attribution.calls import MINIBATCHES, copy_in, launch, python, read_back, wait


def test_a_host_that_is_slower_than_the_device_sets_the_period() -> None:
    assert replay([launch(30, 3)] * 16).period_us == 480


def test_a_device_that_is_slower_than_the_host_sets_the_period_if_nothing_waits() -> None:
    played = replay([launch(5, 40)] * 4)
    assert played.period_us == 160
    assert played.device_bound


def test_a_wait_puts_the_launches_before_it_and_the_device_in_a_row() -> None:
    # Host 5, 10, 15, 20; device from 5 to 165; the wait ends at 165 and takes 7 more to notice.
    played = replay([*[launch(5, 40)] * 4, wait(7)])
    assert played.period_us == 172
    assert not played.device_bound


def test_a_copy_that_waits_holds_the_host_until_all_before_it_is_done() -> None:
    # Submitted at 10, device 10..110; copy submitted at 18, device 110..115; launch submitted at 145, after the wait.
    played = replay([launch(10, 100), read_back(8, 5), launch(30, 1)])
    assert played.period_us == 145
    ends = [(span.start_us, span.end_us) for span in played.device[3:]]
    assert ends == [(10, 110), (110, 115), (145, 146)]


def test_work_of_the_minibatch_before_delays_this_one() -> None:
    # The last kernel runs from 20 to 60, that is 0 to 40 of the next, whose first kernel so starts at 40 and not at 10.
    played = replay([launch(10, 1), python(10), read_back(0, 0, waits=False), launch(0, 40), python(30)])
    assert played.period_us == 50
    this = [span for span in played.device if span.start_us >= 0 and span.end_us <= played.period_us + 40]
    assert (this[0].start_us, this[0].end_us) == (10, 11)
    late = replay([launch(10, 1), python(30), launch(0, 25)])
    spans = late.device[2:]
    assert late.period_us == 40
    assert (spans[0].start_us, spans[0].end_us) == (25, 26)


def test_the_host_timeline_has_no_holes() -> None:
    played = replay([python(50), copy_in(10, 20), launch(30, 3), read_back(8, 5)])
    edges = [0.0, *(span.end_us for span in played.host)]
    assert [span.start_us for span in played.host] == edges[:-1]
    assert edges[-1] == played.period_us
    assert [span.waiting for span in played.host] == [False, False, True, False, False, True]


def test_nothing_takes_no_time() -> None:
    assert replay([]).period_us == 0


@given(MINIBATCHES)
def test_the_period_lies_between_the_longer_of_host_and_device_and_their_sum(minibatch: tuple[Call, ...]) -> None:
    host, device = sum(call.host_us for call in minibatch), sum(call.device_us for call in minibatch)
    period = replay(minibatch).period_us
    assert max(host, device) <= period + 1e-6
    assert period <= host + device + 1e-6


@given(MINIBATCHES, st.data())
def test_a_longer_call_never_makes_a_minibatch_shorter(minibatch: tuple[Call, ...], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(minibatch) - 1))
    call = minibatch[place]
    field = data.draw(st.sampled_from(["host_us", "device_us"]))
    longer = msgspec.structs.replace(call, **{field: getattr(call, field) + data.draw(st.floats(0, 300))})
    edited = (*minibatch[:place], longer, *minibatch[place + 1 :])
    assert replay(edited).period_us >= replay(minibatch).period_us - 1e-6


@given(MINIBATCHES, st.data())
def test_a_wait_less_never_makes_a_minibatch_longer(minibatch: tuple[Call, ...], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(minibatch) - 1))
    freed = msgspec.structs.replace(minibatch[place], waits=False)
    edited = (*minibatch[:place], freed, *minibatch[place + 1 :])
    assert replay(edited).period_us <= replay(minibatch).period_us + 1e-6


@given(MINIBATCHES, st.integers(2, 5))
def test_several_minibatches_in_a_row_take_as_many_periods(minibatch: tuple[Call, ...], many: int) -> None:
    """Steady state: the period of n minibatches played as one is n periods."""
    assert replay(minibatch * many).period_us == pytest.approx(many * replay(minibatch).period_us, abs=1e-6)
