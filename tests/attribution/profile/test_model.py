"""Threads, streams and GPUs: who launches, who waits for what, and what plays at the same time."""

from __future__ import annotations

import numpy as np
import pytest

from cudadoctor.attribution.profile import analyse
from cudadoctor.attribution.profile.host import Host
from cudadoctor.attribution.profile.model import Model, build, tidy
from cudadoctor.attribution.profile.replay import fronts, play, script, whole_run
from cudadoctor.attribution.profile.trace import CallKind, DeviceKind, Memory, Trace, TracerCost
from tests.attribution.profile.build import MAIN, MS, PEAKS, US, Machine, Program, control, loop, start_up, traced, wall
from tests.attribution.profile.programs import MB, heavy, read_back
from tests.attribution.profile.test_causes import judged
from tests.attribution.profile.test_decomposition import call, copy, kernel, trace_of

OTHER = MAIN + 1


def model_of(trace: Trace) -> Model:
    return build(tidy(trace))


def hand_over(m: Machine, thread: int) -> None:
    """Let another thread go on where this one stops, as the backward pass of a library does."""
    m.now[thread] = max(m.now.get(thread, 0.0), m.now[m.thread]) + 5 * US
    m.thread = thread


def backward_elsewhere(kernel_us: float, *, reads: bool) -> Program:
    def step(m: Machine, _: int) -> None:
        for number in range(4):
            m.launch(f"forward{number}", kernel_us)
        hand_over(m, OTHER)
        for number in range(6):
            m.launch(f"backward{number}", kernel_us)
        hand_over(m, MAIN)
        if reads:
            m.copy_out(4)

    return loop(step)


def test_threads_that_take_turns_are_one_lane() -> None:
    assert len(model_of(traced(backward_elsewhere(40, reads=True))).lanes) == 1


def test_a_read_back_in_a_program_of_two_threads_saves_what_it_saves() -> None:
    slow, fixed = backward_elsewhere(25, reads=True), backward_elsewhere(25, reads=False)
    causes = {cause.id: cause for cause in judged(slow).causes}
    saved = (wall(slow) - wall(fixed)) / 1e9
    assert causes["readback-every-step"].what_if.run_saved_s == pytest.approx(saved, rel=0.15)


def beside_each_other(machine: Machine) -> None:
    """A thread that computes, and one that copies at the same time on its own stream."""
    start_up(machine)
    machine.now[OTHER] = machine.now[MAIN]
    for _ in range(200):
        machine.thread = MAIN
        machine.launch("train", 600)
        machine.sync()
        machine.thread = OTHER
        machine.copy_in(2 * MB, stream=9)
        machine.sleep(300)
    machine.thread = MAIN


def test_threads_that_call_at_the_same_time_are_lanes_of_their_own() -> None:
    model = model_of(traced(beside_each_other))
    assert len(model.lanes) == 2
    assert model.lanes[0] == (MAIN,)
    assert judged(beside_each_other).causes == ()


def test_two_gpus_have_a_breakdown_each_and_are_one_step() -> None:
    def step(m: Machine, _: int) -> None:
        for device, us in ((0, 100), (1, 60)):
            for number in range(4):
                m.launch(f"k{number}", us, device=device)

    program = loop(step, 200)
    found = analyse(traced(program), control(program), PEAKS)
    assert found.devices == (0, 1)
    assert [each.device for each in found.steady] == [0, 1]
    assert found.steps.median_ms == pytest.approx(0.404, rel=0.05)
    assert found.steady[0].share("kernels") > 0.95


def test_a_stream_that_waits_for_another_is_played_so() -> None:
    """A copy on one stream, and the kernel that needs it on another: their order is read off the times."""
    ops, calls = [], []
    for n in range(50):
        at = 2.0 * n
        ops += [copy(at + 0.1, at + 1.1, 3 * n + 1, stream=9, asynchronous=True), kernel(at + 1.101, at + 2, 3 * n + 2)]
        calls += [
            call(CallKind.COPY, at + 0.05, at + 0.08, 3 * n + 1),
            call(CallKind.LAUNCH, at + 0.12, at + 0.13, 3 * n + 2),
            call(CallKind.SYNC, at + 0.15, at + 2.01, 3 * n + 3),
        ]
    model = model_of(trace_of(ops, calls, 100))
    after = model.ops.after[model.ops.stream == model.ops.stream[1]]
    assert (after >= 0).all()
    played = script(model, 0, len(calls), own=False)
    assert play(played).op_end[-1] == pytest.approx(100 * MS, rel=0.01)
    # Without the copies the kernels need not wait for them.
    faster = played._replace(duration=np.where(played.stream == played.stream[0], 0.0, played.duration))
    assert play(faster).op_end[-1] == pytest.approx(50 * MS, rel=0.1)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("memory", [Memory.PAGEABLE, Memory.PINNED])
