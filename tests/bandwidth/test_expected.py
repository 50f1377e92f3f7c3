"""The narrowest hop, on paths made up here."""

from __future__ import annotations

import pytest

from cudadoctor.bandwidth.expected import expected_link
from cudadoctor.facts.bandwidth import ExpectedLink, LinkUnderLoad
from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.pci import Hop, PciDevice

GT_S = {1: 2.5, 2: 5.0, 3: 8.0, 4: 16.0, 5: 32.0, 6: 64.0}
UNREAD = Missing("not read")


def hop(address: str, current: tuple[int, int] | None, most: tuple[int, int] | None = None) -> Hop:
    """A port whose link runs at (generation, width), and which can do `most`."""
    most = most or current
    return Hop(
        address=address,
        current_speed_gt_s=Known(GT_S[current[0]], "sysfs") if current else UNREAD,
        current_width=Known(current[1], "sysfs") if current else UNREAD,
        max_speed_gt_s=Known(GT_S[most[0]], "sysfs") if most else UNREAD,
        max_width=Known(most[1], "sysfs") if most else UNREAD,
    )


def gpu(*path: Hop) -> PciDevice:
    return PciDevice(
        address=path[0].address,
        device_id="2330",
        class_code="030200",
        name=UNREAD,
        architecture=UNREAD,
        compute_capability=UNREAD,
        bound_driver=Known("nvidia", "sysfs"),
        power_state=UNREAD,
        numa_node=UNREAD,
        path=path,
    )


def loaded(generation: int | None, width: int | None, most: tuple[int, int] | None = None) -> LinkUnderLoad:
    def fact(value: int | None) -> Known[int] | Missing:
        return Known(value, "NVML") if value is not None else UNREAD

    return LinkUnderLoad(
        device=0,
        generation=fact(generation),
        width=fact(width),
        generation_max=fact(most[0] if most else None),
        width_max=fact(most[1] if most else None),
        performance_state=UNREAD,
        sm_clock_mhz=UNREAD,
        memory_clock_mhz=UNREAD,
        clock_event_reasons=UNREAD,
        samples=5,
    )


def known(answer: ExpectedLink | Missing) -> ExpectedLink:
    assert isinstance(answer, ExpectedLink), answer
    return answer


def seen(answer: ExpectedLink | Missing) -> tuple[float, str, int, int]:
    answer = known(answer)
    return answer.gb_per_s, answer.hop, answer.generation, answer.width


def test_gen5_x16_straight_to_the_root_carries_63_gb_per_s() -> None:
    device = gpu(hop("0000:01:00.0", (5, 16)), hop("0000:00:01.0", (5, 16)))
    assert seen(expected_link(device, loaded(5, 16))) == (63.0, "0000:01:00.0", 5, 16)


def test_a_gen4_x8_uplink_is_named_and_rules_over_the_gpus_own_gen5_x16() -> None:
    device = gpu(
        hop("0000:53:00.0", (5, 16)),
        hop("0000:52:00.0", (5, 16)),
        hop("0000:51:00.0", (4, 8)),
        hop("0000:50:01.0", (4, 8)),
    )
    assert seen(expected_link(device, loaded(5, 16))) == (15.75, "0000:51:00.0", 4, 8)


def test_an_idle_gpu_at_gen1_is_taken_at_what_nvml_read_under_load() -> None:
    device = gpu(hop("0000:01:00.0", (1, 16), (4, 16)), hop("0000:00:01.0", (1, 16), (5, 16)))
    assert seen(expected_link(device, loaded(4, 16))) == (31.5, "0000:01:00.0", 4, 16)


def test_a_link_that_stays_down_under_load_is_taken_as_it_is() -> None:
    device = gpu(hop("0000:01:00.0", (1, 8), (4, 16)), hop("0000:00:01.0", (1, 8), (4, 16)))
    assert seen(expected_link(device, loaded(3, 8))) == (7.875, "0000:01:00.0", 3, 8)


def test_without_a_reading_under_load_the_gpus_link_is_the_most_that_both_ends_can_do() -> None:
    device = gpu(hop("0000:01:00.0", (1, 16), (5, 16)), hop("0000:00:01.0", (1, 16), (4, 8)))
    answer = known(expected_link(device, None))
    assert seen(answer) == (15.75, "0000:01:00.0", 4, 8)
    assert "the most that both ends can do" in answer.source


def test_a_hidden_path_leaves_the_gpus_own_link_and_says_so() -> None:
    answer = known(expected_link(gpu(hop("0000:00:06.0", (5, 16))), loaded(5, 16)))
    assert seen(answer) == (63.0, "0000:00:06.0", 5, 16)
    assert "the path above it is not visible" in answer.source


def test_a_visible_path_is_not_said_to_be_hidden() -> None:
    device = gpu(hop("0000:01:00.0", (5, 16)), hop("0000:00:01.0", (5, 16)))
    assert "not visible" not in known(expected_link(device, loaded(5, 16))).source


def test_ports_that_say_nothing_are_a_hidden_path() -> None:
    device = gpu(hop("0000:01:00.0", None), hop("0000:00:01.0", None))
    answer = known(expected_link(device, loaded(4, 16)))
    assert seen(answer) == (31.5, "0000:01:00.0", 4, 16)
    assert "not visible" in answer.source


def test_an_emulated_port_that_claims_less_than_was_measured_does_not_count() -> None:
    device = gpu(hop("0000:01:00.0", (5, 16)), hop("0000:00:02.0", (1, 1)))
    assert seen(expected_link(device, loaded(5, 16), measured_gb_per_s=55.0)) == (63.0, "0000:01:00.0", 5, 16)


def test_the_same_port_counts_if_the_copies_were_as_slow() -> None:
    device = gpu(hop("0000:01:00.0", (5, 16)), hop("0000:00:02.0", (1, 1)))
    assert seen(expected_link(device, loaded(5, 16), measured_gb_per_s=0.2)) == (0.25, "0000:00:02.0", 1, 1)


def test_links_that_are_all_slower_than_the_copies_explain_nothing() -> None:
    answer = expected_link(gpu(hop("0000:01:00.0", (1, 16))), loaded(1, 16), measured_gb_per_s=55.0)
    assert answer == Missing("55.0 GB/s were measured, more than any link that is known can carry")


def test_without_a_bus_nvml_alone_is_enough() -> None:
    assert seen(expected_link(None, loaded(5, 16), address="0000:04:00.0")) == (63.0, "0000:04:00.0", 5, 16)


@pytest.mark.parametrize("readings", [None, loaded(None, None), loaded(5, None)])
def test_where_nothing_is_known_it_is_missing_with_a_reason(readings: LinkUnderLoad | None) -> None:
    for device in (None, gpu(hop("0000:01:00.0", None))):
        answer = expected_link(device, readings)
        assert isinstance(answer, Missing)
        assert answer.reason


def test_a_coherent_link_is_not_judged_by_pcie() -> None:
    device = gpu(hop("0009:01:00.0", (5, 16)))
    answer = expected_link(device, loaded(5, 16), coherent=True)
    assert isinstance(answer, Missing)
    assert "coherent" in answer.reason


def test_a_generation_that_does_not_exist_is_no_link() -> None:
    assert isinstance(expected_link(None, loaded(9, 16)), Missing)
