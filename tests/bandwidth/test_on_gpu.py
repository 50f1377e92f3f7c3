"""The measurement on a real GPU."""

from __future__ import annotations

import os
import statistics

import pytest

from cudadoctor.bandwidth.events import Finished
from cudadoctor.bandwidth.measure import BandwidthError, run
from cudadoctor.bandwidth.plan import (
    CURVE_KEYS,
    KEYS,
    LATENCY_KEYS,
    MAIN_KEYS,
    NUMBA_KEYS,
    NUMBA_LATENCY_KEYS,
    Options,
    Plan,
)
from cudadoctor.facts.bandwidth import Bandwidth, ExpectedLink
from cudadoctor.facts.base import known

MIB = 2**20


def measured(plan: Plan) -> Bandwidth:
    """Measure, or skip the test where there is no GPU and none was promised."""
    try:
        *_, last = run(Options(plan=plan))
    except BandwidthError as error:
        if os.environ.get("CUDADOCTOR_TEST_DEVICE") == "gpu":
            raise
        pytest.skip(f"no GPU: {error}")
    assert isinstance(last, Finished)
    return last.bandwidth


@pytest.mark.gpu
def test_a_real_gpu_gives_verified_rates_below_its_line_rate() -> None:
    bandwidth = measured(Plan(keys=MAIN_KEYS, size_bytes=128 * MIB))
    rate = {result.key: result.gb_per_s for result in bandwidth.results}
    assert set(rate) == set(MAIN_KEYS), bandwidth.skipped
    assert all(result.verified for result in bandwidth.results)
    for key in ("h2d_pinned", "d2h_pinned"):
        result = bandwidth.result(key)
        assert result is not None
        assert result.gb_per_s == pytest.approx(statistics.median(result.samples_gb_per_s))
        assert result.note == ""  # the stream was held, and the size was not cut
    assert rate["d2d_local"] > rate["h2d_pinned"]
    if isinstance(bandwidth.expected, ExpectedLink):
        assert max(rate["h2d_pinned"], rate["d2h_pinned"]) < bandwidth.expected.gb_per_s * 1.02
    assert bandwidth.link_under_load is not None
    assert bandwidth.link_under_load.samples > 0
    assert known(bandwidth.link_under_load.performance_state) is not None


@pytest.mark.gpu
def test_every_kind_of_copy_is_verified_on_a_real_gpu() -> None:
    bandwidth = measured(Plan(keys=KEYS, size_bytes=64 * MIB))
    # Not every driver moves managed pages on demand; all else is there wherever CUDA is.
    assert {skip.key for skip in bandwidth.skipped} <= {"h2d_managed", "d2h_managed"}, bandwidth.skipped
    assert len(bandwidth.results) + len(bandwidth.skipped) == len(KEYS)
    assert all(result.verified for result in bandwidth.results)
    assert [result.mover for result in bandwidth.results if result.key == "d2d_local"] == ["copy engine", "kernel"]
    for direction in ("h2d", "d2h"):
        pinned, both = bandwidth.result(f"{direction}_pinned"), bandwidth.result(f"{direction}_bidirectional")
        assert pinned is not None
        assert both is not None
        assert pinned.gb_per_s > 0
        assert both.gb_per_s > 0


@pytest.mark.gpu
def test_curves_and_latencies_of_a_real_gpu() -> None:
    plan = Plan(keys=(), curves=CURVE_KEYS, latencies=LATENCY_KEYS, size_bytes=64 * MIB, curve_bytes=64 * MIB)
    bandwidth = measured(plan)
    assert bandwidth.skipped == ()
    for curve in bandwidth.curves:
        assert [point.size_bytes for point in curve.points] == [4**power for power in range(1, 14)]
        assert curve.fit is not None
        assert curve.fit.gb_per_s > 0.1
    latencies = {latency.key: latency.seconds for latency in bandwidth.latencies}
    assert list(latencies) == list(LATENCY_KEYS)
    # A load from the host takes longer than one from the GPU's own memory, and a call into the driver less than 1 ms.
    assert 2e-7 < latencies["pointer_chase_host"] < 1e-4
    assert all(0 < seconds < 1e-3 for seconds in latencies.values())


@pytest.mark.gpu
def test_numba_s_calls_on_a_real_gpu() -> None:
    bandwidth = measured(Plan(keys=("h2d_pinned", "d2h_pinned"), size_bytes=128 * MIB, numba=True))
    assert bandwidth.skipped == ()
    rates = {result.key: result.gb_per_s for result in bandwidth.results}
    assert set(rates) == {"h2d_pinned", "d2h_pinned", *NUMBA_KEYS}
    # A call on top of a copy cannot make it faster, but for the spread of both.
    assert rates["numba_h2d_pinned"] < 1.1 * rates["h2d_pinned"]
    assert rates["numba_d2h_pinned"] < 1.1 * rates["d2h_pinned"]
    latencies = {latency.key: latency.seconds for latency in bandwidth.latencies}
    assert tuple(latencies) == NUMBA_LATENCY_KEYS
    assert all(1e-6 < seconds < 1e-2 for seconds in latencies.values())


@pytest.mark.gpu
def test_near_and_far_memory_of_a_real_gpu_or_why_not() -> None:
    bandwidth = measured(Plan(keys=("h2d_pinned",), size_bytes=64 * MIB, numa=True))
    if bandwidth.skipped:
        assert not bandwidth.near or not bandwidth.far
        return
    for results in (bandwidth.near, bandwidth.far):
        assert [result.key for result in results] == ["h2d_pinned", "d2h_pinned"]
        assert len({result.numa_node for result in results}) == 1
    assert bandwidth.near[0].numa_node != bandwidth.far[0].numa_node
