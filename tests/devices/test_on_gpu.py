"""The description of a real GPU."""

from __future__ import annotations

import os

import msgspec
import pytest

from cudadoctor.doctor import AREAS, Examination, diagnose, examine
from cudadoctor.facts.base import Known, known
from cudadoctor.facts.devices import Devices, DriverView, NvmlView
from cudadoctor.probes.devices import gather
from cudadoctor.probes.root import Root


@pytest.mark.gpu
def test_a_real_gpu_is_described_by_both_libraries_and_they_agree() -> None:
    machine = examine(Examination(areas=frozenset(AREAS) - {"kernel", "python"}))
    section = gather(machine, Root())
    if not isinstance(section, Devices):
        if os.environ.get("CUDADOCTOR_TEST_DEVICE") == "gpu":
            pytest.fail(section.reason)
        pytest.skip(f"no GPU: {section.reason}")
    assert section.cut_short == ()
    for device in section.devices:
        assert isinstance(device.driver, DriverView)
        assert isinstance(device.nvml, NvmlView), device.nvml
        assert known(device.driver.attribute("WARP_SIZE")) == 32
        told = [item for item in device.driver.attributes if isinstance(item.value, Known)]
        assert len(told) > 100
        assert isinstance(device.memory_bandwidth_gb_per_s.value, Known)
        assert isinstance(device.fp32_peak_tflop_per_s.value, Known)
    findings = diagnose(msgspec.structs.replace(machine, devices=section), "devices").findings
    assert findings == ()
