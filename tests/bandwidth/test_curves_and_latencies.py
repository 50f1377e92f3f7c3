"""Times over sizes, and latencies, against the fake driver, whose overhead and rates are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cudadoctor.bandwidth.events import Curved, Timed
from cudadoctor.bandwidth.plan import LATENCY_KEYS, Plan, full_plan, quick_plan
from tests.bandwidth.test_measure import bandwidth, left_over, measure, reasons
from tests.fake_driver.build import FakeDriver

MIB = 2**20
CURVES = Plan(keys=(), curves=("h2d_pinned", "d2h_pinned"), size_bytes=MIB, curve_bytes=MIB)
LATENCIES = Plan(keys=(), latencies=LATENCY_KEYS, size_bytes=MIB)


def test_a_curve_holds_the_time_of_each_size_and_its_fit(fake_driver: FakeDriver) -> None:
    rates: dict[str, Any] = {"h2d_pinned_gb_per_s": 50.0, "d2h_pinned_gb_per_s": 25.0, "copy_overhead_s": 2e-6}
    events = measure(fake_driver, CURVES, **rates)
    curves = bandwidth(events).curves
    assert [event.curve for event in events if isinstance(event, Curved)] == list(curves)
    for curve, rate in zip(curves, (50.0, 25.0), strict=True):
        assert [point.size_bytes for point in curve.points] == [4**power for power in range(1, 11)]
        for point in curve.points:
            assert point.seconds == pytest.approx(2e-6 + point.size_bytes / rate / 1e9, rel=1e-2)
            assert len(point.samples_seconds) == 9
        assert curve.fit is not None
        assert curve.fit.overhead_s == pytest.approx(2e-6, rel=1e-2)
        assert curve.fit.gb_per_s == pytest.approx(rate, rel=1e-2)


def test_each_time_is_of_one_copy_behind_a_held_stream(fake_driver: FakeDriver, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    measure(fake_driver, msgspec.structs.replace(CURVES, curves=("h2d_pinned",), curve_bytes=64), trace=trace)
    text = " ".join(line.split()[0] for line in trace.read_text().splitlines())
    one = "cuMemcpyHtoDAsync_v2 cuEventRecord cuMemcpyHtoDAsync_v2 cuEventRecord cuStreamSynchronize"
    assert text.count(f"cuLaunchKernel {one}") == 3 * 9  # 4, 16 and 64 B


@pytest.mark.parametrize("corrupt", ["h2d_pinned", "d2h_pinned"])
def test_a_curve_whose_copies_arrive_damaged_is_not_reported(fake_driver: FakeDriver, corrupt: str) -> None:
    result = bandwidth(measure(fake_driver, CURVES, corrupt_copies=corrupt))
    assert "verification failed: a copy of 4 B differs" in reasons(result)[f"{corrupt}_curve"]
    assert corrupt not in [curve.key for curve in result.curves]


def test_copies_that_take_no_time_give_no_curve(fake_driver: FakeDriver) -> None:
    result = bandwidth(measure(fake_driver, CURVES, h2d_pinned_gb_per_s="inf"))
    assert "took 0.0 s" in reasons(result)["h2d_pinned_curve"]


def test_latencies_are_those_of_the_card(fake_driver: FakeDriver) -> None:
    events = measure(fake_driver, LATENCIES, host_latency_s=1.3e-6)
    latencies = bandwidth(events).latencies
    assert [event.latency for event in events if isinstance(event, Timed)] == list(latencies)
    assert [latency.key for latency in latencies] == list(LATENCY_KEYS)
    assert latencies[0].seconds == pytest.approx(1.3e-6, rel=1e-3)
    for latency in latencies:
        assert min(latency.samples_seconds) <= latency.seconds <= max(latency.samples_seconds)
        assert len(latency.samples_seconds) >= 5


@pytest.mark.parametrize(
    ("scenario", "key", "reason"),
    [
        ({"broken_chase": 5}, "pointer_chase_host", "did not end where they should"),
        ({"corrupt_copies": "h2d"}, "h2d_small", "verification failed: 4 B came back as"),
        ({"corrupt_copies": "d2h"}, "d2h_small", "verification failed: 4 B came back as"),
        ({"error_in": "cuModuleLoadDataEx:221"}, "pointer_chase_host", "CUDA_ERROR_JIT_COMPILER_NOT_FOUND"),
        ({"error_in": "cuMemcpyHtoDAsync_v2:700"}, "submit", "CUDA_ERROR_ILLEGAL_ADDRESS"),
        ({"host_pinnable_bytes": 8192}, "submit", "could not be pinned"),
    ],
)
def test_a_latency_that_cannot_be_told_is_skipped_with_its_reason(
    fake_driver: FakeDriver, scenario: dict[str, Any], key: str, reason: str
) -> None:
    result = bandwidth(measure(fake_driver, LATENCIES, **scenario))
    assert reason in reasons(result)[key]
    assert key not in [latency.key for latency in result.latencies]


@pytest.mark.parametrize("scenario", [{}, {"corrupt_copies": "h2d"}, {"error_in": "cuStreamSynchronize:700"}])
def test_everything_is_given_back_whatever_happens(
    fake_driver: FakeDriver, tmp_path: Path, scenario: dict[str, Any]
) -> None:
    trace = tmp_path / "trace"
    plan = msgspec.structs.replace(CURVES, latencies=LATENCY_KEYS)
    measure(fake_driver, plan, trace=trace, **scenario)
    assert left_over(trace) == {}


def test_a_hang_in_a_curve_keeps_what_was_measured_before(fake_driver: FakeDriver) -> None:
    plan = msgspec.structs.replace(CURVES, keys=("d2h_pinned",))
    result = bandwidth(measure(fake_driver, plan, hang_in="cuMemcpyHtoDAsync_v2", limit_s=2.0))
    assert [one.key for one in result.results] == ["d2h_pinned"]
    assert result.cut_short is not None
    assert set(reasons(result)) == {"h2d_pinned_curve", "d2h_pinned_curve"}


def test_little_memory_ends_a_curve_early(fake_driver: FakeDriver) -> None:
    result = bandwidth(measure(fake_driver, CURVES, memory_allocatable_bytes=MIB // 2))
    assert [curve.points[-1].size_bytes for curve in result.curves] == [4**9, 4**9]


def test_a_slow_link_ends_a_curve_early(fake_driver: FakeDriver) -> None:
    result = bandwidth(measure(fake_driver, CURVES, h2d_pinned_gb_per_s=0.002))
    slow, fast = result.curves
    # 18 copies of 1 MiB would take 9.4 s, and of 256 KiB 2.4 s.
    assert (slow.points[-1].size_bytes, fast.points[-1].size_bytes) == (4**9, 4**10)


def test_plans_ask_only_for_what_there_is() -> None:
    assert full_plan().unknown == quick_plan().unknown == ()
    assert Plan(curves=("d2d_local",), latencies=("patience",)).unknown == ("d2d_local", "patience")
