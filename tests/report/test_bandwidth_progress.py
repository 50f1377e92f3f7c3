"""How far a measurement is, in one line."""

from __future__ import annotations

from cudadoctor.report.bandwidth import Progress

KEYS = dict.fromkeys(("h2d_pinned", "d2h_pinned", "d2d_local"), 1.0)


def test_no_time_is_promised_before_one_kind_is_done() -> None:
    progress = Progress(KEYS, 3, now=100.0)
    progress.sampled("h2d_pinned")
    assert progress.line(101.0) == "measuring host to device, pinned (1 of 3)"


def test_the_time_left_is_at_the_pace_so_far() -> None:
    progress = Progress(KEYS, 3, now=100.0)
    for _ in range(3):
        progress.sampled("h2d_pinned")
    progress.ended("h2d_pinned")
    assert progress.line(106.0) == "measuring device to host, pinned (2 of 3), about 12 s left"
    progress.sampled("d2h_pinned")
    assert progress.line(108.0) == "measuring device to host, pinned (2 of 3), about 10 s left"


def test_a_kind_that_is_skipped_is_not_waited_for() -> None:
    progress = Progress(KEYS, 3, now=100.0)
    for _ in range(3):
        progress.sampled("h2d_pinned")
    progress.ended("h2d_pinned")
    progress.ended("d2h_pinned", measured=False)
    assert progress.line(106.0) == "measuring device to device, copied (3 of 3), about 6 s left"


def test_what_was_not_planned_is_told_too() -> None:
    progress = Progress(KEYS, 3, now=0.0)
    progress.sampled("something_new")
    assert progress.line(1.0) == "measuring something_new (4 of 4)"
    assert Progress({}, 3, now=0.0).line(1.0) == "measuring"


def test_small_copies_that_are_still_to_come_are_not_taken_for_large_ones() -> None:
    progress = Progress({"h2d_pinned": 512, "h2d_managed": 128}, 3, now=0.0)
    for _ in range(3):
        progress.sampled("h2d_pinned")
    progress.ended("h2d_pinned")
    assert progress.line(12.0) == "measuring host to device, managed (2 of 2), about 3 s left"


def test_what_is_not_sampled_counts_once_it_has_ended() -> None:
    progress = Progress({"h2d_pinned_curve": 3.0, "submit": 1.0}, 3, now=0.0)
    progress.ended("h2d_pinned_curve")
    assert progress.line(6.0) == "measuring queueing one copy (2 of 2), about 2 s left"


def test_a_result_of_another_name_ends_what_was_sampled_last() -> None:
    progress = Progress({"d2d_local": 1.0, "d2d_local_kernel": 1.0, "submit": 1.0}, 3, now=0.0)
    progress.ended("d2d_local")
    progress.sampled("d2d_local_kernel")
    progress.ended()
    assert progress.line(2.0) == "measuring queueing one copy (3 of 3), about 1 s left"


def test_the_last_kind_never_has_less_than_nothing_left() -> None:
    progress = Progress({"h2d_pinned": 1}, 3, now=0.0)
    for _ in range(5):
        progress.sampled("h2d_pinned")
    progress.ended("h2d_pinned")
    assert progress.line(12.0) == "measuring host to device, pinned (1 of 1), about 1 s left"
