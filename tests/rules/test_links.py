"""Each symptom of a link or of a copy gets its own cause first, and its look-alike gets none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cudadoctor.facts.bandwidth import Bandwidth, BandwidthResult, LinkErrors, PeerResult
from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.document import decode_facts
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.pci import Hop
from cudadoctor.findings import Finding, Severity
from cudadoctor.rules.diagnose import diagnose
from tests.rules import build as b

MACHINES = Path(__file__).parents[1] / "machines"
change = msgspec.structs.replace


def recorded(name: str) -> Machine:
    return decode_facts((MACHINES / name / "facts.json").read_bytes())


H100, H200 = recorded("ubuntu24-h100-healthy"), recorded("ubuntu24-2xh200-healthy")


def measured_on(machine: Machine) -> Bandwidth:
    assert isinstance(machine.bandwidth, Bandwidth)
    return machine.bandwidth


def result(
    key: str,
    *samples: float,
    device: int = 0,
    size_bytes: int = 2**29,
    note: str = "",
    numa_node: int | None = None,
) -> BandwidthResult:
    return BandwidthResult(
        key=key,
        device=device,
        size_bytes=size_bytes,
        gb_per_s=sorted(samples)[len(samples) // 2],
        samples_gb_per_s=samples,
        verified=True,
        copies_per_sample=16,
        timer="events",
        note=note,
        numa_node=numa_node,
    )


def at(bandwidth: Bandwidth, **rates: float) -> Bandwidth:
    """Return a measurement with other rates, each with samples close together."""
    told = {key: result(key, 0.99 * rate, rate, 1.01 * rate) for key, rate in rates.items()}
    kept = [each for each in bandwidth.results if each.key not in told]
    return change(bandwidth, results=(*told.values(), *kept))


def link_at(bandwidth: Bandwidth, generation: int, width: int) -> Bandwidth:
    load = bandwidth.link_under_load
    assert load is not None
    link = change(load, generation=Known(generation, "NVML"), width=Known(width, "NVML"))
    return change(bandwidth, link_under_load=link)


def with_bandwidth(machine: Machine, bandwidth: Bandwidth) -> Machine:
    return change(machine, bandwidth=bandwidth)


def first(machine: Machine) -> Finding:
    return diagnose(machine)[0][0]


# Recorded machines


@pytest.mark.parametrize("machine", [H100, H200], ids=["H100", "2 x H200"])
def test_a_recorded_healthy_machine_gets_no_complaint(machine: Machine) -> None:
    assert b.ids(machine) == []


@pytest.mark.parametrize("machine", [H100, H200], ids=["H100", "2 x H200"])
@pytest.mark.parametrize(
    ("link", "rate", "word"),
    [
        ((4, 16), 27.0, "A lower generation"),
        ((3, 16), 12.2, "A lower generation"),
        ((1, 16), 3.3, "A lower generation"),
        ((5, 8), 27.4, "Half of the lanes"),
        ((5, 4), 13.6, "A quarter of the lanes"),
    ],
)
def test_a_recorded_machine_with_less_link_is_degraded(
    machine: Machine, link: tuple[int, int], rate: float, word: str
) -> None:
    slow = link_at(at(measured_on(machine), h2d_pinned=rate, d2h_pinned=rate), *link)
    found = first(with_bandwidth(machine, slow))
    assert (found.id, found.confidence) == ("pcie-link-degraded", "proven")
    assert found.cause.startswith(word)
    assert any(each.name == "fits the lower link" for each in found.evidence)


def test_copies_slower_than_even_the_lower_link_leave_room_for_another_cause() -> None:
    slow = link_at(at(measured_on(H100), h2d_pinned=9.0, d2h_pinned=9.0), 4, 16)
    found = first(with_bandwidth(H100, slow))
    assert (found.id, found.confidence) == ("pcie-link-degraded", "supported")
    assert found.confirm is not None
    assert any(each.name == "slower than even the lower link" for each in found.evidence)


# Paths that are hidden, and links that are none


def hidden(rate: float) -> Bandwidth:
    link = change(b.link(), path_visible=False)
    return b.bandwidth(rate, rate, expected=link)


def test_slow_copies_behind_a_path_that_the_virtual_machine_hides_are_not_judged_and_it_says_so() -> None:
    guest = b.machine(bandwidth=hidden(14.2), pci=b.pci(b.card(path=(b.hop("0000:01:00.0"),))))
    findings, skipped = diagnose(guest)
    assert findings == ()
    reason = {skip.rule: skip.reason for skip in skipped}["bandwidth-below-link"]
    assert "14.2 GB/s" in reason
    assert "hides the path" in reason


def test_in_wsl2_slow_copies_are_not_judged_either() -> None:
    wsl = b.machine(bandwidth=hidden(14.2), host=b.host(wsl=True), pci=b.pci())
    findings, skipped = diagnose(wsl)
    assert findings == ()
    assert "bandwidth-below-link" in {skip.rule for skip in skipped}


def test_where_the_bus_is_not_seen_at_all_they_are_possible() -> None:
    found = b.only(b.machine(bandwidth=hidden(14.2), pci=b.NONE))
    assert (found.id, found.confidence) == ("bandwidth-below-link", "possible")
    assert "cannot be seen" in found.cause


@pytest.mark.parametrize("model", [b.NONE, "NVIDIA Jetson AGX Orin"], ids=["GH200", "Jetson"])
def test_a_coherent_link_gets_no_complaint_whatever_its_rates(model: Any) -> None:
    unknown = Missing("the GPU is joined to the host by a coherent link, not by PCIe")
    pair = (result("h2d_pageable", 3.0), result("h2d_pinned", 346.0, 200.0, 100.0))
    measured = change(b.bandwidth(), expected=unknown, results=pair, link_under_load=None)
    findings, skipped = diagnose(b.machine(bandwidth=measured, host=b.host(jetson_model=model)))
    assert findings == ()
    assert "coherent" in {skip.rule: skip.reason for skip in skipped}["bandwidth-below-link"]


# pcie-chipset-lanes


def port(address: str, ids: str, link: tuple[int, int], most: tuple[int, int] | None = None) -> Hop:
    most = most or link
    vendor, _, device = ids.partition(":")
    bare = b.hop(address, generation=link[0], width=link[1], of=most[0], lanes=most[1])
    return change(bare, vendor_id=Known(vendor, "sysfs"), device_id=Known(device, "sysfs"))


def gpu_port(link: tuple[int, int], most: tuple[int, int] | None = None) -> Hop:
    return port("0000:01:00.0", "10de:2204", link, most)


AMD = (
    gpu_port((4, 8), (4, 16)),
    port("0000:03:08.0", "1022:43f5", (4, 8)),
    port("0000:02:00.0", "1022:43f4", (4, 4)),
    port("0000:00:02.1", "1022:14db", (4, 4)),
)
P5 = (
    port("0000:01:00.0", "10de:2330", (5, 16)),
    port("0000:52:00.0", "1000:c030", (5, 16)),
    port("0000:51:00.0", "1000:c030", (4, 8)),
    port("0000:50:01.0", "8086:352a", (4, 8), (5, 16)),
)


def test_a_slot_behind_the_chipset_is_named_with_its_bridge() -> None:
    slow = b.bandwidth(
        6.5,
        6.6,
        under_load=(4, 8),
        possible=(4, 8),
        expected=b.link(7.875, hop="0000:02:00.0", generation=4, width=4),
    )
    found = b.only(b.machine(bandwidth=slow, pci=b.pci(b.card(path=AMD))))
    assert (found.id, found.severity, found.confidence) == ("pcie-chipset-lanes", Severity.WARNING, "proven")
    assert "AMD's chipset" in found.summary
    assert ("fits the narrowest hop", "6.6 GB/s are 84 % of 7.875 GB/s") in [(e.name, e.value) for e in found.evidence]
    assert "6.6 GB/s" in found.summary


def test_a_root_port_of_intels_chipset_is_told_by_its_place() -> None:
    path = (gpu_port((3, 4), (4, 16)), port("0000:00:1c.4", "8086:7abc", (3, 4)))
    link = b.link(3.9375, generation=3, width=4)
    slow = b.bandwidth(3.2, 3.2, under_load=(3, 4), possible=(3, 4), expected=link)
    found = b.only(b.machine(bandwidth=slow, pci=b.pci(b.card(path=path))))
    assert (found.id, found.severity) == ("pcie-chipset-lanes", Severity.WARNING)
    assert "Intel's chipset" in found.summary
    assert found.consequences == ("pcie-card-better-than-slot",)


def test_a_small_card_that_has_all_it_can_use_behind_the_chipset_gets_no_finding() -> None:
    path = (gpu_port((3, 4)), port("0000:00:1c.4", "8086:7abc", (3, 4)))
    link = b.link(3.9375, generation=3, width=4)
    fine = b.bandwidth(3.2, 3.2, under_load=(3, 4), possible=(3, 4), expected=link)
    assert b.ids(b.machine(bandwidth=fine, pci=b.pci(b.card(path=path)))) == []


def test_the_narrow_uplink_of_a_server_is_a_note_that_says_that_it_is_right() -> None:
    uplink = b.link(15.75, hop="0000:51:00.0", generation=4, width=8)
    machine = b.machine(bandwidth=b.bandwidth(14.2, 14.2, expected=uplink), pci=b.pci(b.card(path=P5)))
    found = b.only(machine)
    assert (found.id, found.severity) == ("pcie-chipset-lanes", Severity.NOTE)
    assert "15.75" in found.summary
    assert "Broadcom" in found.summary
    assert "right" in found.cause


def test_copies_that_the_narrow_uplink_does_not_explain_are_a_finding_of_their_own_cause() -> None:
    uplink = b.link(15.75, hop="0000:51:00.0", generation=4, width=8)
    grew = LinkErrors(
        replays_before=b.fact(0), replays_after=b.fact(90_000), corrected_before=b.NONE, corrected_after=b.NONE
    )
    slow = change(b.bandwidth(6.0, 6.1, expected=uplink), link_errors=grew)
    assert first(b.machine(bandwidth=slow, pci=b.pci(b.card(path=P5)))).id == "link-flapping"


def test_a_note_of_a_narrow_uplink_does_not_hide_copies_that_are_slow_even_for_it() -> None:
    uplink = b.link(15.75, hop="0000:51:00.0", generation=4, width=8)
    machine = b.machine(bandwidth=b.bandwidth(6.0, 6.1, expected=uplink), pci=b.pci(b.card(path=P5)))
    findings, _ = diagnose(machine)
    assert [(found.id, found.severity) for found in findings] == [
        ("bandwidth-below-link", Severity.ERROR),
        ("pcie-chipset-lanes", Severity.NOTE),
    ]


def test_a_note_of_uneven_samples_does_not_hide_slow_copies() -> None:
    slow = tuple(result(key, 10.0, 14.0, 22.0) for key in ("h2d_pinned", "d2h_pinned"))
    findings, _ = diagnose(b.machine(bandwidth=change(b.bandwidth(), results=slow, link_errors=None)))
    assert [(found.id, found.severity) for found in findings] == [
        ("bandwidth-below-link", Severity.ERROR),
        ("link-flapping", Severity.NOTE),
    ]


def test_an_uplink_that_is_as_narrow_for_each_gpu_is_the_boards_and_not_degraded() -> None:
    def path(bus: str) -> tuple[Hop, ...]:
        full = ((4, 8), (5, 16))
        ports = [f"0000:{bus}3:00.0", f"0000:{bus}2:00.0", f"0000:{bus}1:00.0", f"0000:{bus}0:01.0"]
        both = [port(each, "1000:c030", (5, 16)) for each in ports[:2]]
        return (*both, *(port(each, "1000:c030", *full) for each in ports[2:]))

    uplink = b.link(15.75, hop="0000:11:00.0", generation=4, width=8)
    measured = change(b.bandwidth(14.2, 14.2, expected=uplink), pci_address="0000:13:00.0")
    one, two = (b.card(address=f"0000:{bus}3:00.0", path=path(bus)) for bus in ("1", "2"))
    assert first(b.machine(bandwidth=measured, pci=b.pci(one))).id == "pcie-link-degraded"
    found = first(b.machine(bandwidth=measured, pci=b.pci(one, two)))
    assert (found.id, found.severity) == ("pcie-chipset-lanes", Severity.NOTE)


# pcie-card-better-than-slot


def test_a_gen5_card_in_a_gen4_slot_is_a_note_and_no_fault() -> None:
    path = (gpu_port((4, 16), (5, 16)), port("0000:00:01.0", "8086:460d", (4, 16)))
    measured = b.bandwidth(26.0, 26.4, under_load=(4, 16), possible=(4, 16), expected=b.link(31.5, generation=4))
    found = b.only(b.machine(bandwidth=measured, pci=b.pci(b.card(path=path))))
    assert (found.id, found.severity) == ("pcie-card-better-than-slot", Severity.NOTE)
    assert "31.5 GB/s" in found.summary


def test_a_card_in_a_slot_that_can_do_more_gets_no_note() -> None:
    path = (gpu_port((4, 8)), port("0000:00:01.0", "8086:460d", (4, 8), (5, 16)))
    link = b.link(15.75, generation=4, width=8)
    measured = b.bandwidth(13.0, 13.2, under_load=(4, 8), possible=(4, 8), expected=link)
    assert b.ids(b.machine(bandwidth=measured, pci=b.pci(b.card(path=path)))) == []


# link-flapping


def errors(replays: int | None = None, corrected: int | None = None, before: int = 7) -> LinkErrors:
    def after(grown: int | None) -> Any:
        return b.NONE if grown is None else b.fact(before + grown)

    return LinkErrors(
        replays_before=b.NONE if replays is None else b.fact(before),
        replays_after=after(replays),
        corrected_before=b.NONE if corrected is None else b.fact(before),
        corrected_after=after(corrected),
    )


@pytest.mark.parametrize("grown", [{"replays": 4000}, {"corrected": 900}, {"replays": 0, "corrected": 900}])
def test_counters_that_grow_fast_are_a_link_that_repeats_packets(grown: dict[str, int]) -> None:
    measured = change(at(measured_on(H100), h2d_pinned=33.0, d2h_pinned=55.0), link_errors=errors(**grown))
    found = b.only(with_bandwidth(H100, measured))
    assert (found.id, found.severity) == ("link-flapping", Severity.WARNING)
    told = [each.value for each in found.evidence if "during the measurement" in each.name]
    assert told == list(grown.values()), "a counter that did not grow is told too"


@pytest.mark.parametrize("grown", [{}, {"replays": 0, "corrected": 0}, {"replays": 3}, {"replays": -5}])
def test_a_few_replays_are_within_the_specification(grown: dict[str, int]) -> None:
    assert b.ids(with_bandwidth(H100, change(measured_on(H100), link_errors=errors(**grown)))) == []


def test_uneven_samples_are_a_note_only_where_no_counter_speaks_against_it() -> None:
    uneven = change(
        measured_on(H100),
        results=(result("h2d_pinned", 55.0, 54.8, 31.0), result("d2h_pinned", 55.0, 55.1, 55.2)),
        link_errors=None,
    )
    found = b.only(with_bandwidth(H100, uneven))
    assert (found.id, found.severity, found.confidence) == ("link-flapping", Severity.NOTE, "possible")
    assert b.ids(with_bandwidth(H100, change(uneven, link_errors=errors(replays=0)))) == []


# pageable-transfer


def test_pageable_copies_that_one_slow_core_stages_are_a_note_with_the_factor() -> None:
    found = b.only(with_bandwidth(H100, at(measured_on(H100), h2d_pageable=3.0)))
    assert (found.id, found.severity) == ("pageable-transfer", Severity.NOTE)
    assert "18.4 times" in found.summary


@pytest.mark.parametrize(("pinned", "pageable"), [(54.6, 8.5), (12.0, 5.5), (12.3, 3.4), (6.6, 5.9)])
def test_pageable_copies_that_are_as_slow_as_everywhere_are_no_finding(pinned: float, pageable: float) -> None:
    gen3 = b.link(15.75 if pinned < 15 else 63.0, generation=3 if pinned < 15 else 5)
    gen3 = gen3 if pinned > 7 else b.link(7.875, generation=2)
    measured = at(b.bandwidth(expected=gen3), h2d_pinned=pinned, d2h_pinned=pinned, h2d_pageable=pageable)
    link = change(measured, link_under_load=None)
    assert b.ids(b.machine(bandwidth=link)) == []


# peer-access-slow


def peer(access: bool, rate: float, key: str = "p2p_write", way: tuple[int, int] = (0, 1)) -> PeerResult:
    return PeerResult(
        key=key,
        source=way[0],
        target=way[1],
        access=access,
        gb_per_s=rate,
        samples_gb_per_s=(rate,),
        size_bytes=2**29,
        verified=True,
    )


def test_peer_access_that_slows_copies_down_is_found() -> None:
    pairs = (peer(True, 2.1), peer(False, 18.0), peer(True, 24.0, way=(1, 0)), peer(False, 18.0, way=(1, 0)))
    found = b.only(with_bandwidth(H200, change(measured_on(H200), peers=pairs)))
    assert (found.id, found.severity) == ("peer-access-slow", Severity.WARNING)
    assert "1 of 2 measured ways" in found.summary
    assert "From GPU 0 to GPU 1" in found.summary


@pytest.mark.parametrize(
    "pairs",
    [
        (peer(True, 350.0), peer(False, 37.0)),
        (peer(True, 17.5), peer(False, 18.0)),
        (peer(True, 2.1),),
        (peer(True, 2.1), peer(False, 18.0, "p2p_read")),
    ],
)
def test_peer_access_that_helps_or_cannot_be_compared_is_no_finding(pairs: tuple[PeerResult, ...]) -> None:
    assert b.ids(with_bandwidth(H200, change(measured_on(H200), peers=pairs))) == []


# shared-uplink


def at_once(*rates: float) -> tuple[BandwidthResult, ...]:
    return tuple(result("h2d_pinned", rate, device=device) for device, rate in enumerate(rates))


def test_gpus_that_share_an_uplink_are_noted_and_the_port_named() -> None:
    shared = (port("0000:50:01.0", "8086:352a", (5, 16)),)
    cards = [b.card(address=f"0000:0{n}:00.0", path=(b.hop(f"0000:0{n}:00.0"), *shared)) for n in (1, 2)]
    measured = change(b.bandwidth(), together=at_once(27.5, 27.4))
    found = b.only(b.machine(bandwidth=measured, pci=b.pci(*cards)))
    assert (found.id, found.severity, found.confidence) == ("shared-uplink", Severity.NOTE, "proven")
    assert "0000:50:01.0" in found.summary
    less = change(b.bandwidth(), together=at_once(15.0, 15.0))
    assert b.only(b.machine(bandwidth=less, pci=b.pci(*cards))).severity is Severity.WARNING


def test_a_gpu_that_is_slow_alone_too_is_not_taken_for_one_that_shares() -> None:
    measured = change(b.bandwidth(), together=at_once(54.0, 3.1))
    assert b.only(b.machine(bandwidth=measured)).id == "shared-uplink"
    assert b.ids(b.machine(bandwidth=change(measured, alone=at_once(54.9, 3.2)))) == []


@pytest.mark.parametrize("rates", [(54.0, 54.8), (54.9,), ()])
def test_gpus_that_are_as_fast_together_as_alone_share_nothing(rates: tuple[float, ...]) -> None:
    assert b.ids(with_bandwidth(H200, change(measured_on(H200), together=at_once(*rates)))) == []


# far-numa-node


def test_memory_of_the_far_socket_alone_explains_slow_copies() -> None:
    slow = change(b.bandwidth(32.0, 30.0), far=(result("h2d_pinned", 32.0), result("d2h_pinned", 30.0)))
    found = b.only(b.machine(bandwidth=slow, pci=b.pci(b.card())))
    assert (found.id, found.severity) == ("far-numa-node", Severity.WARNING)
    assert found.consequences == ("bandwidth-below-link",)
    assert "numactl --cpunodebind=0 --membind=0 cudadoctor bandwidth" in found.fix.commands


@pytest.mark.parametrize(
    "nodes",
    [
        {"far": (result("h2d_pinned", 40.0),), "near": (result("h2d_pinned", 55.0),)},
        {"far": (result("h2d_pinned", 40.0),)},
        {"far": (result("h2d_pinned", 54.0),)},
    ],
    ids=["both were measured", "memory is near without asking", "far is as fast"],
)
def test_a_process_that_is_not_bound_to_the_far_socket_gets_no_finding(nodes: dict[str, Any]) -> None:
    assert b.ids(b.machine(bandwidth=change(b.bandwidth(), **nodes))) == []


def on_nodes(near: float, far: float) -> dict[str, Any]:
    return {
        "near": (result("h2d_pinned", near, numa_node=0), result("d2h_pinned", near, numa_node=0)),
        "far": (result("h2d_pinned", far, numa_node=1), result("d2h_pinned", far, numa_node=1)),
    }


def test_a_process_whose_memory_is_as_slow_as_far_memory_is_bound_to_the_wrong_socket() -> None:
    bound = change(b.bandwidth(33.5, 33.0), **on_nodes(55.0, 32.0))
    found = b.only(b.machine(bandwidth=bound, pci=b.pci(b.card())))
    assert (found.id, found.severity, found.confidence) == ("far-numa-node", Severity.WARNING, "proven")
    assert found.consequences == ("bandwidth-below-link",)
    assert (
        "d2h_pinned reaches 33.0 GB/s, 52 % of what the link carries, and 55.0 GB/s with memory near" in found.summary
    )
    assert "d2h_pinned, GB/s, far memory (node 1)" in [evidence.name for evidence in found.evidence]


@pytest.mark.parametrize(
    ("usual", "near", "far"),
    [(34.0, 35.0, 33.0), (36.0, 40.0, 20.0), (54.0, 60.0, 53.0)],
    ids=["near is no faster", "usual memory is nearer to near", "as fast as the link should be"],
)
def test_memory_on_both_sockets_accuses_the_process_only_if_its_own_is_far(
    usual: float, near: float, far: float
) -> None:
    both = change(b.bandwidth(usual, usual), **on_nodes(near, far))
    assert "far-numa-node" not in b.ids(b.machine(bandwidth=both, pci=b.pci(b.card())))


# pinned-allocation-limited


def test_a_limit_of_locked_memory_is_named_with_its_size() -> None:
    note = "64 MiB instead of 512 MiB: more host memory could not be pinned; `ulimit -l` is 8.0 MiB"
    less = change(b.bandwidth(), results=(result("h2d_pinned", 55.0, note=note), result("d2h_pinned", 55.0)))
    found = b.only(b.machine(bandwidth=less))
    assert (found.id, found.severity, found.confidence) == ("pinned-allocation-limited", Severity.NOTE, "supported")
    assert "8.0 MiB" in found.summary
    boxed = b.only(b.machine(bandwidth=less, host=b.host(container="docker")))
    assert "--ulimit memlock=-1" in boxed.fix.commands[0]


def test_the_smaller_buffers_of_a_full_machine_are_not_a_limit_of_locked_memory() -> None:
    note = "64 MiB instead of 512 MiB: less host memory is free"
    less = change(b.bandwidth(), results=(result("h2d_pinned", 55.0, note=note), result("d2h_pinned", 55.0)))
    assert b.ids(b.machine(bandwidth=less)) == []


def test_a_recorded_virtual_machine_that_hides_the_path_is_not_judged_when_it_is_slow() -> None:
    for machine in (H100, H200):
        findings, skipped = diagnose(with_bandwidth(machine, at(measured_on(machine), h2d_pinned=14.2)))
        assert findings == ()
        assert "14.2 GB/s" in {skip.rule: skip.reason for skip in skipped}["bandwidth-below-link"]
