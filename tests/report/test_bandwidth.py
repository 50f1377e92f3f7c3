"""What is shown of a bandwidth measurement: all that was measured, and nothing that was not."""

from __future__ import annotations

import math
import random
import re
from typing import Any

import msgspec
import pytest

from cudadoctor.facts.bandwidth import SkippedMeasurement
from cudadoctor.facts.base import Missing
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Diagnosis, SkippedRule
from cudadoctor.report.bandwidth import bandwidth_lines, bandwidth_sentence
from cudadoctor.report.bandwidth.names import duration
from cudadoctor.report.bandwidth.table import interval_percent
from cudadoctor.report.markdown import render_markdown
from cudadoctor.report.terminal import render_terminal, to_text
from tests.report.full_bandwidth import RATES, curve, everything, peers, result
from tests.rules.build import bandwidth, fact, link

HEADS = (
    "PINNED", "PAGEABLE", "OTHER HOST", "BOTH DIRECTIONS", "WITHIN THE DEVICE", "ONE COPY OF EACH SIZE", "LATENCIES",
    "BETWEEN GPUS", "ALL GPUS AT ONCE", "NUMA NODE", "NOT REPORTED", "Errors of the link",
)  # fmt: skip


def shown(width: int = 80, **values: Any) -> str:
    return "\n".join(bandwidth_lines(everything(**values), width))


def line(text: str, name: str) -> str:
    """The first line that begins with that name."""
    return next(line for line in text.split("\n") if line.strip().startswith(name))


def section(text: str, head: str) -> str:
    """The lines of one part, up to the next empty line."""
    return text[text.index(head) :].split("\n\n", 1)[0]


def test_every_kind_of_copy_has_one_row_with_its_figure() -> None:
    text = shown()
    for rate in RATES.values():
        assert len(re.findall(rf"(?m)^  \w.* {rate:.2f} ", text)) >= 1, rate
    assert line(text, "host to device, pinned").split()[-5:] == ["54.95", "54.90", "55.00", "87", "%"]


def test_a_run_of_pinned_copies_shows_nothing_else() -> None:
    text = "\n".join(bandwidth_lines(bandwidth()))
    assert [head for head in HEADS if head in text] == ["PINNED"]
    assert "kernel" not in text
    assert "sum" not in text


def test_both_directions_at_once_are_added_and_held_against_both_of_the_link() -> None:
    assert line(shown(), "sum of both directions").split()[-3:] == ["97.28", "77", "%"]


def test_one_direction_alone_is_not_a_sum() -> None:
    assert "sum of both" not in shown(results=(result("h2d_bidirectional", 45.9),))


def test_a_copy_within_the_device_counts_what_is_read_and_what_is_written() -> None:
    text = shown()
    assert line(text, "read + written").split()[-1] == "2979.00"
    assert "%" not in line(text, "device to device, copied")


def test_a_kernel_that_moves_the_bytes_is_named() -> None:
    text = shown()
    assert line(text, "host to device, mapped").endswith("kernel")
    assert not line(text, "host to device, pinned").endswith("kernel")


def test_without_an_expected_link_there_is_no_share() -> None:
    text = shown(expected=Missing("the path is hidden"))
    assert "of link" not in text
    assert "%" not in section(text, "PINNED")
    assert "Not judged against a link: the path is hidden" in text


def test_what_was_not_compared_is_named_without_its_figure() -> None:
    text = shown(results=(result("h2d_pinned", 54.95), result("d2h_pinned", 77.77, verified=False)))
    assert "77.77" not in text
    assert "device to host, pinned: what arrived was not compared" in " ".join(section(text, "NOT REPORTED").split())


def test_a_reason_is_given_once_for_all_that_it_left_out() -> None:
    text = " ".join(section(shown(), "NOT REPORTED").split())
    assert "host to device, registered; device to host, registered: this kernel cannot register memory" in text


def test_a_curve_that_was_left_out_is_not_taken_for_the_copies_of_one_size() -> None:
    left_out = (SkippedMeasurement(key="h2d_pinned_curve", device=0, reason="only 4 KiB is free"),)
    assert "  host to device, pinned, at each size: only 4 KiB is free" in shown(skipped=left_out)


def test_a_note_names_the_copies_that_it_is_about() -> None:
    less = result("d2h_pageable", 1.0, size_bytes=2**26, note="64 MiB instead of 512 MiB: slow")
    text = " ".join(shown(results=(result("h2d_pinned", 54.95), less)).split())
    assert "Note (device to host, pageable): 64 MiB instead of 512 MiB: slow" in text


def test_a_curve_has_one_row_a_size_and_bars_that_grow() -> None:
    rows = re.findall(r"(?m)^ +\d+ [KMG]?i?B  +\d.*$", section(shown(curves=(curve(),)), "ONE COPY"))
    assert len(rows) == 15
    bars = [row.count("#") for row in rows]
    assert bars == sorted(bars)
    assert (bars[0], bars[-1]) == (0, 40)


