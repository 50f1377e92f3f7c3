"""A profiled program on the page: its figures are those of every other report, its timeline is told in words."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from cudadoctor import doctor
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.profile import Profile
from cudadoctor.findings import Diagnosis
from cudadoctor.report.html.facts import rows_of
from cudadoctor.report.html.page import render_html
from cudadoctor.report.html.parts import Figure, Part
from cudadoctor.report.html.profile import profile_parts
from cudadoctor.report.profile import profile_sentence
from cudadoctor.report.profile.rows import copies, kernels, what_ifs
from cudadoctor.report.profile.where import columns
from tests.report import profiles
from tests.report.html.reading import Page
from tests.rules.test_properties import strategy_of


def part(profile: Profile, title: str) -> Part:
    return next(each for each in profile_parts(profile) if each.title == title)


def cells(figure: Figure) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in figure.tables[0].rows]


def page_of(profile: Profile) -> Page:
    found = doctor.diagnose(Machine(profile=profile), "profile")
    return Page(render_html(found, profile_sentence(profile, found.findings)))


@pytest.mark.parametrize("name", profiles.ALL)
def test_every_profile_makes_a_small_page_with_the_answer_on_top(name: str) -> None:
    profile = profiles.ALL[name]()
    found = doctor.diagnose(Machine(profile=profile), "profile")
    sentence = profile_sentence(profile, found.findings)
    source = render_html(found, sentence)
    page = Page(source)
    assert len(source.encode()) < 300_000
    assert page.fetched == []
    assert sentence.startswith(page.all("h1")[0].text.replace("\N{NO-BREAK SPACE}", " "))
    assert len(page.ids) == len(set(page.ids))


def test_the_parts_stand_in_the_table_with_their_sum() -> None:
    profile = profiles.profile("pageable")
    assert profile.analysis is not None
    shown = cells(part(profile, "Where the time goes").figures[0])
    names = [row[0] for row in shown]
    assert names[0] == "GPU computes"
    assert names[-4:] == ["not explained", "= in all, without the tracer", "the tracer", "= in all, as it was traced"]
    step = columns(profile.analysis, 0)[0]
    figures = [float(row[1].split()[0]) for row in shown[:-3] if row[1] != "-"]
    assert sum(figures) == pytest.approx(step.own_ms, rel=0.01)
    assert float(shown[-1][1].split()[0]) == pytest.approx(step.wall_ms, rel=0.01)


def test_the_bars_of_the_parts_fill_the_whole() -> None:
    chart = part(profiles.profile("launches"), "Where the time goes").figures[0].charts[0]
    assert "a step, " in chart.description
    assert "the whole run, " in chart.description
    shares = [float(each) for each in re.findall(r" ([\d.]+) %[;.]", chart.description)]
    assert sum(shares) == pytest.approx(200, abs=1.5)


def test_the_tables_hold_what_the_text_holds() -> None:
    profile = profiles.profile("pageable")
    analysis = profile.analysis
    assert analysis is not None
    tables = {figure.title: cells(figure) for figure in part(profile, "What ran").figures}
    assert tables["Kernels"] == [list(row) for row in kernels(analysis, 99).rows]
    assert tables["Copies"] == [list(row) for row in copies(analysis, 99).rows]
    gains = part(profile, "What would be gained").figures[0]
    assert cells(gains) == [list(row) for row in what_ifs(analysis).rows]
    assert "pageable-transfer: " in gains.charts[0].description


def test_the_timeline_is_drawn_twice_and_told_in_words() -> None:
    figure = part(profiles.profile("pageable"), "Timeline").figures[0]
    whole, steps = figure.charts
    assert re.search(r"GPU 0: kernels \d+\.\d %, copies \d+\.\d %\.", whole.description)
    assert "importing" in whole.description
    assert steps.title == "3 steps in detail"
    assert re.search(r"stream 7: kernel .* µs in 6, copy to device .* ms in 3\.", steps.description)
    root = ElementTree.fromstring(steps.markup)
    told = [each.text for each in root.iter("title")]
    assert any(text and text.startswith("kernel forward: ") for text in told)


def test_a_program_that_was_not_traced_has_what_was_seen_alone() -> None:
    assert [each.title for each in profile_parts(profiles.refused())] == ["How it was run"]
    text = page_of(profiles.refused()).all("main")[0].text
    assert "libToolsInjection64.so" in text
    assert "another tool traces this process" in text


def test_two_gpus_are_both_there() -> None:
    profile = profiles.profile("two GPUs")
    figure = part(profile, "Where the time goes").figures[0]
    assert figure.title == "GPU 0, the busiest"
    assert any(note.startswith("GPU 1, of a step: computes") for note in figure.notes)
    assert "GPU 1: kernels" in part(profile, "Timeline").figures[0].charts[0].description


def test_probes_notes_and_children_are_told() -> None:
    notes = " ".join(part(profiles.probed(), "How it was run").figures[0].notes)
    assert "these calls are on the critical path" in notes
    assert "worker.py (8123)" in notes
    assert "Clocks in 4 readings: SM clock 1980 MHz" in notes


def test_the_spans_of_the_timeline_do_not_fill_the_facts() -> None:
    profile = profiles.profile("launches")
    assert profile.timeline is not None
    assert profile.timeline.excerpt is not None
    names = [row.name for row in rows_of(profile)]
    assert "timeline.excerpt" in names
    assert not [name for name in names if name.startswith("timeline.excerpt.")]


def test_lost_records_and_lanes_left_out_are_said() -> None:
    profile = profiles.profile("launches")
    timeline = profile.timeline
    assert timeline is not None
    assert timeline.excerpt is not None
    cut = msgspec.structs.replace(
        timeline,
        strip=msgspec.structs.replace(timeline.strip, known_until_s=0.1),
        excerpt=msgspec.structs.replace(timeline.excerpt, lanes_left_out=4),
    )
    notes = " ".join(part(msgspec.structs.replace(profile, timeline=cut), "Timeline").figures[0].notes)
    assert "Nothing is drawn after 0.10 s" in notes
    assert "4 more threads or streams" in notes


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategy_of(Profile))
def test_any_profile_makes_a_page_that_can_be_read(profile: Profile) -> None:
    Page(render_html(Diagnosis(command="profile", version="0", status="ok", facts=Machine(profile=profile)), "Answer."))
