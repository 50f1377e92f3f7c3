"""Findings of a profiled program: what they say, how bad they are, in which order they come."""

from __future__ import annotations

import pytest

from cudadoctor.attribution.profile.causes import judge
from cudadoctor.facts.explanation import ClockReading, Violation
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.profile import Profile, Replayed, Sign, Suspect, Tracer
from cudadoctor.findings import Finding, Severity
from cudadoctor.report.profile.sentence import profile_sentence
from cudadoctor.rules.diagnose import diagnose
from cudadoctor.rules.verdict import status, summary_sentence
from tests.attribution.races import explanation, race
from tests.rules.profiles import PROFILED, REPLAYED, analysis, profile, steady, what_if

CAUSES = (
    *PROFILED[1:], "low-occupancy-grid", "launch-bound-small-work", "implicit-host-copies", "small-transfers",
    "readback-every-step",
    "sync-every-step", "allocation-in-loop", "host-bound-not-gpu", "pageable-transfer", "clock-ramp",
    "warmup-in-timing", "ptx-jit-first-run",
)  # fmt: skip


def found(of: Profile, **sections: object) -> list[Finding]:
    return list(diagnose(Machine(profile=of, **sections))[0])  # type: ignore[arg-type]


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_has_one_finding_with_its_cost_and_what_was_seen(cause: str) -> None:
    (told,) = found(profile(what_if(cause)))
    assert told.id == cause
    assert told.summary.startswith("The program ")
    assert "4.0 (3.8 to 4.2) of the 10.0 ms that a step takes (40 %, predicted by replay" in told.summary
    assert ("what was seen", 3.0) in [(each.name, each.value) for each in told.evidence]
    assert told.confidence == "supported"
    assert told.confirm is None


def test_a_healthy_program_has_no_finding_and_nothing_is_wrong() -> None:
    assert found(profile()) == []
    assert judge(profile()).busy


def test_the_lead_cause_is_a_warning_and_first_and_the_others_are_notes_in_their_order() -> None:
    told = found(
        profile(
            what_if("sync-every-step", 4.0),
            what_if("allocation-in-loop", 1.0),
            what_if("launch-bound-small-work", 2.0, further_ms=0.8),
        )
    )
    assert [(each.id, each.severity) for each in told] == [
        ("sync-every-step", Severity.WARNING),
        ("allocation-in-loop", Severity.NOTE),
        ("launch-bound-small-work", Severity.NOTE),
    ]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"saved": 0.6}, True),
        ({"saved": 0.4}, False),  # below 5 %
        ({"saved": 4.0, "low_ms": 1.9}, False),  # not twice its error
        ({"saved": 4.0, "low_ms": 2.1}, True),
        ({"saved": 4.0, "further_ms": 0.4}, False),  # explained by a cause before it
    ],
)
def test_a_cause_must_clear_the_thresholds(told: dict[str, float], said: bool) -> None:
    assert bool(found(profile(what_if("sync-every-step", **told)))) is said  # type: ignore[arg-type]


def test_a_cause_without_all_its_signs_is_possible_or_none() -> None:
    assert [each.confidence for each in found(profile(what_if("dataloader-bound", fits=False)))] == ["possible"]
    assert found(profile(what_if("launch-bound-small-work", fits=False))) == []


def test_what_is_done_once_is_told_of_the_run() -> None:
    once = what_if("warmup-in-timing", 6000.0, 10_000.0, scope="run", run_saved_s=6.0)
    told = found(profile(once, what_if("sync-every-step")))
    assert [(each.id, each.severity) for each in told] == [
        ("warmup-in-timing", Severity.WARNING),
        ("sync-every-step", Severity.NOTE),
    ]
    assert "6.00 of the 10.00 s of the run (60 %)" in told[0].summary


def test_steps_that_take_next_to_nothing_beside_the_warm_up_are_accused_of_nothing() -> None:
    once = what_if("warmup-in-timing", 6000.0, 10_000.0, scope="run", run_saved_s=6.0)
    told = found(profile(once, what_if("sync-every-step", run_saved_s=0.3)))
    assert [each.id for each in told] == ["warmup-in-timing"]
    jit = what_if("ptx-jit-first-run", 6000.0, 10_000.0, scope="run", run_saved_s=6.0)
    assert [each.id for each in found(profile(jit, what_if("sync-every-step", run_saved_s=0.3)))] == [jit.cause]


