"""Each cause planted alone is named first with what its removal saves; twins with the same calls are not accused."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from cudadoctor.attribution.profile import analyse
from cudadoctor.attribution.profile.causes import PROBED, Judgement, judge
from cudadoctor.attribution.profile.trace import Doing, Trace
from cudadoctor.facts.explanation import ClockReading
from cudadoctor.facts.profile import Probe, Profile, Program, Tracer, WhatIf
from cudadoctor.profile.probe import CLASSES
from tests.attribution.profile import build
from tests.attribution.profile.build import PEAKS, Machine, control, loop, traced, wall
from tests.attribution.profile.programs import (
    MB,
    PLANTED,
    TWINS,
    first_step_compiles,
    sleeping,
    synced,
    tiny,
    trains,
)

PROGRAM, TRACER = Program(script="train.py"), Tracer(state="traced")


def judged(program: build.Program, trace: Trace | None = None, probes: tuple[Probe, ...] = ()) -> Judgement:
    analysis = analyse(trace if trace is not None else traced(program), control(program), PEAKS)
    return judge(Profile(program=PROGRAM, tracer=TRACER, analysis=analysis, probes=probes))


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_cause_is_first_and_its_saving_is_that_of_the_fixed_program(name: str) -> None:
    cause, slow, fixed = PLANTED[name]
    found = judged(slow)
    assert found.unknown == ""
    assert [each.id for each in found.causes][:1] == [cause]
    first = found.causes[0]
    assert first.lead or first.share < 0.25
    assert first.confidence == "supported"
    saved = (wall(slow) - wall(fixed)) / 1e9
    # A bound says what can be had at most; here all of it is had.
    assert first.what_if.run_saved_s == pytest.approx(saved, rel=0.12)


@pytest.mark.parametrize("name", PLANTED)
def test_a_fixed_program_is_not_accused_of_what_was_fixed(name: str) -> None:
    cause, _, fixed = PLANTED[name]
    assert cause not in [each.id for each in judged(fixed).causes]


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_is_not_accused(name: str) -> None:
    found = judged(TWINS[name])
    assert found.unknown == ""
    assert found.causes == ()
    assert found.busy


def test_the_mean_error_of_the_predictions_is_small() -> None:
    errors = []
    for _, slow, fixed in PLANTED.values():
        saved = (wall(slow) - wall(fixed)) / 1e9
        errors.append(abs(judged(slow).causes[0].what_if.run_saved_s / saved - 1))
    assert sum(errors) / len(errors) < 0.06


def test_a_short_program_that_compiles_for_long_is_mostly_warm_up() -> None:
    found = judged(loop(first_step_compiles, 40))
    assert [(each.id, each.lead) for each in found.causes] == [("warmup-in-timing", True)]
    assert found.causes[0].what_if.saved_ms == pytest.approx(354, rel=0.1)
    assert judged(loop(first_step_compiles, 400)).causes == ()


def test_a_warm_up_that_the_program_waits_for_is_not_blamed() -> None:
    """Who synchronizes after the first step, and not after the others, looks at the clock then."""

    def waits_once(m: Machine, number: int) -> None:
        first_step_compiles(m, number)
        if number == 0:
            m.sync()

    def waits_always(m: Machine, number: int) -> None:
        first_step_compiles(m, number)
        m.sync()

    assert judged(loop(waits_once, 40)).causes == ()
    assert [each.id for each in judged(loop(waits_always, 40)).causes] == ["warmup-in-timing"]


def test_the_upper_end_of_a_saving_holds_what_else_may_go_with_the_cause() -> None:
    """Fused kernels need not be done one by one; ways into calls may shorten, and the program's own Python does not."""

    def own_python(m: Machine, number: int) -> None:
        m.python(900)
        synced(m, number)

    def what_if(step: Callable[[Machine, int], None], cause: str) -> WhatIf:
        program = loop(step)
        return next(each for each in analyse(traced(program), control(program), PEAKS).what_ifs if each.cause == cause)

    fused = what_if(tiny, "launch-bound-small-work")
    assert 0.7 * fused.now_ms < fused.saved_ms < 0.8 * fused.now_ms  # as a graph: eight kernels of 4 µs stay
    assert fused.high_ms == pytest.approx(fused.now_ms, rel=0.02)
    bare, busy = what_if(synced, "sync-every-step"), what_if(own_python, "sync-every-step")
    # Without its waits the first is bound by the device, so a faster host adds nothing to what fixes differ by.
    assert bare.high_ms - bare.saved_ms == pytest.approx(0.1 * bare.saved_ms, rel=0.05)
    assert 0.15 * busy.saved_ms < busy.high_ms - busy.saved_ms < 0.1 * 0.9  # and of its 0.9 ms of Python nothing goes