def test_the_fit_says_what_a_small_copy_costs_in_one_sentence() -> None:
    text = " ".join(section(shown(), "ONE COPY").split())
    assert "host to device, pinned: a copy of 200 kB costs 12.6 µs, of which 9 µs is overhead" in text
    assert "t0 = 9 µs (8.82 µs to 9.18 µs), B = 54.95 GB/s (54.85 to 55.05)" in text
    assert "half of B is reached at 483 KiB (473 KiB to 493 KiB)" in text


def test_a_curve_without_a_fit_promises_nothing() -> None:
    text = " ".join(section(shown(curves=(curve(fit=False),)), "ONE COPY").split())
    assert "no fit could be made" in text
    assert "200 kB" not in text


def test_a_fit_without_overhead_or_bounds_still_reads() -> None:
    fit = msgspec.structs.replace(
        curve().fit,
        overhead_s=-1e-7,
        overhead_interval_s=(-1e-6, 1e-6),
        half_bytes=-5.0,
        half_bytes_interval=(float("-inf"), float("inf")),
        worst_relative_error=0.4,
    )
    text = " ".join(section(shown(curves=(msgspec.structs.replace(curve(), fit=fit),)), "ONE COPY").split())
    assert "200 kB" not in text
    assert "(-1 µs to 1 µs)" in text
    assert "(unknown to unknown)" in text
    assert "rough: one point is 40 % off" in text


def test_many_sizes_are_thinned_and_the_largest_stays() -> None:
    point = curve().points[0]
    points = tuple(msgspec.structs.replace(point, size_bytes=2**n, seconds=1e-5) for n in range(2, 31))
    text = section(shown(curves=(msgspec.structs.replace(curve(), points=points),)), "ONE COPY")
    assert "15 of 29 sizes are shown" in text
    assert "     4 B" in text
    assert "   1 GiB" in text


def test_latencies_name_what_a_numba_user_gets() -> None:
    text = section(shown(), "LATENCIES")
    assert line(text, "4 B to the device, by numba").split()[-6:] == ["134", "µs", "133", "µs", "135", "µs"]
    assert "1.21 µs" in line(text, "GPU loads from host memory")


def test_short_times_keep_to_three_digits() -> None:
    times = (0.0, 4e-11, 6.3e-9, 1.214e-6, -2e-7, float("inf"))
    assert [duration(seconds) for seconds in times] == ["0 µs", "< 1 ns", "6.3 ns", "1.21 µs", "-200 ns", "unknown"]


def test_eight_gpus_make_four_matrices_that_fit() -> None:
    text = shown(peers=peers(8))
    for title in ("READ BY THE TARGET", "WRITTEN BY THE SOURCE"):
        for access in ("ON", "OFF"):
            matrix = text[text.index(f"{title}, PEER ACCESS {access}") :].split("\n")[:10]
            assert matrix[1].split() == [word for n in range(8) for word in ("GPU", str(n))]
            assert matrix[4].split()[2:6] == (
                ["372.00", "372.10", "-", "372.30"] if access == "ON" else ["42.00", "42.10", "-", "42.30"]
            )
    assert max(map(len, text.split("\n"))) <= 80


def test_a_pair_that_was_not_measured_is_a_dash() -> None:
    text = section(shown(peers=tuple(peer for peer in peers(2) if peer.source == 0)), "BETWEEN GPUS")
    rows = [row.split() for row in text.split("\n")]
    assert ["GPU", "0", "-", "370.10"] in rows
    assert ["GPU", "1", "-", "-"] in rows


def test_gpus_at_once_stand_beside_each_alone() -> None:
    rows = section(shown(), "ALL GPUS AT ONCE").split("\n")
    assert [row.split() for row in rows[2:]] == [
        ["GPU", "0", "54.80", "27.40", "50", "%"],
        ["GPU", "1", "54.90", "27.60", "50", "%"],
        ["sum", "109.70", "55.00", "50", "%"],
    ]


def test_without_one_of_them_alone_there_is_no_sum_to_compare_with() -> None:
    rows = section(shown(results=(result("h2d_pinned", 54.95),), alone=()), "ALL GPUS AT ONCE").split("\n")
    assert rows[-1].split() == ["sum", "-", "55.00"]


def test_far_memory_is_a_share_of_near_memory() -> None:
    assert line(section(shown(), "NUMA NODE"), "host to device").split()[-4:] == ["54.90", "41.20", "75", "%"]
    assert line(section(shown(near=()), "NUMA NODE"), "host to device").split()[-2:] == ["-", "41.20"]


def test_numba_s_copies_are_not_mixed_with_the_link_s() -> None:
    rows = section(shown(), "BY NUMBA'S CALLS").split("\n")
    assert [row.split()[:3] for row in rows[1:5]] == [
        ["to_device,", "pageable", "8.10"],
        ["copy_to_host,", "pageable", "15.20"],
        ["to_device,", "pinned", "53.90"],
        ["copy_to_host,", "pinned", "54.10"],
    ]
    assert "numba.cuda's to_device takes device memory anew for each copy" in " ".join(shown().split())
    assert "launch of a kernel by numba" in section(shown(), "LATENCIES")
    without = shown(results=(result("h2d_pinned", 54.95),))
    assert "numba.cuda's" not in without


