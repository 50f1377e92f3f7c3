"""Kernels that could be faster themselves: by their grid, their code, and their first launches."""

from __future__ import annotations

from pathlib import Path

import pytest

from cudadoctor.attribution.profile import analyse
from cudadoctor.attribution.profile.causes import judge
from cudadoctor.attribution.profile.code import KernelCode, read_ptx
from cudadoctor.attribution.profile.trace import Peaks, Trace
from cudadoctor.facts.profile import Analysis, Profile, Program, Tracer, WhatIf
from tests.attribution.profile.build import PEAKS, Machine, control, loop, traced
from tests.attribution.profile.build import Program as Made

PTX = Path(__file__).parent / "ptx"


def code(name: str) -> KernelCode:
    return read_ptx((PTX / f"{name}.ptx").read_text(encoding="utf-8"))[name]


@pytest.mark.parametrize(
    ("name", "far", "loops"),
    [
        ("standardise", True, False),  # a[x, y] with x of the thread: the width is a factor
        ("standardise_by_feature", False, False),  # a[i // 128, i % 128]
        ("every_eighth", True, False),
        ("smooth", False, False),  # a[i - 1], a[i], a[i + 1]
        ("diffuse", True, False),  # a[x, y], a[x - 1, y], ... of two dimensions of threads
        ("fields", True, False),  # a[i, 0], a[i, 1], ...
        ("rows", True, True),
        ("columns", False, True),
        ("heavy", True, True),  # as rows, with twelve sums and products of each number
        ("series", False, True),
    ],
)
def test_code_says_whether_neighbours_read_far_apart_and_whether_it_loops(name: str, far: bool, loops: bool) -> None:
    told = code(name)
    assert (2 * told.far_bytes >= max(told.bytes, 1), told.loops) == (far, loops)


def test_code_says_what_a_thread_moves_and_in_which_precision_it_computes() -> None:
    assert code("standardise").bytes == 8  # in and out; what all threads read alike does not count
    assert (code("polynomial").float64, code("polynomial").float32) == (32, 0)
    assert (code("series").float64, code("series").float32) == (0, 65)


def test_what_neighbours_in_y_read_as_well_counts_once_and_the_fields_of_a_row_do_not() -> None:
    assert (code("diffuse").bytes, code("diffuse").least_bytes) == (28, 8)
    assert (code("fields").bytes, code("fields").least_bytes) == (20, 20)
    assert (code("smooth").bytes, code("smooth").least_bytes) == (16, 16)


@pytest.mark.parametrize(
    "text", ["", ".entry", ".entry a(", ".entry a( ) { %x", "\x00{}}", ".visible .entry a(){ bra ; }"]
)
def test_no_text_is_too_odd_for_the_reader(text: str) -> None:
    assert all(told.bytes == 0 for told in read_ptx(text).values())


def analysed(program: Made, trace: Trace | None = None, peaks: Peaks = PEAKS) -> Analysis:
    return analyse(trace or traced(program), control(program), peaks)


def what_if(found: Analysis, cause: str) -> WhatIf | None:
    return next((each for each in found.what_ifs if each.cause == cause), None)


def with_code(program: Made, **codes: KernelCode) -> Trace:
    trace = traced(program)
    return trace._replace(codes={trace.names.index(name): told for name, told in codes.items()})


SLOW = loop(lambda m, _: m.launch("standardise", 1000, blocks=200_000), 100)


def test_code_that_does_not_loop_and_reads_far_apart_is_slow_at_what_it_moves() -> None:
    """200,000 blocks of 256 threads move 410 MB: 0.16 ms at 2.5 TB/s, and 1 ms here."""
    told = what_if(analysed(SLOW, with_code(SLOW, standardise=code("standardise"))), "uncoalesced-access")
    assert told is not None
    assert told.fits
    assert told.predicted_ms == pytest.approx(0.164, rel=0.05)
    assert told.where == ("standardise",)


def test_a_stencil_with_its_axes_swapped_is_slow_though_caches_hold_its_neighbours() -> None:
    """As on an H100: 434 µs for 65,536 blocks, 117 with the axes in order; 470 MB are asked for, 134 needed."""
    slow = loop(lambda m, _: m.launch("diffuse", 434, blocks=65_536), 100)
    found = analysed(slow, with_code(slow, diffuse=code("diffuse")))
    judgement = judge(Profile(program=Program(script="p.py"), tracer=Tracer(state="traced"), analysis=found))
    assert [each.id for each in judgement.causes] == ["uncoalesced-access"]
    fast = loop(lambda m, _: m.launch("diffuse", 117, blocks=65_536), 100)
    assert what_if(analysed(fast, with_code(fast, diffuse=code("diffuse"))), "uncoalesced-access") is None