def test_only_an_asynchronous_copy_of_pinned_memory_lets_the_host_go_on(memory: int, asynchronous: bool) -> None:
    ops = [copy(1, 2, 1, source=memory, asynchronous=asynchronous)]
    model = model_of(trace_of(ops, [call(CallKind.COPY, 0.9, 2.1, 1)]))
    waits = not (asynchronous and memory == Memory.PINNED)
    assert bool(model.calls.wait[0] >= 0) is waits
    assert model.calls.tail[0] == pytest.approx(0.1 * MS if waits else 0)
    assert model.calls.cost[0] == pytest.approx(0 if waits else 1.2 * MS)


def test_a_free_that_ends_with_the_device_waited_for_it_and_a_quick_one_did_not() -> None:
    ops = [kernel(1, 5, 1)]
    calls = [call(CallKind.LAUNCH, 0.9, 1, 1), call(CallKind.FREE, 1.5, 5.2, 2)]
    assert model_of(trace_of(ops, calls)).calls.wait[1] == 0
    calls[1] = call(CallKind.FREE, 1.5, 1.6, 2)
    assert model_of(trace_of(ops, calls)).calls.wait[1] == -1


def test_a_full_queue_holds_the_host_up() -> None:
    program = loop(heavy, 800)
    trace = traced(program)
    assert whole_run(model_of(trace)).wall == pytest.approx(wall(program), rel=0.02)
    model = model_of(trace)
    assert (model.calls.wait[model.calls.kind == CallKind.LAUNCH] >= 0).sum() > 1000


def test_a_host_that_becomes_faster_runs_into_the_full_queue() -> None:
    n = 3000
    ops = [kernel(0.1 * k + 0.01, 0.1 * k + 0.02, k + 1) for k in range(n)]
    calls = [call(CallKind.LAUNCH, 0.1 * k, 0.1 * k + 0.005, k + 1) for k in range(n)]
    made = script(model_of(trace_of(ops, calls, 0.1 * n)), 0, n)
    played = play(made._replace(gap=np.zeros(n)))
    ahead = np.arange(n) - np.searchsorted(played.op_end, played.call_end, side="right")
    assert 1000 < ahead.max() <= 1025


def test_the_tracer_is_taken_out_of_calls_first_and_then_out_of_what_follows() -> None:
    ops = [kernel(0.011 + n, 0.012 + n, n + 1) for n in range(3)]
    calls = [call(CallKind.LAUNCH, n, n + 0.01, n + 1) for n in range(3)]
    model = model_of(trace_of(ops, calls, cost=TracerCost(launch=5_000, copy=0, call=0)))
    assert model.calls.own_cost.tolist() == pytest.approx([5_000] * 3, abs=2)
    assert model.calls.own_gap[1] == pytest.approx(990_000, abs=5)
    model = model_of(trace_of(ops, calls, cost=TracerCost(launch=20_000, copy=0, call=0)))
    assert model.calls.own_cost.tolist() == pytest.approx([2_000] * 3, abs=2)  # at most four fifths
    assert model.calls.own_gap[1] == pytest.approx(990_000 - 12_000, abs=5)


def test_a_played_script_of_a_trace_is_as_long_as_the_trace() -> None:
    for program in (loop(read_back), loop(heavy), beside_each_other):
        trace = traced(program)
        assert whole_run(model_of(trace), own=False).wall == pytest.approx(trace.end, rel=0.01)


def test_fronts_are_what_host_and_device_have_done() -> None:
    ops = [kernel(1, 5, 1), kernel(6, 7, 2)]
    calls = [call(CallKind.LAUNCH, 0.9, 1, 1), call(CallKind.LAUNCH, 5.5, 5.6, 2)]
    made = script(model_of(trace_of(ops, calls)), 0, 2)
    assert (fronts(made, play(made), np.array([0, 1, 2])) / MS).tolist() == pytest.approx([0, 5, 7], abs=0.01)


def test_records_that_break_off_are_judged_as_far_as_they_go() -> None:
    program = loop(read_back)
    trace = traced(program)
    cut = trace._replace(complete_until=int(0.6 * trace.end), dropped=1000)
    found = analyse(cut, control(program), PEAKS)
    assert found.steps.window_end_s < 0.6 * trace.end / 1e9 + 1e-3
    assert found.replay is not None
    assert found.replay.why_no_what_if == ""
    assert found.what_ifs[0].cause == "readback-every-step"
    assert any("records are complete up to" in note for note in found.notes)


def test_graphs_are_operations_of_their_own() -> None:
    ops = [kernel(n + 0.1, n + 0.9, n + 1, kind=DeviceKind.GRAPH, name=-1) for n in range(8)]
    calls = [call(CallKind.LAUNCH, n, n + 0.05, n + 1) for n in range(8)]
    found = analyse(trace_of(ops, calls), control(loop(heavy)), PEAKS)
    assert [row.name for row in found.kernels] == ["CUDA graph"]


def test_the_shares_of_a_gap_are_known_for_each_call() -> None:
    host = Host(model_of(traced(loop(read_back))))
    assert host.shares.sum(axis=1) == pytest.approx(np.ones(len(host.shares)), abs=1e-3)
    assert ((host.into >= 0) & (host.into <= 1)).all()