def test_where_steps_can_be_compared_a_noisy_start_up_does_no_harm() -> None:
    _, slow, _ = PLANTED["read-back"]
    runs = control(slow, marked=True)
    early = build.Control(tuple(int(0.8 * each) for each in runs.walls), runs.marks)
    analysis = analyse(traced(slow), early, PEAKS)
    assert analysis.replay is not None
    assert analysis.replay.compared == "steps"
    assert abs(analysis.replay.error or 1.0) < 0.02
    found = judge(Profile(program=PROGRAM, tracer=TRACER, analysis=analysis))
    assert [each.id for each in found.causes] == ["readback-every-step"]
    # What a step took untraced is what counts.
    slower = build.Control(runs.walls, (runs.marks[0] * 1.04,))
    times = [analyse(traced(slow), each, PEAKS).what_ifs[0].now_ms for each in (early, slower)]
    assert times[1] == pytest.approx(1.04 * times[0], rel=1e-3)


def test_steps_that_take_another_time_untraced_are_not_judged_whatever_the_whole_run_takes() -> None:
    _, slow, _ = PLANTED["read-back"]
    runs = control(slow, marked=True)
    analysis = analyse(traced(slow), build.Control(runs.walls, (runs.marks[0] * 1.2,)), PEAKS)
    assert "the steady steps take" in judge(Profile(program=PROGRAM, tracer=TRACER, analysis=analysis)).unknown


