"""The table and the comparison: widths, what is shown once, and what is not there."""

from __future__ import annotations

import msgspec
import pytest

from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.devices import Device
from cudadoctor.report.device_words import clock_reasons, count, short_source
from cudadoctor.report.devices import compare, comparison_sentence, device_lines, devices_sentence
from tests.devices.build import device, devices, driver_view, nvml_view


def section(count: int) -> tuple[Device, ...]:
    return tuple(device(driver_view(index), nvml_view(index)) for index in range(count))


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_it_may_be(count: int, width: int) -> None:
    lines = device_lines(devices(*section(count)), width=width, everything=True)
    assert max(map(len, lines)) <= width


def test_a_uuid_stands_whole_on_its_line_and_names_of_c_break_at_their_seams() -> None:
    uuid = "GPU-00000000-1111-2222-3333-444444444444"
    power = Known(133.6, "nvmlDeviceGetPowerManagementDefaultLimit")
    views = driver_view(uuid=Known(uuid, "cuDeviceGetUuid")), nvml_view(uuid=Known(uuid, "nvmlDeviceGetUUID"))
    one = device(views[0], msgspec.structs.replace(views[1], power_limit_default_w=power))
    lines = device_lines(devices(one), width=80)
    assert [line.split() for line in lines if line.startswith("UUID")] == [["UUID", uuid]]
    place = next(place for place, line in enumerate(lines) if line.startswith("power limit by default"))
    assert [line.split()[-1] for line in lines[place : place + 3]] == ["NVML", "PowerManagementDefault", "Limit"]


def test_large_numbers_of_one_row_are_written_alike() -> None:
    assert [count(number) for number in (2048, 65536, 131072)] == ["2048", "65,536", "131,072"]


def test_two_gpus_stand_side_by_side_where_they_fit() -> None:
    wide = device_lines(devices(*section(2)), width=120)
    assert wide[0].split() == ["GPU", "0", "GPU", "1", "source"]


def test_where_they_do_not_fit_what_is_equal_is_shown_once() -> None:
    lines = device_lines(devices(*section(8)), width=80)
    text = "\n".join(lines)
    assert lines[0].split() == ["all", "8", "GPUs", "source"]
    assert text.count("multiprocessors    ") == 1
    assert all(f"GPU-0000000{index}-aaaa" in text for index in range(8))


def test_what_is_unknown_says_why_and_is_no_zero() -> None:
    gone = Missing("nvmlDeviceGetPowerUsage answered NVML_ERROR_NOT_SUPPORTED")
    lines = device_lines(devices(device(driver_view(), nvml_view(power_draw_w=gone))), width=120)
    row = next(line for line in lines if line.startswith("power draw"))
    assert row.split() == ["power", "draw", "unknown", "NVML", "PowerUsage:", "not", "supported", "here"]


def test_a_name_full_of_escapes_reaches_no_terminal() -> None:
    wild = device(driver_view(name="\x1b]0;x\x07"), nvml_view(name="\x1b]0;x\x07"))
    text = "\n".join(device_lines(devices(wild), width=80)) + devices_sentence(devices(wild), ())
    assert "\x1b" not in text
    assert "\\x1b" in text


def test_attributes_are_named_by_their_number() -> None:
    assert short_source("cuDeviceGetAttribute(MAX_BLOCK_DIM_X, MAX_BLOCK_DIM_Y)") == "CUDA 2, 3"


def test_only_what_differs_is_a_difference() -> None:
    one = device(driver_view(0, attributes={"L2_CACHE_SIZE": 2**20}), nvml_view(0, temperature_c=30))
    other = device(driver_view(1, attributes={"L2_CACHE_SIZE": 2**21}), nvml_view(1, temperature_c=50))
    found = compare(("A", one, devices(one)), ("B", other, devices(other)))
    rows = {item.row: (item.first, item.second, item.lasting) for item in found.differences}
    assert set(rows) == {"UUID", "PCI address", "L2 cache", "temperature"}
    assert rows["L2 cache"] == ("1 MiB", "2 MiB", True)
    assert rows["temperature"] == ("30 °C", "50 °C", False)
    assert comparison_sentence(found).startswith("A and B differ in 3 rows that last, and in 1 that")


def test_unknown_on_one_side_is_a_difference_and_on_both_is_none() -> None:
    gone = Missing("not supported")
    one = device(driver_view(), nvml_view(vbios=gone, gsp_firmware=gone))
    other = device(driver_view(), nvml_view(vbios="96.00", gsp_firmware=Missing("another reason")))
    found = compare(("A", one, devices(one)), ("B", other, devices(other)))
    assert [(item.row, item.first, item.second) for item in found.differences] == [
        ("VBIOS", "unknown: not supported", "96.00")
    ]


def test_a_gpu_does_not_differ_from_itself() -> None:
    one = device(driver_view(), nvml_view())
    found = compare(("A", one, devices(one)), ("A", one, devices(one)))
    assert found.differences == ()
    assert "do not differ" in comparison_sentence(found)


def test_a_gpu_that_only_nvml_sees_is_told_apart() -> None:
    seen = devices(device(driver_view(0), nvml_view(0)), device(Missing("CUDA_VISIBLE_DEVICES"), nvml_view(1)))
    assert devices_sentence(seen, ()) == "1 GPU: NVIDIA H100 80GB HBM3; 1 more that only NVML sees."
    assert isinstance(seen.devices[0].fp32_peak_tflop_per_s.value, Known)


def test_clock_reasons_are_words_and_an_unknown_bit_keeps_its_number() -> None:
    assert clock_reasons(0) == "none"
    assert clock_reasons(0x1 | 0x4 | 1 << 40) == "idle, power cap, bit 40"
