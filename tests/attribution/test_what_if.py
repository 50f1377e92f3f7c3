"""Edits of recorded minibatches, and what is predicted from them."""

from __future__ import annotations

import pytest
from hypothesis import given

from cudadoctor.attribution import what_if
from cudadoctor.attribution.replay import replay
from cudadoctor.facts.base import Missing
from cudadoctor.facts.explanation import Call, Prediction
from tests.attribution.calls import MINIBATCHES, allocate, copy_in, launch, python, read_back, rung, wait

KERNELS = (launch(30, 3),) * 4
R1 = (python(50, "gather rows"), copy_in(10, 20), *KERNELS, read_back(8, 5))


def predicted(calls: tuple[Call, ...] | Missing, *, before: tuple[Call, ...] = R1, control: float = 213.0) -> float:
    assert not isinstance(calls, Missing)
    found = what_if.predict(rung("R1", *before, median_us=control), calls, "R2", "x")
    assert isinstance(found, Prediction)
    return found.predicted_us


def test_without_implicit_copies_only_the_copies_of_the_program_are_left() -> None:
    around = (copy_in(10, 20, implicit=True), launch(30, 3), read_back(8, 5, implicit=True))
    edited = what_if.without_implicit_copies(around, first=(copy_in(9, 20),), last=(read_back(8, 4),))
    assert [(call.kind, call.host_us) for call in edited] == [
        ("copy-to-device", 9),
        ("launch", 30),
        ("copy-to-host", 8),
    ]


def test_a_pinned_copy_neither_waits_nor_takes_as_long() -> None:
    # 50 + 5 + 120 + 8 of the host; the device waits for nothing, so the read-back waits 2 for itself alone: the pinned
    # copy-out of 4 bytes takes 2.
    measured = (
        copy_in(5, 4, size=200_704, pinned=True),
        Call(name="pinned", kind="copy-to-host", host_us=8, device_us=2, bytes=4, pinned=True, waits=True),
    )
    assert predicted(what_if.with_pinned_copies(R1, measured)) == 50 + 5 + 120 + 8 + 2


def test_a_pinned_copy_between_two_measured_sizes_is_interpolated() -> None:
    measured = (copy_in(4, 2, size=100_000, pinned=True), copy_in(8, 10, size=300_000, pinned=True))
    (edited,) = what_if.with_pinned_copies([copy_in(10, 20, size=200_000)], measured)  # type: ignore[misc]
    assert (edited.host_us, edited.device_us, edited.pinned, edited.waits) == (6, 6, True, False)


def test_a_pinned_copy_of_a_size_that_was_not_measured_is_not_guessed() -> None:
    found = what_if.with_pinned_copies(R1, (copy_in(5, 4, size=1000, pinned=True),))
    assert isinstance(found, Missing)
    assert "200704 bytes" in found.reason


def test_resident_data_needs_no_gathering_on_the_host() -> None:
    edited = what_if.with_resident_data(R1, drop={"gather rows"}, add=(launch(30, 2, "gather"),))
    assert predicted(edited) == 30 * 5 + 8 + 5


def test_without_read_back_the_launches_are_left() -> None:
    assert predicted(what_if.without_read_back((*KERNELS, read_back(8, 5), wait(7)))) == 120


def test_a_wait_that_the_device_would_enforce_anyway_saves_nothing() -> None:
    busy = (*[launch(5, 100)] * 4, wait(1))
    assert replay(what_if.without_waits(busy)).period_us == pytest.approx(replay(busy).period_us, rel=0.02)


def test_fused_kernels_cost_what_the_launches_before_them_cost() -> None:
    calls = (python(8), *KERNELS)
    edited = what_if.with_fused_kernels(calls, [("forward", 4.0), ("backward", 5.0)])
    assert [(call.name, call.host_us, call.device_us) for call in edited] == [
        ("forward", 32, 4),
        ("backward", 32, 5),
    ]
    measured = what_if.with_fused_kernels(calls, [("forward", 4.0)], launch_us=10)
    assert replay(measured).period_us == 8 + 10


def test_a_graph_is_one_launch_and_all_the_work() -> None:
    (whole,) = what_if.as_graph(KERNELS, launch_us=9, gap_us=1)
    assert (whole.host_us, whole.device_us) == (9, 12 + 3)
    (part,) = what_if.as_graph(KERNELS, launch_us=9, gap_us=1, minibatches=10)
    assert (part.host_us, part.device_us) == (0.9, pytest.approx(12 + 3.9))


def test_allocations_can_be_taken_out() -> None:
    assert what_if.without_allocation((allocate(20), *KERNELS)) == KERNELS


@given(MINIBATCHES)
def test_taking_something_out_never_makes_a_minibatch_longer(minibatch: tuple[Call, ...]) -> None:
    whole = replay(minibatch).period_us
    for edit in (what_if.without_waits, what_if.without_allocation, what_if.without_read_back):
        assert replay(edit(minibatch)).period_us <= whole + 1e-6
    assert replay(what_if.with_resident_data(minibatch)).period_us <= whole + 1e-6
    assert replay(what_if.without_implicit_copies(minibatch)).period_us <= whole + 1e-6


def test_what_the_replay_does_not_explain_is_part_of_the_error() -> None:
    # Replay 200 of 208: 8 are not explained. Half of it is saved, so 4 of them are taken to go, and 4 is the error.
    before = rung("R3", launch(100, 1), python(100), median_us=208.0, half_us=6.0)
    found = what_if.predict(before, (launch(100, 1),), "R4", "Python")
    assert isinstance(found, Prediction)
    assert found.predicted_us == 104
    assert found.error_us == pytest.approx((3**2 + 4**2) ** 0.5)
    surer = what_if.predict(before, (launch(100, 1),), "R4", "Python", inputs_error_us=12.0)
    assert isinstance(surer, Prediction)
    assert surer.error_us == 13


@pytest.mark.parametrize(
    ("before", "word"),
    [
        (rung("R1", *R1, median_us=230.0), "213.0 µs and not 230.0"),
        (rung("R1", median_us=213.0), "recorded"),
        (rung("R1", *R1, median_us=None, state="failed"), "not measured"),
    ],
)
def test_nothing_is_predicted_from_what_is_not_understood(before: object, word: str) -> None:
    found = what_if.predict(before, KERNELS, "R4", "x")  # type: ignore[arg-type]
    assert isinstance(found, Missing)
    assert word in found.reason


def prediction(to: str, us: float, *, measured: float | None = None, bound: bool = False) -> Prediction:
    return Prediction(
        from_rung="R0", to_rung=to, removes="", predicted_us=us, error_us=1, measured_us=measured, bound=bound
    )


def test_the_mean_error_counts_what_was_measured_and_no_bounds() -> None:
    told = (prediction("R1", 110), prediction("R2", 45), prediction("R3", 9), prediction("R7", 2, bound=True))
    rungs = (
        rung("R1", median_us=100.0),
        rung("R2", median_us=50.0),
        rung("R3", median_us=None, state="failed"),
        rung("R7", median_us=16.0),
    )
    beside = what_if.with_measured(told, rungs)
    assert [each.measured_us for each in beside] == [100, 50, None, 16]
    assert what_if.mean_absolute_error(beside) == pytest.approx(0.1)
    assert what_if.mean_absolute_error(told) is None
