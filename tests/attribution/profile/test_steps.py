"""Steps are found by what repeats, or by the ranges that the program marks."""

from __future__ import annotations

import numpy as np
import pytest

from cudadoctor.attribution.profile import steps
from cudadoctor.attribution.profile.model import build, tidy
from cudadoctor.attribution.profile.steps import Found
from tests.attribution.profile.build import Machine, Program, loop, start_up, traced
from tests.attribution.profile.programs import heavy, logs, one_copy, read_back, small_copies, tiny


def found(program: Program, **told: object) -> Found:
    return steps.find(build(tidy(traced(program)._replace(**told))))


def layers(m: Machine, number: int) -> None:
    """A network of 24 equal layers, a head and an optimizer."""
    m.copy_in(4096)
    for _layer in range(24):
        for kernel in ("norm", "qkv", "attention", "project"):
            m.launch(kernel, 5)
    for kernel in ("head", "softmax", "loss", "adam1", "adam2", "adam3", "clip", "scale"):
        m.launch(kernel, 5)


def alternating(m: Machine, number: int) -> None:
    for kernel in ("a", "b", "c") if number % 2 else ("d", "e", "f", "g"):
        m.launch(kernel, 20)


def inner_loop_of_any_length(m: Machine, number: int) -> None:
    for _ in range(3 + number % 5):
        m.launch("relax", 10)
    m.launch("norm", 10)
    m.copy_out(4)


def epochs(m: Machine, number: int) -> None:
    heavy(m, number)
    if number % 50 == 49:
        for kernel in ("test1", "test2", "test3"):
            m.launch(kernel, 200)
        m.copy_out(4)


@pytest.mark.parametrize(
    ("step", "of_one"),
    [
        (tiny, 8), (heavy, 5), (read_back, 7), (logs, 5), (layers, 105), (inner_loop_of_any_length, 7), (epochs, 5),
        (small_copies, 61), (one_copy, 2),
    ],
)  # fmt: skip
def test_a_step_is_what_comes_again_and_again(step: object, of_one: int) -> None:
    told = found(loop(step, 200))  # type: ignore[arg-type]
    assert told.by == "repetition"
    assert told.steady == pytest.approx(199, abs=5)
    operations = len(build(tidy(traced(loop(step, 200)))).ops.call)  # type: ignore[arg-type]
    assert operations / (told.steady + 1) == pytest.approx(of_one, rel=0.06)


def test_two_kinds_of_step_in_turn_are_one() -> None:
    assert found(loop(alternating, 200)).steady == pytest.approx(99, abs=1)


def test_one_kernel_again_and_again_is_a_step_each() -> None:
    told = found(loop(lambda m, _: m.launch("k", 20), 300))
    assert (told.by, told.steady) == ("repetition", 299)


def test_slow_steps_at_the_beginning_are_warm_up() -> None:
    def slow(m: Machine, number: int) -> None:
        m.python(5000 if number < 7 else 5)
        heavy(m, number)

    told = found(loop(slow, 100))
    assert told.warm_up in (6, 7)
    assert told.durations.max() < 1.5e6


def test_a_single_slow_step_is_warm_up_only_at_the_beginning() -> None:
    def slow(at: int) -> Program:
        return loop(lambda m, n: (m.python(20_000 if n == at else 5), heavy(m, n))[1], 100)

    assert found(slow(1)).warm_up == 1
    assert found(slow(60)).warm_up == 0


def test_ranges_win_over_repetition() -> None:
    def marked(machine: Machine) -> None:
        start_up(machine)
        for _ in range(20):

            def step() -> None:
                for kernel in range(4):
                    tiny(machine, kernel)

            machine.mark("train step", step)
        machine.sync()

    told = found(marked)
    assert (told.by, told.name, told.steady) == ("nvtx", "train step", 20)


def test_ranges_that_overlap_or_hold_no_call_are_not_steps() -> None:
    trace = traced(loop(tiny, 100))
    ranges = np.zeros(10, trace.ranges.dtype)
    ranges["start"], ranges["end"] = np.arange(10) * 100, np.arange(10) * 100 + 150
    assert steps.find(build(tidy(trace._replace(ranges=ranges)))).by == "repetition"
    ranges["end"] = ranges["start"] + 50
    assert steps.find(build(tidy(trace._replace(ranges=ranges)))).by == "repetition"


def test_ranges_that_a_library_opens_for_itself_are_not_steps() -> None:
    def marked(name: str) -> Program:
        def run(machine: Machine) -> None:
            start_up(machine)
            for step in range(20):
                machine.mark(name.format(step), lambda: heavy(machine, 0))
                machine.launch("update", 5)
            machine.sync()

        return run

    for name in ("XlaModule:#hlo_module=jit_step,program_id=7#", "aten::linear, seq = 12", "ncclAllReduce"):
        assert found(marked(name)).by == "repetition", name
    assert found(marked("Thunk of mine")).by == "nvtx"


@pytest.mark.parametrize("evaluation", [0, 400])
def test_the_loop_that_takes_most_of_the_time_is_found_beside_others(evaluation: int) -> None:
    """As JAX does it: hundreds of kernels are tried by turns before the loop, which is longer but of fewer operations.

    After the loop may come another one.
    """

    def tuned(machine: Machine) -> None:
        start_up(machine)
        for trial in range(60):
            machine.copy_in(64, pageable=False)
            for kernel in ("fill", f"gemm{trial}", "check", f"gemm{trial}", "check", "compare", "delay"):
                machine.launch(kernel, 6)
        for _ in range(100):
            machine.copy_in(1 << 20, pageable=False)
            machine.launch("score", 2500)
            machine.python(3000)
        for _ in range(evaluation):
            machine.launch("test", 20)
            machine.launch("sum", 5)
        machine.sync()

    told = found(tuned)
    assert (told.by, told.steady) == ("repetition", pytest.approx(99, abs=3))
    assert float(np.median(told.durations)) == pytest.approx(3.05e6, rel=0.1)


def test_a_loop_beside_which_next_to_nothing_repeats_is_found_though_few_of_the_operations_are_its() -> None:
    def run(machine: Machine) -> None:
        start_up(machine)
        for number in range(300):
            machine.launch(f"set up {number * number % 211}", 4)
        for _ in range(40):
            machine.launch("relax", 5000)
            machine.launch("norm", 100)
        machine.sync()

    told = found(run)
    assert (told.by, told.steady) == ("repetition", pytest.approx(39, abs=2))


def test_what_does_not_repeat_is_one_window() -> None:
    def once(machine: Machine) -> None:
        start_up(machine)
        for number in range(30):
            machine.launch(f"k{number}", 500)
        machine.sync()

    told = found(once)
    assert (told.by, told.steady) == ("none", 1)
    assert told.window[1] - told.window[0] == pytest.approx(30 * 501e3, rel=0.05)
