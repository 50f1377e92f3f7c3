"""What is said of a profiled program: the answer, figures that sum, nothing that was not measured, no long lines."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from cudadoctor import doctor
from cudadoctor.facts.base import Missing
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.profile import Analysis, KernelRow, Profile, WhatIf
from cudadoctor.facts.timeline import Excerpt, Lane, Span, Strip, StripRow, Timeline
from cudadoctor.findings import Diagnosis
from cudadoctor.report.markdown import render_markdown
from cudadoctor.report.profile import profile_lines, profile_sentence
from cudadoctor.report.profile.strip import excerpt_rows, timeline_lines
from cudadoctor.report.profile.table import table_lines
from cudadoctor.report.profile.where import columns, shown_labels
from tests.report import profiles
from tests.report.html.test_page import hostile
from tests.report.test_reports import finding
from tests.rules.test_properties import strategy_of

UNSAFE = "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"


def said(profile: Profile) -> str:
    return profile_sentence(profile, doctor.diagnose(Machine(profile=profile), "profile").findings)


def text(profile: Profile, width: int = 80) -> str:
    return "\n".join(profile_lines(profile, width))


def analysis_of(profile: Profile) -> Analysis:
    assert profile.analysis is not None
    return profile.analysis


@pytest.mark.parametrize("name", profiles.ALL)
@pytest.mark.parametrize("width", [80, 120])
def test_lines_keep_to_the_width_and_the_answer_to_two_sentences(name: str, width: int) -> None:
    profile = profiles.ALL[name]()
    assert max(map(len, profile_lines(profile, width))) <= width
    assert len(re.findall(r"[.:] [A-Z]", said(profile))) <= 1


def test_the_answer_names_the_cause_what_it_costs_and_what_would_be_left() -> None:
    assert re.fullmatch(
        r"Of the 1\d\d µs that a step takes, 1\d\d µs \(\d\d %\) pass while the host launches one small kernel after "
        r"another\. Without that it would take \S+ µs \(predicted; .* µs\), and the whole run .* ms less\.",
        said(profiles.profile("launches")),
    )
    assert "data is copied from pageable memory" in said(profiles.profile("pageable"))


def test_the_answer_accuses_nobody_where_kernels_run_all_the_time() -> None:
    assert said(profiles.profile("nothing wrong")).startswith("Nothing is wrong: kernels take 99 % of a step")


def test_the_answer_says_what_stood_in_the_way_of_tracing() -> None:
    assert said(profiles.refused()) == (
        "The program takes 12.30 s. Why it does not take less is not known: the program was not traced: another tool "
        "traces this process (39)."
    )
    assert "(held by libToolsInjection64.so)" in " ".join(text(profiles.refused()).split())


def test_the_answer_says_that_the_program_was_killed_and_still_why_it_is_slow() -> None:
    told = said(profiles.killed())
    assert told.startswith("The program was ended by SIGKILL after 150 ms; of the ")
    assert "17 lost, full after 120 ms" in " ".join(text(profiles.killed()).split())


def test_it_is_said_whether_steps_or_the_whole_run_were_compared() -> None:
    whole = profiles.profile("launches")
    analysis = analysis_of(whole)
    assert analysis.replay is not None
    replay = msgspec.structs.replace(analysis.replay, compared="steps", replayed_s=0.5, control_s=0.4, error=0.25)
    compared = msgspec.structs.replace(whole, analysis=msgspec.structs.replace(analysis, replay=replay, dilation=1.5))
    told = " ".join(text(compared).split())
    assert "steady steps played again without the tracer: 500 ms, untraced 400 ms: +25.0 %" in told
    assert "steps 1.50 times as long as untraced" in told


def test_a_saving_that_is_a_bound_is_told_as_one() -> None:
    what_if = WhatIf(
        cause="dataloader-bound", scope="step", assumes="data is ready", now_ms=10, predicted_ms=4, saved_ms=6,
        low_ms=5.5, high_ms=6.5, run_saved_s=1.2, further_ms=6, bound=True,
    )  # fmt: skip
    profile = msgspec.structs.replace(profiles.profile("launches"), analysis=profiles.predicted(what_if))
    assert said(profile) == (
        "Of the 10 ms that a step takes, at most 6 ms (60 %) pass while the program waits for its next data. Without "
        "that it would take at least 4 ms (predicted; 3.50 to 4.50 ms), and the whole run 1.20 s less."
    )
    assert "<= 6 ms" in text(profile)


def test_an_error_stands_before_everything() -> None:
    assert profile_sentence(profiles.profile("launches"), (finding("x"),)) == "Title x."


@pytest.mark.parametrize("name", profiles.STEPS)
def test_the_parts_sum_to_the_wall_time_and_the_residual_is_always_there(name: str) -> None:
    profile = profiles.profile(name)
    analysis = analysis_of(profile)
    for column in columns(analysis, analysis.devices[0]):
        assert sum(column.parts.values()) == pytest.approx(column.own_ms)
        assert column.own_ms + column.tracer_ms == pytest.approx(column.wall_ms)
    lines = profile_lines(profile, 80)
    start = next(place for place, line in enumerate(lines) if line.startswith("where the time goes"))
    end = next(place for place, line in enumerate(lines) if line.startswith("  = in all, without"))
    figures = [
        [float(each) for each in re.findall(r"([\d.]+) (?:µs|ms|s) ", line)] for line in lines[start + 1 : end + 1]
    ]
    parts = [each[-1] for each in figures[:-1]]
    assert sum(parts) == pytest.approx(figures[-1][-1], rel=0.005)
    assert any(line.startswith("  not explained") for line in lines)


def test_each_other_gpu_has_its_line() -> None:
    assert re.search(
        r"GPU 1, of a step: computes \d+\.\d %, copies 0\.0 %, is idle", text(profiles.profile("two GPUs"))
    )


def test_a_run_in_which_nothing_repeats_is_shown_from_its_first_to_its_last_work() -> None:
    told = text(profiles.not_repeated())
    assert "nothing repeats" in told
    assert "first to last work" in told
    assert "a step" not in told.replace("of a step", "")


def test_what_was_not_measured_is_not_shown() -> None:
    told = text(profiles.refused())
    for absent in ("where the time goes", "kernels", "what if", "copies", "the whole run", "steps", "replay"):
        assert absent not in told
    bare = msgspec.structs.replace(profiles.refused(), readings=(), control=())
    assert "clocks" not in text(bare)
    assert "untraced  not run" in text(bare)
    assert profile_lines(Missing("no")) == []


def test_a_list_that_is_cut_says_how_much_is_left_out() -> None:
    whole = profiles.profile("launches")
    rows = tuple(
        KernelRow(name=f"k{each}", count=1, total_ms=1.0, median_us=1000.0, share=0.05, blocks=1, threads=32)
        for each in range(20)
    )
    analysis = msgspec.structs.replace(analysis_of(whole), kernels=rows)
    told = text(msgspec.structs.replace(whole, analysis=analysis))
    assert "and 12 kernels more: 12 ms" in told
    assert "k7 " in told
    assert "k8 " not in told


def test_a_delay_that_costs_nothing_clears_its_calls() -> None:
    told = " ".join(text(profiles.probed()).split())
    assert "made the run longer by 0.97 of what was added (95 %: 0.90 to 1.04); these calls are on the critical" in told
    assert "something else hides these calls" in told
    assert "that leaves it open whether they matter" in told
    assert "worker.py (8123)" in told


def test_a_long_name_loses_its_middle_and_columns_from_the_right_give_way() -> None:
    rows = [["void at::native::elementwise_kernel<4, float, Add>", "1", "2"], ["short", "10", "20"]]
    wide = table_lines("kernels", ("count", "total"), rows, 80)
    assert "void at::native::elementwise_kernel<4, float, Add>" in wide[1]
    narrow = table_lines("kernels", ("count", "total"), rows, 38)
    assert max(map(len, narrow)) <= 38
    assert re.search(r"void at::\S*\.\.\..*Add>", narrow[1])
    assert "total" not in table_lines("kernels", ("count", "total"), rows, 33)[0]


TIMELINE = Timeline(
    strip=Strip(
        bucket_s=0.5,
        thread=1,
        rows=(
            StripRow(name="kernels", device=0, shares=(0.0, 0.9, 0.3, 0.0)),
            StripRow(name="copies", device=0, shares=(0.0, 0.0, 0.4, 0.2)),
            StripRow(name="importing", shares=(1.0, 0.0, 0.0, 0.0)),
            StripRow(name="launching", shares=(0.0, 0.6, 0.2, 0.01)),
            StripRow(name="Python", shares=(0.0, 0.4, 0.7, 0.0)),
        ),
    ),
    excerpt=Excerpt(
        start_s=0.5,
        length_us=20.0,
        steps=2.0,
        lanes=(Lane(kind="thread", number=1, main=True), Lane(kind="stream", number=7, device=0)),
        spans=(
            Span(lane=0, kind="launching", name="cuLaunchKernel", start_us=0.0, end_us=5.0),
            Span(lane=1, kind="kernel", name="k", start_us=5.0, end_us=10.0),
            Span(lane=1, kind="to device", name="4 KiB", start_us=10.0, end_us=20.0, count=9, filled=0.25),
        ),
    ),
)


def test_the_timeline_is_a_line_of_letters_for_each_gpu_and_one_for_the_host() -> None:
    lines = timeline_lines(TIMELINE, 90)
    assert lines[:6] == [
        "the whole run: 2.00 s, 25 ms a letter",
        f"  GPU 0   {20 * '.'}{20 * 'K'}{20 * 'C'}{20 * 'c'}",
        f"  host    {20 * 'I'}{20 * 'L'}{20 * 'P'}{20 * '.'}",
        "2 steps: 20 µs, 0.500 s after the start, 0.25 µs a letter",
        f"  GPU 0   {20 * '.'}{20 * 'K'}{40 * 'c'}",
        f"  host    {20 * 'L'}{60 * '.'}",
    ]
    assert all(line.replace("µ", "u").isascii() for line in lines)
    legend = " ".join(lines[6:])
    for told in ("K kernels", "C copies", "small: busy for less than half", "L launching", "I importing", "P Python"):
        assert told in legend
    assert "S synchronizing" not in legend


def test_spans_fill_their_part_of_each_bucket() -> None:
    assert TIMELINE.excerpt is not None
    rows = {(row.device, row.name): row.shares for row in excerpt_rows(TIMELINE.excerpt, 8)}
    assert rows[None, "launching"] == pytest.approx((1, 1, 0, 0, 0, 0, 0, 0))
    assert rows[0, "kernels"] == pytest.approx((0, 0, 1, 1, 0, 0, 0, 0))
    assert rows[0, "copies"] == pytest.approx((0, 0, 0, 0, 0.25, 0.25, 0.25, 0.25))


def test_small_parts_are_left_out_and_the_residual_never_is() -> None:
    analysis = analysis_of(profiles.profile("pageable"))
    made = columns(analysis, 0)
    assert shown_labels(made)[-1] == "not explained"
    assert "GPU computes" in shown_labels(made)


def test_markdown_holds_the_answer_and_the_figures() -> None:
    profile = profiles.profile("pageable")
    found = Diagnosis(command="profile", version="0", status="warning", facts=Machine(profile=profile))
    told = render_markdown(found, said(profile), profile_lines(profile, 100))
    assert told.startswith("### cudadoctor profile: warning\n\nOf the ")
    assert "where the time goes" in told


def test_hostile_names_stay_text() -> None:
    whole = profiles.probed()
    wild = msgspec.convert(hostile(msgspec.to_builtins(whole)), Profile)
    for width in (80, 120):
        lines = profile_lines(wild, width)
        assert not any(re.search(UNSAFE, line) for line in lines)
        assert max(map(len, lines)) <= width


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategy_of(Profile))
def test_any_profile_is_told_within_the_width(profile: Profile) -> None:
    assert all(len(line) <= 80 for line in profile_lines(profile, 80))
    assert profile_sentence(profile, ())


@pytest.mark.parametrize(("host_time", "said_of_it"), [(0.66, "the host was slower"), (1.4, "the host was faster")])
def test_where_the_host_was_not_as_fast_it_is_said_what_a_step_takes_untraced(
    host_time: float, said_of_it: str
) -> None:
    whole = profiles.profile("launches")
    analysis = analysis_of(whole)
    assert analysis.replay is not None
    replay = msgspec.structs.replace(analysis.replay, host_time=host_time)
    told = msgspec.structs.replace(whole, analysis=msgspec.structs.replace(analysis, replay=replay))
    shown = " ".join(text(told).split())
    assert f"These are times of the traced run, in which {said_of_it}: untraced, a step takes" in shown
    assert f"the host as fast as untraced ({host_time:.2f} of its time)" in shown
    assert "These are times of the traced run" not in text(whole)
