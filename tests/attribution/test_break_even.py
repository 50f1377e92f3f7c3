from __future__ import annotations

import random

import pytest

from cudadoctor.attribution.break_even import (
    faster_lane,
    find_break_even,
    predicted_winner,
    sizes_to_check,
    with_checks,
)
from cudadoctor.facts.explanation import BreakEven, BreakEvenPoint

SIZES = (16, 32, 64, 128, 256, 512)
CPU, GPU = "cpu-fast", "gpu-per-operation"


def found(
    cpu: tuple[float, float], gpu: tuple[float, float], *, sizes: tuple[int, ...] = SIZES, noise: float = 0.0
) -> BreakEven:
    """Return the break-even of lines (fixed, each)."""
    chance = random.Random(3)

    def time(line: tuple[float, float], size: int) -> float:
        return (line[0] + line[1] * size) * (1 + chance.gauss(0, noise))

    points = [BreakEvenPoint(value=n, cpu_us=time(cpu, n), gpu_us=time(gpu, n)) for n in sizes]
    return find_break_even("batch_size", CPU, GPU, points)


def test_two_lines_cross_where_the_handicap_is_made_up() -> None:
    # 500 - 20 of handicap, 8 - 0.5 gained with each row.
    told = found((20, 8), (500, 0.5))
    assert told.at == pytest.approx(64)
    assert told.reason == ""
    assert (told.cpu.fixed_us, told.gpu.each_us) == (pytest.approx(20), pytest.approx(0.5))
    assert sizes_to_check(told) == (32, 128)
    assert [predicted_winner(told, size) for size in (32, 128)] == [CPU, GPU]


def test_the_interval_holds_the_crossing_of_noisy_lines() -> None:
    told = found((20, 8), (500, 0.5), noise=0.02)
    assert told.at == pytest.approx(64, rel=0.1)
    assert told.low is not None
    assert told.high is not None
    assert told.low < 64 < told.high < 2 * told.low


def test_a_gpu_whose_time_does_not_depend_on_the_size_still_crosses() -> None:
    assert found((20, 8), (500, 0.0)).at == pytest.approx(60)


@pytest.mark.parametrize(
    ("cpu", "gpu", "word"),
    [
        ((100, 8), (50, 0.5), "the GPU is faster at every size"),
        ((20, 0.4), (500, 0.9), "the CPU is faster at every size"),
    ],
)
def test_lines_that_do_not_cross_say_who_is_always_faster(
    cpu: tuple[float, float], gpu: tuple[float, float], word: str
) -> None:
    told = found(cpu, gpu)
    assert told.at is None
    assert word in told.reason
    assert sizes_to_check(told) == ()


def test_parallel_lines_have_no_crossing_that_noise_could_tell() -> None:
    told = found((20, 2.0), (200, 2.0), noise=0.02)
    assert told.at is None
    assert "differ by less than their error" in told.reason
    assert "the CPU was faster at every size" in told.reason


def test_a_crossing_the_other_way_round_says_so() -> None:
    told = found((500, 0.5), (20, 8))
    assert told.at == pytest.approx(64)
    assert "below it the GPU is faster" in told.reason


def test_a_crossing_beyond_what_was_measured_says_so() -> None:
    told = found((20, 1.0), (5000, 0.5))
    assert told.at == pytest.approx(9960)
    assert "outside of the sizes that were measured (16 to 512)" in told.reason


def test_four_sizes_are_too_few() -> None:
    told = found((20, 8), (500, 0.5), sizes=(16, 32, 64, 128))
    assert told.at is None
    assert "4 sizes were measured" in told.reason


def test_checks_get_the_winner_that_the_lines_predict() -> None:
    told = with_checks(
        found((20, 8), (500, 0.5)),
        [BreakEvenPoint(value=32, cpu_us=270, gpu_us=500, winner=CPU), BreakEvenPoint(value=128, cpu_us=1, gpu_us=2)],
    )
    assert [(check.predicted_winner, check.winner) for check in told.checks] == [(CPU, CPU), (GPU, None)]


def test_times_that_overlap_have_no_winner() -> None:
    assert faster_lane(CPU, [10, 11, 12, 13, 14], GPU, [20, 21, 22, 23, 24]) == CPU
    assert faster_lane(CPU, [10, 11, 12, 13, 24], GPU, [9, 14, 12, 11, 20]) is None
