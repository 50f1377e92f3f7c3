"""Runs of which one has a slower host than the others, and runs that differ otherwise."""

from __future__ import annotations

import pytest

from cudadoctor.attribution.profile import analyse
from cudadoctor.attribution.profile.causes import judge
from cudadoctor.attribution.profile.host_speed import host_speeds, scaled
from cudadoctor.attribution.profile.model import build as model_of
from cudadoctor.attribution.profile.model import tidy
from cudadoctor.attribution.profile.steps import find
from cudadoctor.attribution.profile.trace import Control
from cudadoctor.facts.profile import Analysis, Profile, Program, Tracer
from tests.attribution.profile.build import PEAKS, Machine, control, loop, traced
from tests.attribution.profile.programs import PLANTED, heavy, tiny

ON_THE_HOST = ("launches", "busy Python", "pageable", "compilation", "small copies", "allocation")


def judged(analysis: Analysis) -> list[tuple[str, str]]:
    profile = Profile(program=Program(script="a.py"), tracer=Tracer(state="traced"), analysis=analysis)
    return [(each.id, each.confidence) for each in judge(profile).causes]


@pytest.mark.parametrize("slow", [0.75, 1.45])
@pytest.mark.parametrize("name", ON_THE_HOST)
def test_a_trace_from_a_slower_host_is_judged_as_the_untraced_run_is(name: str, slow: float) -> None:
    cause, program, _ = PLANTED[name]
    runs = control(program, marked=True)
    found = analyse(traced(program, slow=slow), runs, PEAKS)
    assert found.replay is not None
    assert found.replay.why_no_what_if == ""
    assert abs(found.replay.error or 1.0) < 0.05
    assert found.replay.host_time == pytest.approx(1 / slow, rel=0.12)
    assert judged(found)[0] == (cause, "supported")
    usual = analyse(traced(program), runs, PEAKS)
    shares = [each.what_ifs[0].saved_ms / each.what_ifs[0].now_ms for each in (found, usual)]
    assert shares[0] == pytest.approx(shares[1], abs=0.08)


@pytest.mark.parametrize("slow", [0.75, 1.2])
def test_where_much_is_waited_for_the_cause_is_named_at_least(slow: float) -> None:
    cause, program, _ = PLANTED["read-back"]
    found = analyse(traced(program, slow=slow), control(program, marked=True), PEAKS)
    named = [each for each, _ in judged(found)] or [found.suspect.cause if found.suspect is not None else ""]
    assert named[0] == cause


@pytest.mark.parametrize("slow", [0.75, 1.0, 1.45])
@pytest.mark.parametrize("name", ["launches", "busy Python"])
def test_the_speed_is_that_of_the_host(name: str, slow: float) -> None:
    program = PLANTED[name][1]
    model = model_of(tidy(traced(program, slow=slow)))
    speed = host_speeds(model, control(program, marked=True), find(model))[0]
    assert speed == pytest.approx(1 / slow, rel=0.06)


def test_the_breakdown_stays_that_of_the_traced_run() -> None:
    program = PLANTED["launches"][1]
    found = analyse(traced(program, slow=1.45), control(program, marked=True), PEAKS)
    for each in found.steady + found.whole:
        assert sum(part.ms for part in each.parts) + each.residual_ms == pytest.approx(each.wall_ms)
        assert abs(each.residual_ms) < 1e-3 * each.wall_ms
        assert each.share("tracer") >= 0


def test_a_slower_device_is_no_slower_host() -> None:
    """Kernels that took a fifth longer untraced cannot be made up for: nothing is predicted."""

    def heavier(m: Machine, _: int) -> None:
        m.launch("matmul", 600)
        m.sync()

    def lighter(m: Machine, _: int) -> None:
        m.launch("matmul", 500)
        m.sync()

    found = analyse(traced(loop(lighter)), control(loop(heavier), marked=True), PEAKS)
    assert found.replay is not None
    assert found.replay.error is not None
    assert found.replay.error < -0.1
    assert "5 % is the limit" in found.replay.why_no_what_if
    assert found.what_ifs == ()
    assert found.suspect is None


def test_other_calls_than_in_the_untraced_run_tell_no_speed() -> None:
    program = loop(tiny)
    model = model_of(tidy(traced(program)))
    (marks,) = control(program, marked=True).marks
    runs = control(program, marked=True)
    assert host_speeds(model, Control(runs.walls, (marks[:-7],)), find(model)) == ()
    assert host_speeds(model, Control(runs.walls), find(model)) == ()
    assert host_speeds(model, Control(runs.walls, (marks * 3,)), find(model)) == ()  # that is no speed of this host
    assert scaled(model, find(model), 1.0) is model


def test_what_stands_out_in_runs_that_differ_is_possible_and_has_no_figure() -> None:
    slow, runs = traced(loop(tiny, 400)), control(loop(tiny, 310))
    found = analyse(slow, runs, PEAKS)
    assert found.replay is not None
    assert found.replay.error is not None
    assert 0.05 < found.replay.error < 0.5
    assert found.what_ifs == ()
    assert found.suspect is not None
    assert found.suspect.cause == "launch-bound-small-work"
    assert judged(found) == []
    assert analyse(traced(loop(tiny, 4000)), control(loop(tiny, 100)), PEAKS).suspect is None  # no like of it at all
    assert analyse(traced(loop(heavy, 400)), control(loop(heavy, 310)), PEAKS).suspect is None  # nothing stands out


def test_half_of_the_intervals_are_asked_whatever_the_step_is_made_of() -> None:
    """Of two calls in turns, one after much Python and one after little, both kinds are asked."""

    def in_turns(m: Machine, _: int) -> None:
        m.python(400)
        m.launch("first", 5)
        m.launch("second", 5)

    program = loop(in_turns)
    model = model_of(tidy(traced(program, slow=1.3)))
    speed = host_speeds(model, control(program, marked=True), find(model))[0]
    assert speed == pytest.approx(1 / 1.3, rel=0.05)