def test_the_number_of_a_node_stands_where_it_was_found() -> None:
    told = {"near": (result("h2d_pinned", 54.9, numa_node=1),), "far": (result("h2d_pinned", 41.2, numa_node=0),)}
    assert section(shown(**told), "NUMA NODE").split("\n")[0].split()[-5:] == ["near", "(1)", "far", "(0)", "kept"]
    assert section(shown(), "NUMA NODE").split("\n")[0].split()[-3:] == ["near", "far", "kept"]


def test_errors_of_the_link_say_how_many_came_during_the_copies() -> None:
    text = " ".join(shown().split())
    assert "PCIe replays 3 before and 5 after (+2 during the copies); corrected errors 0 before and 0 after" in text
    errors = msgspec.structs.replace(everything().link_errors, replays_after=Missing("NVML has no such counter"))
    hidden = " ".join(shown(link_errors=errors).split())
    assert "Errors of the link: corrected errors 0 before and 0 after" in hidden
    assert "PCIe replays" not in hidden


def test_clocks_that_were_held_back_are_named() -> None:
    load = msgspec.structs.replace(everything().link_under_load, clock_event_reasons=fact(4))
    assert "clock event reasons: power cap" in " ".join(shown(link_under_load=load).split())
    assert "clock event reasons" not in shown()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_keep_to_the_width_in_plain_text_and_markdown(width: int) -> None:
    measured = everything(peers=peers(8))
    lines = bandwidth_lines(measured, width)
    if width >= 80:
        assert max(map(len, lines)) <= width
    diagnosis = Diagnosis(command="bandwidth", version="0", status="ok", facts=Machine(bandwidth=measured))
    text = to_text(render_terminal(diagnosis, "Answer.", lines), colour=False, width=max(80, width))
    assert "\x1b" not in text
    for each in lines:
        assert each in text.split("\n")
    assert "\n".join(lines) in render_markdown(diagnosis, "Answer.", lines)


def test_a_saved_file_without_samples_or_with_absurd_figures_is_shown_all_the_same() -> None:
    point = msgspec.structs.replace(curve().points[0], seconds=0.0)
    odd = everything(
        results=(result("h2d_pinned", 54.95, samples_gb_per_s=()), result("x\x1b[31m", -1.0)),
        curves=(msgspec.structs.replace(curve(), points=(point,)), msgspec.structs.replace(curve(), points=())),
    )
    text = "\n".join(bandwidth_lines(odd))
    assert "54.95" in text
    assert "\x1b" not in text


def test_the_answer_counts_only_what_was_verified_against_a_rate_that_is_known() -> None:
    assert "87 % or more of the 63.0 GB/s" in bandwidth_sentence(everything(), ())
    assert "not judged" in bandwidth_sentence(everything(expected=link(0.0)), ())
    unverified = everything(results=(result("h2d_pinned", 54.95, verified=False),))
    assert bandwidth_sentence(unverified, ()).startswith("No pinned copy could be reported")


def test_slow_copies_that_cannot_be_judged_are_not_said_to_be_as_they_should() -> None:
    reason = "this virtual machine hides the path above the GPU"
    slow = everything(results=(result("h2d_pinned", 22.0), result("d2h_pinned", 22.1)))
    told = bandwidth_sentence(slow, (), (SkippedRule("bandwidth-below-link", reason),))
    assert told == f"Pinned copies reach 22.0 GB/s to the device and 22.1 GB/s from the device; not judged: {reason}."
    assert "as it should" not in told
    assert "what it should" in bandwidth_sentence(everything(), (), (SkippedRule("shared-uplink", "one GPU"),))


def test_one_direction_is_not_taken_for_both() -> None:
    told = bandwidth_sentence(everything(results=(result("h2d_pinned", 54.95),)), ())
    assert told.startswith(
        "The link carries what it should in the one direction that was measured: pinned copies reach 55."
    )


def test_lowest_and_highest_are_an_interval_of_the_median_that_says_how_sure_it_is() -> None:
    assert "From lowest to highest is the 75 % interval of the median, or more." in " ".join(shown().split())
    one = everything(results=(result("h2d_pinned", 54.95, samples_gb_per_s=(54.95,)),))
    assert "interval of the median" not in " ".join("\n".join(bandwidth_lines(one)).split())


@pytest.mark.parametrize("samples", [3, 5])
def test_the_interval_holds_the_median_as_often_as_it_says(samples: int) -> None:
    generator = random.Random(samples)
    runs = [[generator.expovariate(1.0) for _ in range(samples)] for _ in range(4000)]
    held = sum(min(run) <= math.log(2) <= max(run) for run in runs)
    assert 100 * held / len(runs) == pytest.approx(interval_percent(samples), abs=2.0)
