from __future__ import annotations

from pathlib import Path
from typing import Any

from cudadoctor.bandwidth.link_watch import Reading, corrected_errors, summarise, within
from cudadoctor.facts.base import Known, Missing


def readings(name: str, *values: Any) -> list[Reading]:
    return [Reading(float(i), i + 0.5, {name: value}) for i, value in enumerate(values)]


def test_only_readings_that_lie_within_one_copy_count() -> None:
    all_readings = [Reading(0.0, 0.2, {}), Reading(0.9, 1.1, {}), Reading(1.2, 1.4, {}), Reading(1.9, 2.6, {})]
    assert within(all_readings, [(1.0, 2.0), (2.0, 3.0)]) == [all_readings[2]]


def test_a_reading_between_two_copies_does_not_hide_what_the_link_can_do() -> None:
    link = summarise(0, readings("generation", 1, 1, 1, 4), "")
    assert link.generation == Known(4, "nvmlDeviceGetCurrPcieLinkGeneration during pinned copies")


def test_of_clocks_the_median_counts_and_is_one_that_was_read() -> None:
    link = summarise(0, readings("sm_clock_mhz", 345, 1755, 1980, 1980), "")
    assert link.sm_clock_mhz == Known(1755, "nvmlDeviceGetClockInfo(SM) during pinned copies")


def test_a_reason_counts_if_most_readings_have_it() -> None:
    link = summarise(0, readings("clock_event_reasons", 0b101, 0b001, 0b011), "")
    assert link.clock_event_reasons == Known(1, "nvmlDeviceGetCurrentClocksEventReasons during pinned copies")


def test_what_nvml_does_not_support_is_missing_with_its_error() -> None:
    link = summarise(0, readings("width", "nvmlX answered NVML_ERROR_NOT_SUPPORTED"), "")
    assert link.width == Missing("nvmlX answered NVML_ERROR_NOT_SUPPORTED")


def test_without_readings_everything_is_missing_with_the_reason() -> None:
    link = summarise(3, [], "nvmlInit failed with NVML_ERROR_LIB_RM_VERSION_MISMATCH")
    assert (
        link.generation == link.performance_state == Missing("nvmlInit failed with NVML_ERROR_LIB_RM_VERSION_MISMATCH")
    )
    assert (link.device, link.samples) == (3, 0)


def test_errors_of_both_ends_of_the_link_count(tmp_path: Path) -> None:
    port = tmp_path / "devices/pci0000:00/0000:00:01.0"
    card = port / "0000:01:00.0"
    card.mkdir(parents=True)
    for end, total in ((port, 3), (card, 4)):
        (end / "aer_dev_correctable").write_text(f"RxErr {total}\nBadTLP 0\nTOTAL_ERR_COR {total}\n")
    bus = tmp_path / "bus"
    bus.mkdir()
    (bus / "0000:01:00.0").symlink_to(card)
    source = "aer_dev_correctable of 0000:01:00.0 and 0000:00:01.0"
    assert corrected_errors("0000:01:00.0", bus) == Known(7, source)
    (card / "aer_dev_correctable").write_text("")
    assert corrected_errors("0000:01:00.0", bus) == Known(3, "aer_dev_correctable of 0000:00:01.0")


def test_a_kernel_that_does_not_count_errors_says_nothing(tmp_path: Path) -> None:
    answer = corrected_errors("0000:01:00.0", tmp_path)
    assert isinstance(answer, Missing)
    assert "aer_dev_correctable cannot be read" in answer.reason
