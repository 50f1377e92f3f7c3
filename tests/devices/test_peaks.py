"""Theoretical peaks against published figures, and what they are not said of."""

from __future__ import annotations

import pytest

from cudadoctor.facts.base import Known, Missing
from cudadoctor.probes.peaks import fp32_peak, memory_bandwidth
from cudadoctor.tables.attributes import device_attributes, fp32_lanes
from tests.devices.build import driver_view, nvml_view

GONE = Missing("not supported here")


@pytest.mark.parametrize(
    ("card", "clock_mhz", "bits", "published_gb_per_s"),
    [
        ("GTX 1080, GDDR5X", 5005, 256, 320),
        ("RTX 2080 Ti, GDDR6", 7000, 352, 616),
        ("RTX 3090, GDDR6X", 9751, 384, 936),
        ("A100 80GB, HBM2e", 1593, 5120, 2039),
        ("H100 SXM, HBM3", 2619, 5120, 3352),
    ],
)
def test_memory_bandwidth_is_the_published_one(card: str, clock_mhz: int, bits: int, published_gb_per_s: int) -> None:
    view = driver_view(attributes={"GLOBAL_MEMORY_BUS_WIDTH": bits})
    computed = memory_bandwidth(view, nvml_view(memory_clock_max_mhz=clock_mhz))
    assert isinstance(computed.value, Known), card
    assert computed.value.value == pytest.approx(published_gb_per_s, rel=0.002)
    assert [item.value for item in computed.inputs] == [clock_mhz, bits]


@pytest.mark.parametrize(
    ("capability", "processors", "clock_mhz", "published_tflop_per_s"),
    [("6.1", 20, 1733, 8.87), ("7.0", 80, 1530, 15.7), ("8.0", 108, 1410, 19.5), ("9.0", 132, 1980, 66.9)],
)
def test_fp32_peak_is_the_published_one(
    capability: str, processors: int, clock_mhz: int, published_tflop_per_s: float
) -> None:
    view = driver_view(compute_capability=capability, attributes={"MULTIPROCESSOR_COUNT": processors})
    computed = fp32_peak(view, nvml_view(sm_clock_max_mhz=clock_mhz))
    assert isinstance(computed.value, Known)
    assert computed.value.value == pytest.approx(published_tflop_per_s, rel=0.005)
    assert all(item.source for item in computed.inputs)


def test_without_nvml_the_driver_api_gives_the_clocks() -> None:
    computed = memory_bandwidth(driver_view(), None)
    assert isinstance(computed.value, Known)
    assert computed.value.value == pytest.approx(3352.32)
    assert computed.inputs[0].source == "cuDeviceGetAttribute(MEMORY_CLOCK_RATE)"


def test_a_clock_that_nobody_tells_is_no_zero() -> None:
    view = driver_view(attributes={"MEMORY_CLOCK_RATE": 0})
    computed = memory_bandwidth(view, nvml_view(memory_clock_max_mhz=GONE))
    assert computed.value == Missing("the memory clock is not known: not supported here")


def test_nothing_is_computed_of_an_instance_an_integrated_gpu_or_an_unknown_one() -> None:
    split = nvml_view(mig_enabled=True)
    assert isinstance(memory_bandwidth(driver_view(), split).value, Missing)
    assert isinstance(fp32_peak(driver_view(), split).value, Missing)
    assert isinstance(memory_bandwidth(driver_view(attributes={"INTEGRATED": 1}), nvml_view()).value, Missing)
    unknown = fp32_peak(driver_view(compute_capability="42.0"), nvml_view()).value
    assert isinstance(unknown, Missing)
    assert "42.0" in unknown.reason


def test_the_tables_hold_what_cuda_h_says() -> None:
    by_number = dict(device_attributes())
    assert (by_number[1], by_number[97], by_number[133]) == (
        "MAX_THREADS_PER_BLOCK",
        "MAX_SHARED_MEMORY_PER_BLOCK_OPTIN",
        "MPS_ENABLED",
    )
    assert len(set(by_number.values())) == len(by_number)
    lanes = fp32_lanes("8.0")
    assert lanes is not None
    assert (lanes.lanes, fp32_lanes("4.2")) == (64, None)
