"""The measurement on a real GPU."""

from __future__ import annotations

import os

import pytest

from cudadoctor.bandwidth.events import Finished
from cudadoctor.bandwidth.measure import BandwidthError, run
from cudadoctor.bandwidth.plan import KEYS, Options, Plan
from cudadoctor.bandwidth.statistics import spread
from cudadoctor.facts.bandwidth import ExpectedLink
from cudadoctor.facts.base import known


@pytest.mark.gpu
def test_a_real_gpu_gives_verified_steady_rates_below_its_line_rate() -> None:
    try:
        *_, last = run(Options(plan=Plan(keys=KEYS, size_bytes=128 * 2**20)))
    except BandwidthError as error:
        if os.environ.get("CUDADOCTOR_TEST_DEVICE") == "gpu":
            raise
        pytest.skip(f"no GPU: {error}")
    assert isinstance(last, Finished)
    bandwidth = last.bandwidth
    rate = {result.key: result.gb_per_s for result in bandwidth.results}
    assert set(rate) == set(KEYS), bandwidth.skipped
    assert all(result.verified for result in bandwidth.results)
    for key in ("h2d_pinned", "d2h_pinned"):
        result = bandwidth.result(key)
        assert result is not None
        assert spread(result.samples_gb_per_s) < 0.1
        assert result.note == ""  # the stream was held, and the size was not cut
    assert rate["d2d_local"] > rate["h2d_pinned"]
    if isinstance(bandwidth.expected, ExpectedLink):
        assert max(rate["h2d_pinned"], rate["d2h_pinned"]) < bandwidth.expected.gb_per_s * 1.02
    assert bandwidth.link_under_load is not None
    assert bandwidth.link_under_load.samples > 0
    assert known(bandwidth.link_under_load.performance_state) is not None
