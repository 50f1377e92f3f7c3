"""Several GPUs at once and copies between them, against the fake driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cudadoctor.bandwidth.plan import Plan
from tests.bandwidth.test_measure import bandwidth, left_over, measure, reasons
from tests.fake_driver.build import FakeDriver

MIB = 2**20
TWO = Plan(keys=("d2d_local",), gpus=(0, 1), size_bytes=MIB, peer_bytes=MIB, copies=4)


def several(fake_driver: FakeDriver, plan: Plan = TWO, *, count: int = 2, **keys: Any) -> Any:
    return bandwidth(measure(fake_driver, plan, device_count=count, **keys))


def test_each_gpu_has_its_rate_when_all_copy_at_once(fake_driver: FakeDriver) -> None:
    plan = msgspec.structs.replace(TWO, gpus=(0, 1, 2))
    result = several(fake_driver, plan, count=3, h2d_pinned_gb_per_s=50.0, d2h_pinned_gb_per_s=40.0)
    assert [(one.key, one.device) for one in result.together] == [
        *(("h2d_pinned", device) for device in range(3)),
        *(("d2h_pinned", device) for device in range(3)),
    ]
    for one in result.together:
        assert one.gb_per_s == pytest.approx(50.0 if one.key == "h2d_pinned" else 40.0, rel=1e-2)
        assert (one.verified, len(one.samples_gb_per_s), one.note) == (True, 3, "")


def test_each_gpu_is_measured_alone_before_all_copy_at_once(fake_driver: FakeDriver) -> None:
    result = several(fake_driver, h2d_pinned_gb_per_s=50.0, d2h_pinned_gb_per_s=40.0)
    assert [(one.key, one.device) for one in result.alone] == [
        *(("h2d_pinned", device) for device in range(2)),
        *(("d2h_pinned", device) for device in range(2)),
    ]
    for one, together in zip(result.alone, result.together, strict=True):
        assert one.gb_per_s == pytest.approx(50.0 if one.key == "h2d_pinned" else 40.0, rel=1e-2)
        assert (one.verified, len(one.samples_gb_per_s), one.size_bytes) == (True, 3, together.size_bytes)


@pytest.mark.parametrize(("count", "why"), [(1, "the driver shows one GPU"), (3, "of 3 GPUs one alone is free")])
def test_one_gpu_is_not_several_and_that_is_said(fake_driver: FakeDriver, count: int, why: str) -> None:
    result = several(fake_driver, msgspec.structs.replace(TWO, gpus=(0,)), count=count)
    assert [(one.key, one.reason) for one in result.skipped] == [("several", why)]
    assert (result.alone, result.together, result.peers) == ((), (), ())
    asked_for_one = several(fake_driver, msgspec.structs.replace(TWO, gpus=()), count=count)
    assert asked_for_one.skipped == ()


def test_all_are_held_until_the_last_is_queued(fake_driver: FakeDriver, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    several(fake_driver, trace=trace)
    text = " ".join(line.split()[0] for line in trace.read_text().splitlines())
    copies = " ".join(["cuMemcpyHtoDAsync_v2"] * 4)
    of_one = f"cuLaunchKernel {copies} cuEventRecord {copies} cuEventRecord {copies}"
    both = f"{of_one} cuCtxSetCurrent cuMemHostGetDevicePointer_v2 {of_one} cuCtxSetCurrent cuStreamSynchronize"
    assert text.count(both) == 3


def test_each_pair_is_measured_both_ways_with_access_on_and_off(fake_driver: FakeDriver) -> None:
    rates: dict[str, Any] = {"p2p_read_gb_per_s": 300, "p2p_write_gb_per_s": 200, "p2p_staged_gb_per_s": 20}
    result = several(fake_driver, **rates)
    assert result.skipped == ()
    measured = {(one.key, one.source, one.target, one.access): one for one in result.peers}
    assert len(measured) == len(result.peers) == 2 * 2 * 2
    for (key, _, _, access), one in measured.items():
        wanted = rates[f"{key}_gb_per_s"] if access else 20
        assert one.gb_per_s == pytest.approx(wanted, rel=2e-2)
        assert (one.verified, one.size_bytes, len(one.samples_gb_per_s)) == (True, MIB, 3)


def test_gpus_that_cannot_reach_each_other_have_no_rate_with_access(fake_driver: FakeDriver) -> None:
    result = several(fake_driver, **{"peer_access.0": 0})
    assert {(one.key, one.source, one.target) for one in result.peers if one.access} == {
        ("p2p_read", 1, 0),
        ("p2p_write", 0, 1),
    }
    assert len([one for one in result.peers if not one.access]) == 4
    assert "cannot reach the memory of GPU 0 directly" in reasons(result)["p2p_read"]


def test_what_arrives_damaged_at_a_peer_is_not_reported(fake_driver: FakeDriver) -> None:
    result = several(fake_driver, corrupt_copies="p2p_local")
    assert result.peers == ()
    assert reasons(result)["p2p_read"].startswith("verification failed: GPU ")
    result = several(fake_driver, corrupt_copies="h2d_pinned")
    assert (result.alone, result.together) == ((), ())
    for name in ("h2d_pinned_alone", "h2d_pinned_together"):
        assert reasons(result)[name].startswith("verification failed: ")


def test_a_second_gpu_that_gives_no_context_costs_only_what_needs_it(fake_driver: FakeDriver) -> None:
    result = several(fake_driver, **{"compute_mode.1": 2})
    assert [one.key for one in result.results] == ["d2d_local"]
    assert "CUDA_ERROR_DEVICE_UNAVAILABLE" in reasons(result)["h2d_pinned_together"]
    assert (result.alone, result.together, result.peers) == ((), (), ())


@pytest.mark.parametrize(
    "scenario",
    [{}, {"corrupt_copies": "p2p"}, {"error_in": "cuMemcpyPeerAsync:700"}, {"error_in": "cuMemcpyHtoDAsync_v2:700"}],
)
def test_everything_is_given_back_whatever_happens(
    fake_driver: FakeDriver, tmp_path: Path, scenario: dict[str, Any]
) -> None:
    trace = tmp_path / "trace"
    several(fake_driver, trace=trace, **scenario)
    assert "cuCtxEnablePeerAccess" in trace.read_text()
    assert left_over(trace) == {}