def test_what_stands_out_in_runs_that_differ_is_possible_and_told_without_a_figure() -> None:
    off = Replayed(replayed_s=1.2, control_s=1.0, error=0.2, why_no_what_if="20 % more, and 5 % is the limit")
    suspect = Suspect(cause="launch-bound-small-work", seen=(Sign(name="launches, a step", value=8.0, source="trace"),))
    of = profile(analysis=analysis(replay=off, suspect=suspect, devices=(0,)))
    (told,) = found(of)
    assert (told.id, told.confidence, told.severity) == (suspect.cause, "possible", Severity.WARNING)
    assert "not predicted, since its runs differ too much" in told.summary
    assert [(each.name, each.value) for each in told.evidence] == [
        ("launches, a step", 8.0),
        ("replay over untraced run", "+20.0 %"),
    ]
    assert judge(of).causes == ()
    sentence = profile_sentence(of, [told])
    assert "launch" in sentence
    assert sentence.endswith("what that costs is not predicted: 20 % more, and 5 % is the limit.")


def test_the_line_at_which_the_host_was_found_is_named() -> None:
    (told,) = found(profile(what_if("dataloader-bound", bound=True)))
    assert "for the most part in train.py:12 (load)" in told.summary
    assert "at most" in told.summary


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (analysis(what_if("sync-every-step"), dilation=2.5), "beyond 2"),
        (
            analysis(what_if("sync-every-step"), steady=(steady(5.0, residual=3.0),)),
            "30 % of the time is not explained",
        ),
        (analysis(what_if("sync-every-step"), steady=()), "no work of a GPU"),
        (analysis(what_if("sync-every-step"), replay=None), "nothing was replayed"),
    ],
)
def test_what_cannot_be_judged_is_not_judged(of: object, reason: str) -> None:
    told = profile(analysis=of)
    assert reason in judge(told).unknown
    assert found(told) == []


def test_a_program_that_was_not_traced_is_not_judged() -> None:
    told = profile(analysis=None, tracer=Tracer(state="refused", reason="another tool holds CUPTI"))
    assert judge(told).unknown == "the program was not traced: another tool holds CUPTI"
    assert [each.id for each in found(told)] == ["program-not-traced"]
    machine = Machine(profile=told)
    assert status(machine, ()) == "unknown"
    assert "another tool holds CUPTI" in summary_sentence(machine, ())


def test_the_head_of_a_report_says_that_nothing_is_wrong() -> None:
    machine = Machine(profile=profile())
    assert status(machine, ()) == "ok"
    assert "Nothing is wrong: kernels run for 90 % of a step" in summary_sentence(machine, ())
    slow = Machine(profile=profile(analysis=analysis(steady=(steady(4.0),))))
    assert "no cause was found" in summary_sentence(slow, ())
    several = Machine(profile=profile(what_if("sync-every-step", 1.0)))
    assert "no single cause takes a quarter" in summary_sentence(several, diagnose(several)[0])


def test_limits_and_neighbours_while_the_program_ran_are_told() -> None:
    readings = tuple(
        ClockReading(seconds=n, during="program", performance_state=8, other_processes=1) for n in range(4)
    )
    told = profile(readings=readings, violations=(Violation(policy="thermal", seconds=2.0),), window_s=10.0)
    assert [each.id for each in found(told)] == ["thermal-throttle", "low-power-state", "gpu-shared-with-others"]
    idle = profile(analysis=analysis(steady=(steady(1.0),)), readings=readings)
    assert [each.id for each in found(idle)] == ["gpu-shared-with-others"]
    power = profile(violations=(Violation(policy="power", seconds=2.0),), window_s=10.0)
    assert [each.id for each in found(power)] == ["power-cap"]


def test_a_race_beside_a_profile_keeps_its_own_findings() -> None:
    both = found(profile(what_if("sync-every-step")), race=race(explanation()))
    assert [each.id for each in both] == ["launch-bound-small-work", "sync-every-step"]
    assert "minibatch" in both[0].summary


def test_the_replay_is_named_among_the_evidence() -> None:
    (told,) = found(profile(what_if("sync-every-step")))
    assert REPLAYED.error == 0.01
    assert ("replay over untraced run", "+1.0 %") in [(each.name, each.value) for each in told.evidence]
