"""Programs that wait by callbacks and copy through a pool of threads, as XLA does."""

from __future__ import annotations

import numpy as np
import pytest

from cudadoctor.attribution.profile import analyse
from cudadoctor.attribution.profile.by_callback import NAME, helpers, with_waits
from cudadoctor.attribution.profile.model import build, tidy
from cudadoctor.attribution.profile.trace import CallKind, DeviceKind, Trace
from tests.attribution.profile import xla
from tests.attribution.profile.build import PEAKS, Machine, control, loop, start_up, traced, wall
from tests.attribution.profile.programs import read_back
from tests.attribution.profile.test_causes import judged


def waits(trace: Trace) -> np.ndarray:
    made = with_waits(tidy(trace))
    return made.calls[made.calls["name"] == made.names.index(NAME)] if NAME in made.names else made.calls[:0]


@pytest.mark.parametrize("name", xla.PLANTED)
def test_a_planted_cause_is_first_and_its_saving_is_that_of_the_fixed_program(name: str) -> None:
    cause, slow, fixed = xla.PLANTED[name]
    found = judged(slow)
    assert found.unknown == ""
    assert [each.id for each in found.causes][:1] == [cause]
    assert found.causes[0].confidence == "supported"
    saved = (wall(slow) - wall(fixed)) / 1e9
    assert found.causes[0].what_if.run_saved_s == pytest.approx(saved, rel=0.15)


@pytest.mark.parametrize("name", xla.PLANTED)
def test_a_fixed_program_is_not_accused_of_what_was_fixed(name: str) -> None:
    cause, _, fixed = xla.PLANTED[name]
    assert cause not in [each.id for each in judged(fixed).causes]


def test_each_read_back_has_two_waits_that_end_when_the_threads_were_told() -> None:
    found = waits(traced(loop(xla.read_back, 100), noise=0.0))
    pool, main = found[np.isin(found["thread"], xla.POOL)], found[~np.isin(found["thread"], xla.POOL)]
    assert len(pool) == len(main) == pytest.approx(99, abs=1)
    assert set(found["kind"].tolist()) == {CallKind.SYNC}
    # 35 + 2 + 2 µs of kernels and a hop, less what is launched meanwhile; then the copy, and twice a hop.
    assert float(np.median(main["end"] - main["start"])) / 1e3 == pytest.approx(2 * xla.HOP_US, rel=0.15)
    assert float(np.median(pool["end"] - pool["start"])) / 1e3 == pytest.approx(xla.HOP_US + 25, rel=0.3)


def test_a_thread_that_goes_on_meanwhile_does_not_wait() -> None:
    """As `copy_to_host_async` does it: the value is asked for later."""

    def ahead(m: Machine, number: int) -> None:
        xla.execute(m, 35, 2, 2)
        begin = m.now[m.thread]
        xla.value_of(m, number)
        m.now[m.thread] = begin

    assert not len(waits(traced(loop(ahead, 100))))


def test_a_wait_without_a_read_back_is_seen_by_the_processor_that_is_not_used() -> None:
    assert len(waits(traced(loop(xla.synced, 3000)))) == pytest.approx(2700, abs=300)
    for step in (xla.busy, xla.sleeps):
        assert len(waits(traced(loop(step, 300)))) <= 12, step
    without = traced(loop(xla.synced, 3000))
    assert not len(waits(without._replace(cpu=without.cpu[:0])))
    later = without.cpu.copy()
    later["at"] += 10**10  # read only when all is over: nothing is known of the time before
    assert not len(waits(without._replace(cpu=later)))


def test_programs_that_work_or_sleep_with_the_same_calls_are_told_so() -> None:
    assert [each.id for each in judged(loop(xla.busy, 300)).causes] == ["host-bound-not-gpu"]
    assert [each.id for each in judged(loop(xla.sleeps, 300)).causes] == ["dataloader-bound"]


def test_a_wait_for_a_long_kernel_is_no_cause() -> None:
    found = judged(loop(xla.long_and_synced, 200))
    assert found.causes == ()
    assert found.busy


def test_the_end_of_a_traced_program_is_not_held_against_its_steps() -> None:
    """A step ends with the last call of all, for it begins with the read-back; then the tracer writes for 0.2 s."""

    def run(m: Machine) -> None:
        start_up(m)
        for number in range(300):
            xla.execute(m, 35)
            xla.value_of(m, number)
        m.python(200_000 if m.traced else 1_000)

    trace = traced(run)
    graphs = trace.ops.copy()
    graphs["kind"][graphs["kind"] == DeviceKind.KERNEL] = DeviceKind.GRAPH
    replay = analyse(trace._replace(ops=graphs), control(run, marked=True), PEAKS).replay
    assert replay is not None
    assert replay.compared == "steps"
    assert abs(replay.error or 1.0) < 0.05


def test_programs_without_callbacks_are_left_as_they_are() -> None:
    trace = tidy(traced(loop(read_back, 50)))
    assert with_waits(trace) is trace
    assert not len(helpers(trace))


def test_a_pool_that_hands_back_with_its_last_call_is_one_lane_with_the_thread_it_copies_for() -> None:
    trace = tidy(traced(loop(xla.constants, 100)))
    assert sorted(helpers(trace).tolist()) == sorted(xla.POOL)
    assert len(build(trace).lanes) == 1


def test_an_array_that_is_made_in_each_step_is_the_host_s_work_and_no_pageable_copy() -> None:
    assert [each.id for each in judged(loop(xla.made_there, 100)).causes] == ["host-bound-not-gpu"]