def test_a_loop_that_reads_far_apart_and_does_little_else_is_possibly_slow_for_that() -> None:
    """Each 4 bytes cost a sector of 32, unless a cache keeps the rest until it is asked for."""
    slower = loop(lambda m, _: m.launch("standardise", 800, blocks=200_000), 100)
    told = what_if(analysed(slower, with_code(slower, standardise=code("rows"))), "uncoalesced-access")
    assert told is not None
    assert (told.fits, told.bound) == (False, True)
    assert told.predicted_ms == pytest.approx(0.1, rel=0.05)
    assert code("rows").loop_sums == code("rows").loop_far == 5
    assert code("heavy").loop_sums == 13 * code("heavy").loop_far  # of which the next test says what comes


@pytest.mark.parametrize("name", ["smooth", "columns", "heavy", "series", "standardise_by_feature"])
def test_code_that_reads_in_order_or_computes_most_of_the_time_is_not_accused(name: str) -> None:
    slower = loop(lambda m, _: m.launch("standardise", 9000, blocks=200_000), 30)
    assert what_if(analysed(slower, with_code(slower, standardise=code(name))), "uncoalesced-access") is None


def test_a_kernel_that_moves_its_bytes_fast_is_not_accused() -> None:
    fast = loop(lambda m, _: m.launch("standardise", 300, blocks=200_000), 100)
    assert what_if(analysed(fast, with_code(fast, standardise=code("standardise"))), "uncoalesced-access") is None


CONSUMER = PEAKS._replace(fp32_per_fp64=64.0)


@pytest.mark.parametrize(
    "name",
    ["cupy_add__float64_float64", "void f<double>(double*)", "_ZN3f2E5ArrayIdLi1E1C7mutable", "volta_dgemm_64x64_nn"],
)
def test_double_precision_is_read_off_names(name: str) -> None:
    program = loop(lambda m, _: m.launch(name, 500), 100)
    told = what_if(analysed(program, peaks=CONSUMER), "fp64-on-consumer-gpu")
    assert told is not None
    assert told.fits


@pytest.mark.parametrize(
    "name", ["cupy_add__float32", "void f<float>(float*)", "ampere_sgemm_128x64_nn", "Idle", "_ZN3f2E5ArrayIfLi1E"]
)
def test_other_names_are_not_double_precision(name: str) -> None:
    program = loop(lambda m, _: m.launch(name, 500), 100)
    assert what_if(analysed(program, peaks=CONSUMER), "fp64-on-consumer-gpu") is None


def test_double_precision_inside_is_read_off_the_code() -> None:
    program = loop(lambda m, _: m.launch("polynomial", 500), 100)
    assert what_if(
        analysed(program, with_code(program, polynomial=code("polynomial")), peaks=CONSUMER), "fp64-on-consumer-gpu"
    )
    assert not what_if(analysed(program, peaks=CONSUMER), "fp64-on-consumer-gpu")


def test_on_a_card_that_is_good_at_it_double_precision_is_only_remarked_on() -> None:
    program = loop(lambda m, _: m.launch("volta_dgemm_64x64_nn", 500), 100)
    judgement = judge(
        Profile(program=Program(script="a.py"), tracer=Tracer(state="traced"), analysis=analysed(program))
    )
    assert [(cause.id, cause.confidence, cause.lead) for cause in judgement.causes] == [
        ("fp64-on-consumer-gpu", "possible", False)
    ]
    assert judgement.busy
    assert not what_if(analysed(program, peaks=PEAKS._replace(fp32_per_fp64=None)), "fp64-on-consumer-gpu")


def test_small_grids_of_long_kernels_are_named_and_those_of_short_ones_or_a_block_each_are_not() -> None:
    def of(blocks: int, us: float) -> WhatIf | None:
        return what_if(analysed(loop(lambda m, _: m.launch("k", us, blocks=blocks), 100)), "low-occupancy-grid")

    small = of(4, 1000)
    assert small is not None
    assert small.predicted_ms == pytest.approx(4 / 132, rel=0.2)
    assert of(132, 1000) is None
    assert of(4, 10) is None


def rising(m: Machine, number: int) -> None:
    m.launch("k", 500 * (1.8 if number < 80 else 1.0))


def test_a_kernel_that_was_slower_at_first_is_a_clock_that_rose() -> None:
    told = what_if(analysed(loop(rising, 300)), "clock-ramp")
    assert told is not None
    assert told.saved_ms == pytest.approx(80 * 0.4, rel=0.1)
    assert told.scope == "run"


def test_kernels_that_are_slow_now_and_then_or_by_their_grid_are_no_ramp() -> None:
    def in_turns(m: Machine, number: int) -> None:
        m.launch("k", 900 if number % 40 < 10 else 500)

    def by_grid(m: Machine, number: int) -> None:
        m.launch("k", 900 if number < 80 else 500, blocks=9000 if number < 80 else 5000)

    assert what_if(analysed(loop(in_turns, 300)), "clock-ramp") is None
    assert what_if(analysed(loop(by_grid, 300)), "clock-ramp") is None
