"""The whole measurement against the fake driver, whose rates are known."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cudadoctor.bandwidth.events import Event, Finished, Measured, Sampled, Skipped, Started
from cudadoctor.bandwidth.measure import BandwidthError, run
from cudadoctor.bandwidth.plan import Options, Plan
from cudadoctor.facts.bandwidth import Bandwidth, ExpectedLink
from cudadoctor.facts.base import Missing, known
from tests.fake_driver.build import FakeDriver

MIB = 2**20
KINDS = ("h2d_pinned", "d2h_pinned", "h2d_pageable", "d2h_pageable", "d2d_local")
SMALL = Plan(keys=KINDS, size_bytes=MIB, copies=4, pageable_copies=2)
# What must be given back, by what takes it; the trace tells the handle or address of each.
PAIRS = {
    "cuMemAlloc_v2": "cuMemFree_v2",
    "cuMemHostAlloc": "cuMemFreeHost",
    "cuStreamCreate": "cuStreamDestroy_v2",
    "cuEventCreate": "cuEventDestroy_v2",
    "cuMemHostRegister_v2": "cuMemHostUnregister",
    "cuMemAllocManaged": "cuMemFree_v2",
    "cuCtxEnablePeerAccess": "cuCtxDisablePeerAccess",
}


def measure(fake_driver: FakeDriver, plan: Plan = SMALL, *, limit_s: float = 5.0, **keys: Any) -> list[Event]:
    return list(run(Options(plan=plan), environment=fake_driver.scenario(**keys), limit_s=limit_s))


def bandwidth(events: list[Event]) -> Bandwidth:
    last = events[-1]
    assert isinstance(last, Finished)
    return last.bandwidth


def reasons(result: Bandwidth) -> dict[str, str]:
    return {skip.key: skip.reason for skip in result.skipped}


def left_over(trace: Path) -> dict[str, int]:
    """Count what was taken and not given back, by kind."""
    calls = [line.split() for line in trace.read_text().splitlines()]
    taken: Counter[tuple[str, str]] = Counter()
    for name, value in calls:
        if name in PAIRS and value != "0":
            taken[PAIRS[name], value] += 1
        elif name in PAIRS.values():
            taken[name, value] -= 1
    contexts = Counter(name for name, _ in calls if name.startswith("cuDevicePrimaryCtx"))
    left = {name: count for (name, _), count in taken.items() if count}
    if contexts["cuDevicePrimaryCtxRetain"] != contexts["cuDevicePrimaryCtxRelease_v2"]:
        left["context"] = 1
    return left


def test_a_healthy_card_gives_the_rates_of_its_links(fake_driver: FakeDriver) -> None:
    rates: dict[str, Any] = {"h2d_pinned_gb_per_s": 25.0, "d2h_pinned_gb_per_s": 26.0, "d2d_gb_per_s": 1490.0}
    events = measure(fake_driver, h2d_pageable_gb_per_s=0.5, d2h_pageable_gb_per_s=0.6, **rates)
    assert isinstance(events[0], Started)
    result = bandwidth(events)
    assert [one.key for one in result.results] == list(KINDS)
    assert result.skipped == ()
    rate = {one.key: one.gb_per_s for one in result.results}
    assert rate["h2d_pinned"] == pytest.approx(25.0, rel=1e-3)
    assert rate["d2h_pinned"] == pytest.approx(26.0, rel=1e-3)
    assert rate["d2d_local"] == pytest.approx(1490.0, rel=1e-2)  # bytes copied count once
    # The host's clock can only be late.
    assert 0.2 < rate["h2d_pageable"] <= 0.5
    assert 0.2 < rate["d2h_pageable"] <= 0.6
    for one in result.results:
        assert one.verified
        assert len(one.samples_gb_per_s) == 3
        assert one.size_bytes == MIB
        assert one.timer == ("host clock" if "pageable" in one.key else "events")
        assert one.note == ""


def test_every_sample_is_told_as_it_is_taken(fake_driver: FakeDriver) -> None:
    events = measure(fake_driver, msgspec.structs.replace(SMALL, keys=("d2d_local",)))
    assert [type(event) for event in events] == [Started, Sampled, Sampled, Sampled, Measured, Finished]


def test_the_link_is_read_while_copies_run_and_not_while_the_card_is_idle(fake_driver: FakeDriver) -> None:
    result = bandwidth(measure(fake_driver, link_generation=4, link_generation_idle=1, h2d_pinned_gb_per_s=25))
    assert result.link_under_load is not None
    assert result.link_under_load.samples >= 3
    assert known(result.link_under_load.generation) == 4
    assert known(result.link_under_load.width) == 16
    # 55.2 GB/s back to the host is more than Gen4 carries, so this link explains nothing.
    assert isinstance(result.expected, Missing)


def test_replays_are_read_before_and_after_the_copies(fake_driver: FakeDriver) -> None:
    result = bandwidth(measure(fake_driver, pcie_replays=5, pcie_replays_under_load=7))
    assert result.link_errors is not None
    assert (known(result.link_errors.replays_before), known(result.link_errors.replays_after)) == (5, 12)


def test_a_card_that_counts_no_replays_says_so(fake_driver: FakeDriver) -> None:
    errors = bandwidth(measure(fake_driver, pcie_replays=-1)).link_errors
    assert errors is not None
    missing = Missing("nvmlDeviceGetPcieReplayCounter answered NVML_ERROR_NOT_SUPPORTED")
    assert errors.replays_before == errors.replays_after == missing


def test_the_expected_rate_follows_from_the_link_under_load(fake_driver: FakeDriver) -> None:
    result = bandwidth(measure(fake_driver))
    assert isinstance(result.expected, ExpectedLink)
    assert (result.expected.gb_per_s, result.expected.hop) == (63.0, "0000:04:00.0")


def test_a_card_with_a_coherent_link_has_no_pcie_rate(fake_driver: FakeDriver) -> None:
    keys: dict[str, Any] = {"attribute.100": 1}
    assert isinstance(bandwidth(measure(fake_driver, **keys)).expected, Missing)


@pytest.mark.parametrize(("state", "reason"), [(18, "MISMATCH"), ("crash", "SIGSEGV"), ("hang", "nvmlInit")])
def test_an_nvml_that_does_not_work_costs_the_readings_only(
    fake_driver: FakeDriver, state: object, reason: str
) -> None:
    result = bandwidth(measure(fake_driver, nvml_init=state))
    assert len(result.results) == 5
    assert result.link_under_load is not None
    assert isinstance(result.link_under_load.generation, Missing)
    assert reason in result.link_under_load.generation.reason


def test_copies_are_queued_behind_the_held_stream_between_two_events(fake_driver: FakeDriver, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    measure(fake_driver, msgspec.structs.replace(SMALL, keys=("h2d_pinned",)), trace=trace)
    calls = [line.split()[0] for line in trace.read_text().splitlines() if line.startswith("cu")]
    text = " ".join(calls)
    copies = " ".join(["cuMemcpyHtoDAsync_v2"] * 4)
    sample = f"cuLaunchKernel {copies} cuEventRecord {copies} cuEventRecord cuStreamSynchronize cuEventElapsedTime"
    assert len(re.findall(sample, text)) == 3


@pytest.mark.parametrize("broken", ["cuModuleLoadDataEx:221", "cuLaunchKernel:222"])
def test_without_the_kernel_it_measures_without_hold_and_says_so(fake_driver: FakeDriver, broken: str) -> None:
    result = bandwidth(measure(fake_driver, error_in=broken))
    assert len(result.results) == 5
    for one in result.results:
        assert ("the stream was not held" in one.note) == (one.timer == "events")


@pytest.mark.parametrize(
    ("corrupt", "refused"),
    [
        ("h2d_pageable", {"h2d_pageable"}),
        ("d2h_pageable", {"d2h_pageable"}),
        ("d2d_local", {"d2d_local"}),
        ("h2d_pinned", {"h2d_pinned", "d2h_pinned", "d2h_pageable", "d2d_local"}),
        ("h2d,d2h,d2d", set(KINDS)),
    ],
)
def test_copies_that_arrive_damaged_give_no_result(fake_driver: FakeDriver, corrupt: str, refused: set[str]) -> None:
    events = measure(fake_driver, corrupt_copies=corrupt)
    result = bandwidth(events)
    assert {one.key for one in result.results} == set(KINDS) - refused
    assert set(reasons(result)) == refused
    for reason in reasons(result).values():
        assert reason.startswith("verification failed: sample 1: ")
    assert not any(isinstance(event, Sampled) and event.key in refused for event in events)


def test_little_device_memory_gives_smaller_copies_with_a_note(fake_driver: FakeDriver) -> None:
    keys: dict[str, Any] = {"memory_total_bytes": 4 * MIB, "memory_used_bytes": 2 * MIB}
    result = bandwidth(measure(fake_driver, **keys))
    assert len(result.results) == 5
    for one in result.results:
        assert one.size_bytes < MIB
        assert "only 2 MiB of device memory is free" in one.note


def test_memory_that_is_free_but_cannot_be_had_gives_smaller_copies(fake_driver: FakeDriver) -> None:
    result = bandwidth(measure(fake_driver, memory_allocatable_bytes=MIB))
    assert {one.size_bytes for one in result.results} == {MIB // 2}
    assert "more device memory could not be allocated" in result.results[0].note


def test_no_device_memory_at_all_skips_everything_with_the_reason(fake_driver: FakeDriver) -> None:
    result = bandwidth(measure(fake_driver, memory_allocatable_bytes=1000))
    assert result.results == ()
    assert set(reasons(result)) == set(KINDS)
    assert "CUDA_ERROR_OUT_OF_MEMORY" in reasons(result)["h2d_pinned"]


def test_host_memory_that_cannot_be_pinned_skips_the_pinned_copies_only(fake_driver: FakeDriver) -> None:
    result = bandwidth(measure(fake_driver, host_pinnable_bytes=8192))
    assert {one.key for one in result.results} == {"h2d_pageable", "d2h_pageable", "d2d_local"}
    assert set(reasons(result)) == {"h2d_pinned", "d2h_pinned"}
    assert "could not be pinned" in reasons(result)["h2d_pinned"]


def test_a_slow_link_gets_smaller_copies_and_not_fewer(fake_driver: FakeDriver) -> None:
    plan = Plan(keys=("h2d_pinned",), size_bytes=2 * MIB)
    result = bandwidth(measure(fake_driver, plan, h2d_pinned_gb_per_s=0.02))
    (one,) = result.results
    assert one.size_bytes < 2 * MIB
    assert one.copies_per_sample == 16
    assert one.gb_per_s == pytest.approx(0.02, rel=1e-2)
    assert "at that size the copies would take" in one.note
    assert result.seconds < 10


def test_a_crash_keeps_what_was_measured_and_names_the_call(fake_driver: FakeDriver) -> None:
    result = bandwidth(measure(fake_driver, crash_in="cuMemcpyDtoHAsync_v2"))
    assert [one.key for one in result.results] == ["h2d_pinned"]
    assert reasons(result)["d2h_pinned"] == "the driver crashed in cuMemcpyDtoHAsync (SIGSEGV)"
    assert set(reasons(result)) == set(KINDS) - {"h2d_pinned"}


def test_a_hang_is_reported_and_does_not_hang_the_caller(fake_driver: FakeDriver) -> None:
    started = time.monotonic()
    with pytest.raises(BandwidthError, match="cuMemcpyHtoDAsync did not return in time"):
        measure(fake_driver, hang_in="cuEventRecord", limit_s=1.5)
    assert time.monotonic() - started < 8


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"cu_init": 803}, r"cuInit failed with CUDA_ERROR_SYSTEM_DRIVER_MISMATCH \(803\)"),
        ({"cu_init": "crash"}, r"the driver crashed in cuInit \(SIGSEGV\)"),
        ({"compute_mode": 2}, "cuDevicePrimaryCtxRetain failed with CUDA_ERROR_DEVICE_UNAVAILABLE"),
        ({"environment": {"CUDA_VISIBLE_DEVICES": "-1"}}, "CUDA_ERROR_NO_DEVICE"),
    ],
)
def test_without_a_usable_gpu_there_is_one_line_that_says_why(
    fake_driver: FakeDriver, keys: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BandwidthError, match=reason) as caught:
        measure(fake_driver, **keys)
    assert "\n" not in str(caught.value)


def test_a_failed_call_skips_one_kind_and_the_next_goes_on(fake_driver: FakeDriver) -> None:
    result = bandwidth(measure(fake_driver, error_in="cuMemcpyHtoDAsync_v2:700"))
    assert reasons(result) == {
        "h2d_pinned": "cuMemcpyHtoDAsync_v2 failed with CUDA_ERROR_ILLEGAL_ADDRESS (700): "
        "a kernel read or wrote an address that is not its own"
    }


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"corrupt_copies": "h2d"},
        {"error_in": "cuMemcpyDtoDAsync_v2:700"},
        {"error_in": "cuEventCreate:999"},
        {"error_in": "cuModuleLoadDataEx:221"},
        {"error_in": "cuMemGetInfo_v2:999"},
        {"memory_allocatable_bytes": MIB + MIB // 2},
        {"host_pinnable_bytes": MIB + MIB // 2},
    ],
)
def test_everything_is_given_back_whatever_happens(
    fake_driver: FakeDriver, tmp_path: Path, keys: dict[str, Any]
) -> None:
    trace = tmp_path / "trace"
    measure(fake_driver, trace=trace, **keys)
    assert "cuDevicePrimaryCtxRetain" in trace.read_text()
    assert left_over(trace) == {}


def test_a_device_is_found_by_index_and_by_uuid(fake_driver: FakeDriver) -> None:
    two: dict[str, Any] = {"device_count": 2, "name.1": "second"}
    plan = msgspec.structs.replace(SMALL, keys=("d2d_local",))
    for wanted in (1, "GPU-fa4e0001"):
        result = bandwidth(measure(fake_driver, msgspec.structs.replace(plan, device=wanted), **two))
        assert (result.device, result.device_name, result.pci_address) == (1, "second", "0000:14:00.0")


@pytest.mark.parametrize(("wanted", "reason"), [(1, "there is no device 1"), ("GPU-00", "0 of 1 devices")])
def test_a_device_that_is_not_there_is_said_so(fake_driver: FakeDriver, wanted: int | str, reason: str) -> None:
    with pytest.raises(BandwidthError, match=reason):
        measure(fake_driver, msgspec.structs.replace(SMALL, device=wanted))


def test_an_unknown_kind_of_copy_is_refused() -> None:
    with pytest.raises(ValueError, match="no such measurement: p2p_telepathy"):
        next(run(Options(plan=Plan(keys=("p2p_telepathy",)))))


def test_the_result_survives_json(fake_driver: FakeDriver) -> None:
    result = bandwidth(measure(fake_driver))
    assert msgspec.json.decode(msgspec.json.encode(result), type=Bandwidth) == result


def test_a_skipped_kind_is_an_event(fake_driver: FakeDriver) -> None:
    events = measure(fake_driver, corrupt_copies="d2d")
    assert [event.skipped.key for event in events if isinstance(event, Skipped)] == ["d2d_local"]


def test_a_run_says_how_it_was_asked_to_measure(fake_driver: FakeDriver) -> None:
    asked = bandwidth(measure(fake_driver)).parameters
    assert asked is not None
    assert (asked.samples, asked.copies, asked.pageable_copies, asked.warm_ups) == (3, 4, 2, 4)
    assert (asked.size_bytes, asked.curve_bytes, asked.gpus) == (MIB, None, ())


def test_there_are_as_many_warm_ups_as_the_run_says(fake_driver: FakeDriver, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    plan = msgspec.structs.replace(SMALL, keys=("d2h_pageable",), samples=1)
    asked = bandwidth(measure(fake_driver, plan, trace=trace)).parameters
    assert asked is not None
    copies = [line for line in trace.read_text().splitlines() if line.startswith("cuMemcpyDtoH_v2 ")]
    # The first sample is preceded by two copies that tell how long one takes.
    assert len(copies) == 2 + asked.blocking_warm_ups + asked.pageable_copies
