"""Bandwidth and race."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cudadoctor.facts.bandwidth import Bandwidth, SkippedMeasurement
from cudadoctor.facts.base import Missing
from cudadoctor.facts.race import PretrainedEpoch
from cudadoctor.findings import Severity
from cudadoctor.rules.diagnose import diagnose
from tests.rules import build as b
from tests.rules.profiles import PROFILED


def ids(bandwidth: Bandwidth, **sections: object) -> list[str]:
    return b.ids(b.machine(bandwidth=bandwidth, **sections))


# pcie-link-degraded


def test_a_link_at_gen1_under_load_is_degraded() -> None:
    slow = b.bandwidth(3.3, 3.3, under_load=(1, 16), expected=b.link(4.0, generation=1))
    finding = b.only(b.machine(bandwidth=slow))
    assert (finding.id, finding.severity) == ("pcie-link-degraded", Severity.ERROR)
    assert "Gen1 x16" in finding.summary
    assert "Gen5 x16" in finding.summary


def test_a_link_at_gen1_when_idle_is_not() -> None:
    assert b.HEALTHY.nvml.devices[0].link_generation.value == 1
    assert ids(b.bandwidth()) == []


def test_a_slot_with_fewer_lanes_than_the_card_is_not_degraded() -> None:
    narrow = b.bandwidth(27.0, 27.0, under_load=(5, 8), possible=(5, 8), expected=b.link(31.5, width=8))
    assert ids(narrow) == []


def test_a_reading_that_the_copies_exceed_is_not_believed() -> None:
    assert ids(b.bandwidth(under_load=(1, 16))) == []


def hops(lower_lanes: int, upper_lanes: int):
    path = (
        b.hop("0000:01:00.0"),
        b.hop("0000:00:02.0"),
        b.hop("0000:00:01.0", lanes=lower_lanes),
        b.hop("0000:00:00.0", lanes=upper_lanes),
    )
    return b.pci(b.card(path=path))


def test_a_hop_above_the_gpu_that_lost_lanes_is_named() -> None:
    slow = b.bandwidth(6.8, 6.8, expected=b.link(7.875, hop="0000:00:01.0", generation=5, width=2))
    finding = b.only(b.machine(bandwidth=slow, pci=hops(16, 16)))
    assert finding.id == "pcie-link-degraded"
    assert "0000:00:01.0" in finding.summary


def test_a_hop_above_the_gpu_that_never_had_more_lanes_is_not_degraded() -> None:
    slow = b.bandwidth(6.8, 6.8, expected=b.link(7.875, hop="0000:00:01.0", generation=5, width=2))
    assert ids(slow, pci=hops(16, 2)) == ["pcie-chipset-lanes"]


# gpu-lost-while-measured


def skipped(code: int, name: str, key: str = "d2h_pinned") -> SkippedMeasurement:
    return SkippedMeasurement(key=key, device=0, reason=f"cuMemcpyDtoHAsync_v2 failed with {name} ({code}): why")


@pytest.mark.parametrize(
    ("code", "name", "word", "confidence"),
    [
        (214, "CUDA_ERROR_ECC_UNCORRECTABLE", "memory", "proven"),
        (719, "CUDA_ERROR_LAUNCH_FAILED", "the driver failed", "supported"),
        (999, "CUDA_ERROR_UNKNOWN", "the driver failed", "supported"),
    ],
)
def test_a_gpu_that_fails_in_the_middle_is_an_error(code: int, name: str, word: str, confidence: str) -> None:
    gone = (skipped(code, name), skipped(code, name, "d2d_local"))
    found = b.only(b.machine(bandwidth=b.bandwidth(skipped=gone)))
    assert (found.id, found.severity, found.confidence) == ("gpu-lost-while-measured", Severity.ERROR, confidence)
    assert f"{name}, " not in found.summary
    assert "d2h_pinned, and 1 more kinds" in found.summary
    assert word in found.cause


@pytest.mark.parametrize(
    "skip",
    [
        skipped(2, "CUDA_ERROR_OUT_OF_MEMORY"),
        skipped(801, "CUDA_ERROR_NOT_SUPPORTED"),
        SkippedMeasurement(key="numa", device=0, reason="this machine has one NUMA node"),
    ],
    ids=["memory", "not supported", "does not apply"],
)
def test_what_could_not_be_measured_for_another_reason_is_no_lost_gpu(skip: SkippedMeasurement) -> None:
    assert ids(b.bandwidth(skipped=(skip,))) == []


def test_a_gpu_that_nvml_lost_is_one_though_no_copy_failed() -> None:
    measured = b.bandwidth()
    assert measured.link_under_load is not None
    gone = Missing("nvmlDeviceGetCurrPcieLinkWidth answered NVML_ERROR_GPU_IS_LOST")
    load = msgspec.structs.replace(measured.link_under_load, width=gone)
    found = b.only(b.machine(bandwidth=msgspec.structs.replace(measured, link_under_load=load)))
    assert (found.id, found.confidence) == ("gpu-lost-while-measured", "proven")


# bandwidth-below-link


@pytest.mark.parametrize(
    ("h2d", "expected"),
    [(48.0, None), (47.0, Severity.WARNING), (38.0, Severity.WARNING), (37.0, Severity.ERROR)],
)
def test_the_bands_are_three_quarters_and_three_fifths_of_the_line_rate(h2d: float, expected: Severity | None) -> None:
    findings, _ = diagnose(b.machine(bandwidth=b.bandwidth(h2d=h2d)))
    assert [finding.severity for finding in findings] == ([] if expected is None else [expected])


def test_the_narrowest_hop_is_named_and_not_the_gpu_s_own_link() -> None:
    uplink = b.link(15.75, hop="0000:00:01.0", generation=4, width=8)
    assert ids(b.bandwidth(14.2, 14.2, expected=uplink)) == []
    finding = b.only(b.machine(bandwidth=b.bandwidth(9.0, 14.2, expected=uplink)))
    assert (finding.id, finding.severity) == ("bandwidth-below-link", Severity.ERROR)
    assert "0000:00:01.0" in finding.summary
    assert "host to device" in finding.summary


def test_a_good_gen3_link_is_fine_at_10_2_gb_per_s() -> None:
    gen3 = {"expected": b.link(15.75, generation=3), "under_load": (3, 16), "possible": (3, 16)}
    assert ids(b.bandwidth(10.2, 10.2, **gen3)) == []
    assert ids(b.bandwidth(9.9, 10.2, **gen3)) == ["bandwidth-below-link"]


def test_small_copies_are_not_judged_and_it_says_so() -> None:
    findings, skipped = diagnose(b.machine(bandwidth=b.bandwidth(3.0, 3.0, size_bytes=2**16)))
    assert findings == ()
    assert "with copies of 64 KiB" in {skip.rule: skip.reason for skip in skipped}["bandwidth-below-link"]


def test_copies_that_a_slow_link_made_small_are_judged_by_the_time_they_take() -> None:
    assert ids(b.bandwidth(2.0, 2.0, size_bytes=8 * 2**20)) == ["bandwidth-below-link"]


def test_small_copies_that_are_fast_all_the_same_need_no_excuse() -> None:
    findings, skipped = diagnose(b.machine(bandwidth=b.bandwidth(size_bytes=2**20)))
    assert (findings, [skip for skip in skipped if skip.rule == "bandwidth-below-link"]) == ((), [])


def test_a_degraded_link_explains_low_bandwidth() -> None:
    slow = b.bandwidth(10.0, 10.0, under_load=(3, 16))
    assert ids(slow) == ["pcie-link-degraded"]


def test_without_an_expected_rate_the_rule_is_skipped_and_says_why() -> None:
    unknown = b.msgspec.structs.replace(b.bandwidth(1.0, 1.0), expected=b.Missing("there is no sysfs"))
    findings, skipped = diagnose(b.machine(bandwidth=unknown))
    assert findings == ()
    assert "there is no sysfs" in {skip.rule: skip.reason for skip in skipped}["bandwidth-below-link"]


# bandwidth-not-verified


def test_data_that_arrived_wrong_is_an_error() -> None:
    wrong = SkippedMeasurement(key="h2d_pinned", device=0, reason="verification failed: 3 bytes differ")
    finding = b.only(b.machine(bandwidth=b.bandwidth(skipped=(wrong,))))
    assert (finding.id, finding.severity) == ("bandwidth-not-verified", Severity.ERROR)


def test_a_measurement_that_was_skipped_for_another_reason_is_none() -> None:
    assert ids(b.bandwidth(skipped=(SkippedMeasurement(key="h2d_managed", device=0, reason="no memory"),))) == []


# race

CPU = b.lane("cpu-fast", "cpu", (0.287, 0.0840))
PRETRAINED = PretrainedEpoch(layer=1, epoch=1, error=92.3, seconds=0.3)


def race_ids(*lanes) -> list[str]:
    return b.ids(b.machine(race=b.race(*lanes)))


def test_a_lane_that_learned_nothing_is_an_error_that_names_those_that_learned() -> None:
    stuck = b.lane("gpu-fused", "gpu:0", (2.3026, 0.9), state="failed", reason="nothing was learned: loss 2.303")
    finding = b.only(b.machine(race=b.race(CPU, stuck)))
    assert finding.id == "training-learned-nothing"
    assert "gpu-fused" in finding.summary
    assert "cpu-fast" in finding.summary


def test_where_no_lane_learns_at_other_sizes_the_machine_is_not_accused() -> None:
    stuck = b.lane("cpu-fast", "cpu", (2.96, 0.9), state="failed", reason="nothing was learned: loss 2.96")
    race = msgspec.structs.replace(b.race(stuck), batch_size=1)
    finding = b.only(b.machine(race=race))
    assert (finding.id, finding.severity, finding.confidence) == (
        "training-learned-nothing",
        Severity.WARNING,
        "possible",
    )
    assert "minibatches of 1" in finding.cause
    alike = b.only(b.machine(race=b.race(stuck)))
    assert alike.severity is Severity.ERROR


def test_a_lane_that_failed_for_another_reason_is_a_failed_lane() -> None:
    broken = b.lane("gpu-fused", "gpu:0", state="failed", reason="CudaAPIError: [700]")
    finding = b.only(b.machine(race=b.race(CPU, broken)))
    assert (finding.id, finding.severity) == ("race-lane-failed", Severity.ERROR)


def test_a_failed_lane_beside_one_that_finished_on_the_same_device_is_a_warning() -> None:
    broken = b.lane("gpu-graph", "gpu:0", state="failed", reason="no graphs here")
    finding = b.only(b.machine(race=b.race(CPU, b.lane("gpu-fused", "gpu:0", (0.288, 0.084)), broken)))
    assert (finding.id, finding.severity) == ("race-lane-failed", Severity.WARNING)


def test_pretraining_at_too_high_a_rate_is_not_the_machine_s_fault() -> None:
    reason = "DivergedError: pretraining of layer 1 diverged in epoch 1: a learning rate of 5 is too high; try 0.001"
    found = b.only(b.machine(race=b.race(b.lane("cpu-fast", "cpu", state="failed", reason=reason))))
    assert (found.id, found.severity) == ("race-lane-failed", Severity.WARNING)
    assert "lower learning rate" in found.fix.text


def test_an_interrupted_lane_is_no_finding() -> None:
    assert race_ids(CPU, b.lane("gpu-fused", "gpu:0", state="interrupted", reason="Ctrl-C")) == []


@pytest.mark.parametrize(
    ("loss", "err", "agrees"),
    [(0.300, 0.088, True), (0.287, 0.110, False), (0.400, 0.084, False), (None, None, False)],
)
def test_lanes_agree_within_four_standard_deviations(loss: float | None, err: float | None, agrees: bool) -> None:
    expected = [] if agrees else ["race-lanes-disagree"]
    assert race_ids(CPU, b.lane("gpu-fused", "gpu:0", (loss, err))) == expected


def test_the_bands_are_narrower_in_epoch_10_than_in_epoch_1() -> None:
    epochs = [(0.1, 0.03)] * 9
    cpu, gpu = (0.0174, 0.00489), (0.0174, 0.0130)
    assert race_ids(b.lane("cpu", "cpu", *epochs, cpu), b.lane("gpu", "gpu:0", *epochs, gpu)) == ["race-lanes-disagree"]
    assert race_ids(b.lane("cpu", "cpu", cpu), b.lane("gpu", "gpu:0", gpu)) == []


def test_lanes_of_another_network_are_not_judged_and_the_rule_says_so() -> None:
    other = b.race(CPU, b.lane("gpu", "gpu:0", (2.0, 0.8)), layers=(784, 1000, 10))
    findings, skipped = diagnose(b.machine(bandwidth=b.bandwidth(), race=other))
    assert findings == ()
    assert [skip.rule for skip in skipped] == ["device-sources-disagree", "race-lanes-disagree", *PROFILED]


@pytest.mark.parametrize(
    "change",
    [{"hidden": "sigmoid"}, {"lanes": (CPU, b.lane("gpu", "gpu:0", (2.0, 0.8), pretraining=(PRETRAINED,)))}],
    ids=["sigmoid", "pretrained"],
)
def test_bands_of_rectified_units_are_not_held_against_others(change: dict[str, Any]) -> None:
    other = b.msgspec.structs.replace(b.race(CPU, b.lane("gpu", "gpu:0", (2.0, 0.8))), **change)
    findings, skipped = diagnose(b.machine(race=other))
    assert "race-lanes-disagree" not in [found.id for found in findings]
    assert "race-lanes-disagree" in [skip.rule for skip in skipped]


def test_a_race_on_a_machine_without_a_gpu_keeps_its_own_findings() -> None:
    stuck = b.lane("cpu-fast", "cpu", state="failed", reason="nothing was learned: loss 2.303")
    machine = b.msgspec.structs.replace(b.DRIVERLESS, pci=b.pci(), race=b.race(stuck))
    assert b.ids(machine) == ["no-nvidia-gpu-active", "training-learned-nothing"]
