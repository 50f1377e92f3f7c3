from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cudadoctor.attribution.decomposition import decompose, parts_of, why_no_what_if, without_timer
from cudadoctor.attribution.replay import replay
from cudadoctor.facts.base import Missing
from cudadoctor.facts.explanation import Call, Decomposition
from tests.attribution.calls import MINIBATCHES, allocate, copy_in, launch, python, read_back, wait


def parts(*calls: Call) -> dict[tuple[str, str], float]:
    return {(part.kind, part.name): part.us for part in parts_of(replay(calls))}


def test_an_idle_device_is_charged_to_what_the_host_does() -> None:
    # Host 50 Python, 10 copy call, waits 20 for it, four launches of 30 with 3 of device each, 8 for reading back, of
    # which the last kernel hides 3, and 5 waiting for that copy.
    told = parts(python(50), copy_in(10, 20), *[launch(30, 3)] * 4, read_back(8, 5))
    assert told == {
        ("kernels", "kernel"): 12,
        ("copies", "to device, pageable"): 20,
        ("copies", "to host, pageable"): 5,
        ("idle", "Python"): 50,
        ("idle", "copying"): 15,
        ("idle", "launching"): 30 * 4 - 9,
    }


def test_a_busy_device_hides_the_host() -> None:
    assert parts(python(20), *[launch(5, 40)] * 4) == {("kernels", "kernel"): 160}


def test_noticing_the_end_and_allocating_have_names_of_their_own() -> None:
    told = parts(allocate(25), launch(10, 50), wait(7))
    assert told == {
        ("kernels", "kernel"): 50,
        ("idle", "allocating"): 25,
        ("idle", "launching"): 10,
        ("idle", "waiting"): 7,
    }


def test_pinned_and_pageable_copies_are_apart() -> None:
    told = parts(copy_in(5, 20, pinned=True), copy_in(5, 30), read_back(1, 2))
    assert told["copies", "to device, pinned"] == 20
    assert told["copies", "to device, pageable"] == 30


@given(MINIBATCHES)
def test_the_parts_sum_to_the_replayed_time(minibatch: tuple[Call, ...]) -> None:
    played = replay(minibatch)
    found = parts_of(played)
    assert sum(part.us for part in found) == pytest.approx(played.period_us, abs=1e-6)
    assert all(part.us >= 0 for part in found)


@given(MINIBATCHES, st.floats(1.0, 1e5))
def test_parts_and_residual_sum_to_the_wall_time(minibatch: tuple[Call, ...], wall_us: float) -> None:
    found = decompose("R1", "gpu", minibatch, wall_us)
    assert isinstance(found, Decomposition)
    assert sum(part.us for part in found.parts) + found.residual_us == pytest.approx(wall_us, abs=1e-5)


def test_work_on_the_device_is_counted_whole_even_if_it_reaches_into_the_next_minibatch() -> None:
    assert parts(launch(10, 1), python(30), launch(0, 25)) == {
        ("kernels", "kernel"): 26,
        ("idle", "Python"): 14,
    }


@pytest.mark.parametrize(("wall", "may"), [(100.0, True), (104.9, True), (95.5, True), (106.0, False), (95.0, False)])
def test_nothing_is_predicted_from_a_replay_that_is_more_than_5_percent_off(wall: float, may: bool) -> None:
    found = decompose("R1", "gpu", [launch(100, 1)], wall)
    assert isinstance(found, Decomposition)
    assert (why_no_what_if(found) == "") is may


@pytest.mark.parametrize(
    ("calls", "wall", "dilation", "word"),
    [((), 100.0, 1.0, "recorded"), ((launch(1, 1),), 0.0, 1.0, "positive"), ((launch(1, 1),), 100.0, 2.1, "2.1 times")],
)
def test_what_cannot_be_taken_apart_says_why(calls: tuple, wall: float, dilation: float, word: str) -> None:
    found = decompose("R1", "gpu", calls, wall, dilation)
    assert isinstance(found, Missing)
    assert word in found.reason


def test_the_timer_is_taken_out_of_each_call() -> None:
    assert [call.host_us for call in without_timer([python(5), launch(0.1, 3)], 0.2)] == [4.8, 0.0]
