"""The two views of a GPU: how they are joined, and when they disagree."""

from __future__ import annotations

from typing import Any

import pytest

from cudadoctor.facts.base import Missing
from cudadoctor.facts.devices import join
from cudadoctor.facts.machine import Machine
from cudadoctor.report.devices import device_lines
from tests.devices.build import TOTAL, device, devices, driver_view, nvml_view
from tests.rules.build import fires

RULE = "device-sources-disagree"
UNKNOWN = Missing("a test left it out")


def machine(driver: dict[str, Any] | None = None, nvml: dict[str, Any] | None = None) -> Machine:
    return Machine(devices=devices(device(driver_view(**driver or {}), nvml_view(**nvml or {}))))


def test_views_are_joined_by_uuid_whatever_their_order() -> None:
    pairs = join([driver_view(0), driver_view(1)], [nvml_view(1), nvml_view(0)])
    assert [(a.index, b.index) for a, b in pairs if a and b] == [(0, 0), (1, 1)]


def test_views_of_a_mig_instance_are_joined_by_address() -> None:
    pairs = join([driver_view(0, uuid="GPU-instance")], [nvml_view(1), nvml_view(0)])
    assert [(a and a.index, b and b.index) for a, b in pairs] == [(0, 0), (None, 1)]


def test_views_that_share_nothing_are_two_gpus() -> None:
    driver = driver_view(0, uuid=UNKNOWN, pci_address=UNKNOWN)
    assert join([driver], [nvml_view(0)]) == [(driver, None), (None, nvml_view(0))]


def test_an_h100_whose_driver_keeps_a_part_of_the_memory_is_healthy() -> None:
    assert not fires(RULE, machine())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "NVIDIA A100-SXM4-80GB"),
        ("uuid", "GPU-ffffffff-aaaa"),
        ("pci_address", "0000:41:00.0"),
        ("compute_capability", "8.0"),
        ("memory_total_bytes", TOTAL // 2),
        ("memory_total_bytes", TOTAL * 2),
    ],
)
def test_fires_where_one_answer_differs(field: str, value: Any) -> None:
    assert fires(RULE, machine({field: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "H100 80GB HBM3"),  # as drivers before 465 wrote it
        ("uuid", "gpu-00000000-AAAA"),
        ("name", UNKNOWN),
        ("memory_total_bytes", UNKNOWN),
        ("memory_total_bytes", int(TOTAL * 0.91)),
    ],
)
def test_is_silent_where_only_the_writing_differs_or_one_does_not_answer(field: str, value: Any) -> None:
    assert not fires(RULE, machine({field: value}))


def test_an_instance_is_not_compared_with_the_whole_gpu() -> None:
    assert not fires(RULE, machine({"memory_total_bytes": 10 * 2**30, "name": "H100 MIG 1g"}, {"mig_enabled": True}))


def test_a_row_whose_sources_disagree_shows_both() -> None:
    lines = device_lines(machine({"compute_capability": "8.0"}).devices, width=120)
    text = " ".join(" ".join(lines).split())
    assert "8.0 (test), but 9.0 (test)" in text