def test_a_run_that_made_other_calls_is_compared_as_a_whole() -> None:
    _, slow, _ = PLANTED["read-back"]
    runs = control(slow, marked=True)
    analysis = analyse(
        traced(slow), build.Control(runs.walls, (runs.marks[0][: len(runs.marks[0]) * 98 // 100],)), PEAKS
    )
    assert analysis.replay is not None
    assert analysis.replay.compared == "run"


def test_files_in_the_page_cache_are_read_by_the_processor() -> None:
    def cached(m: build.Machine, _: int) -> None:
        m.read(16 * MB, 4500, cached=True)
        trains(m, _)

    found = judged(loop(cached, 100))
    assert [each.id for each in found.causes] == ["storage-bound"]


def test_a_thread_that_spins_in_a_wait_and_then_sleeps_waits_for_data() -> None:
    """All its CPU time is spent in the wait for the device, which is no work of Python's."""

    def spins(m: build.Machine, _: int) -> None:
        m.launch("train", 2000)
        m.sync()
        m.sleep(4000, Doing.PYTHON)

    assert [each.id for each in judged(loop(spins, 100)).causes] == ["dataloader-bound"]


def test_copies_in_and_a_result_out_are_no_implicit_ones() -> None:
    def explicit(m: build.Machine, _: int) -> None:
        for _array in range(2):
            m.allocate(5)
            m.copy_in(MB)
        m.launch("add", 20)
        m.copy_out(MB)
        m.free_memory(8)

    assert "implicit-host-copies" not in [each.id for each in judged(loop(explicit, 100)).causes]


def test_nothing_is_said_of_a_program_whose_untraced_run_took_another_time() -> None:
    program = loop(tiny)
    trace = traced(program)
    analysis = analyse(trace, build.Control((int(0.8 * wall(program)),)), PEAKS)
    found = judge(Profile(program=PROGRAM, tracer=TRACER, analysis=analysis))
    assert "and 5 % is the limit" in found.unknown
    assert (found.causes, found.busy, analysis.what_ifs) == ((), False, ())


def test_nothing_is_said_beyond_twice_the_time() -> None:
    program = loop(tiny)
    analysis = analyse(traced(program), build.Control((int(0.4 * wall(program)),)), PEAKS)
    assert "beyond 2 nothing is judged" in judge(Profile(program=PROGRAM, tracer=TRACER, analysis=analysis)).unknown


def test_nothing_is_said_without_an_untraced_run_or_without_a_trace() -> None:
    analysis = analyse(traced(loop(tiny)), build.Control(()), PEAKS)
    assert "no untraced run" in judge(Profile(program=PROGRAM, tracer=TRACER, analysis=analysis)).unknown
    refused = Profile(program=PROGRAM, tracer=Tracer(state="refused", reason="it is held by nsys"))
    assert judge(refused).unknown == "the program was not traced: it is held by nsys"


@pytest.mark.parametrize(
    ("slope", "said"),
    [((0.9, 1.1), "proven"), ((0.3, 0.7), "supported"), ((0.0, 0.05), None)],
)
def test_a_probe_proves_a_cause_or_rules_it_out(slope: tuple[float, float], said: str | None) -> None:
    low, high = slope
    probe = Probe(calls="waits", count=1600, added_us=20, slope=(low + high) / 2, low=low, high=high)
    causes = judged(loop(synced), probes=(probe,)).causes
    assert [cause.confidence for cause in causes if cause.id == "sync-every-step"] == ([said] if said else [])


def test_what_speaks_for_a_cause_is_what_can_be_probed() -> None:
    assert set(PROBED.values()) == set(CLASSES.values())


def test_a_saving_that_may_be_less_than_a_twentieth_names_no_cause() -> None:
    program = loop(synced)
    analysis = analyse(traced(program), control(program), PEAKS)
    (found,) = [each for each in analysis.what_ifs if each.cause == "sync-every-step"]

    def named(saved: float, low: float) -> bool:
        one = msgspec.structs.replace(
            found, saved_ms=saved * found.now_ms, low_ms=low * found.now_ms, further_ms=saved * found.now_ms
        )
        one_only = msgspec.structs.replace(analysis, what_ifs=(one,))
        return bool(judge(Profile(program=PROGRAM, tracer=TRACER, analysis=one_only)).causes)

    assert named(0.06, 0.052)
    assert not named(0.06, 0.04)
    assert not named(0.08, 0.03)  # more than twice its error is not enough, too
    assert not named(0.049, 0.049)


@pytest.mark.parametrize(
    ("reasons", "from_s", "named"),
    [(0x4, 0.0, False), (0x80, 0.0, False), (0x1, 0.0, True), (0x4, 1e3, True), (None, 0.0, True)],
)
def test_at_the_power_limit_gaps_are_named_only_if_they_are_large(
    reasons: int | None, from_s: float, named: bool
) -> None:
    """Without the gaps the clocks would sink: of 16 % that were predicted, an H100 at its limit gained 7."""
    program = loop(synced)
    analysis = analyse(traced(program), control(program), PEAKS)
    (found,) = [each for each in analysis.what_ifs if each.cause == "sync-every-step"]
    begin, end = analysis.steps.window_start_s, analysis.steps.window_end_s
    moments = [0.0, *(begin + from_s + (end - begin) * part / 10 for part in range(1, 10))]
    readings = tuple(ClockReading(seconds=7.0 + moment, during="run", reasons=reasons) for moment in moments)

    def causes(share: float) -> int:
        one = msgspec.structs.replace(
            found, saved_ms=share * found.now_ms, low_ms=share * found.now_ms, further_ms=share * found.now_ms
        )
        alone = msgspec.structs.replace(analysis, what_ifs=(one,))
        return len(judge(Profile(program=PROGRAM, tracer=TRACER, analysis=alone, readings=readings)).causes)

    assert causes(0.16) == named
    assert causes(0.3) == 1


def test_python_and_waiting_are_not_told_apart_without_cpu_time() -> None:
    program = loop(sleeping, 100)
    trace = traced(program)
    found = judged(program, trace._replace(cpu=trace.cpu[:0], samples=trace.samples[:0]))
    assert [cause.confidence for cause in found.causes] == ["possible"]


def test_pageable_copies_are_not_judged_where_the_link_was_not_measured() -> None:
    _, slow, _ = PLANTED["pageable"]
    analysis = analyse(traced(slow), control(slow), PEAKS._replace(to_device=None, to_host=None))
    assert "pageable-transfer" not in [each.cause for each in analysis.what_ifs]


def test_a_sum_that_is_made_to_be_read_may_go_with_the_read_back() -> None:
    def what_if(kernel: str) -> tuple[float, float]:
        def step(m: build.Machine, _: int) -> None:
            m.launch("update", 10)
            m.launch(kernel, 12)
            m.copy_out(4)

        program = loop(step)
        found = analyse(traced(program), control(program), PEAKS).what_ifs
        one = next(each for each in found if each.cause == "readback-every-step")
        return one.saved_ms / one.now_ms, one.high_ms / one.now_ms

    kept, at_most = what_if("advance")
    for name in ("cub::DeviceReduceKernel", "dot_kernel", "at::native::reduce_kernel", "input_reduce_fusion", "max"):
        saved, with_the_sum = what_if(name)
        assert saved == pytest.approx(kept, abs=0.01)
        assert with_the_sum > at_most + 0.1


def test_what_one_step_in_hundreds_compiles_is_not_taken_for_what_all_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cudadoctor.attribution.profile.excerpt.MOST_CALLS", 400)

    def compiles_late(m: build.Machine, number: int) -> None:
        if number == 20:
            m.python(50_000, Doing.COMPILING)
        tiny(m, number)

    def share(program: build.Program) -> float:
        (cause,) = judged(program).causes
        return cause.share

    assert share(loop(compiles_late)) == pytest.approx(share(loop(tiny)), abs=0.03)
