"""What a machine's own PCIe tree says that copies can reach: fake sysfs trees, read as the probe reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cudadoctor.bandwidth.expected import expected_link
from cudadoctor.facts.bandwidth import ExpectedLink, LinkUnderLoad
from cudadoctor.facts.base import Missing
from cudadoctor.facts.pci import Pci, PciDevice
from cudadoctor.probes import pci
from cudadoctor.probes.root import Root
from tests.bandwidth.test_expected import loaded
from tests.probes.machine_tree import MachineTree, Port

GT_S = {1: "2.5", 2: "5.0", 3: "8.0", 4: "16.0", 5: "32.0"}
Link = tuple[int, int]


def port(address: str, now: Link, most: Link | None = None) -> Port:
    """A port whose link runs at (generation, width), and which can do `most`."""
    most = most or now
    return Port(address, f"{GT_S[now[0]]} GT/s PCIe", now[1], f"{GT_S[most[0]]} GT/s PCIe", most[1])


def gpu(folder: Path, *from_the_root: Port, vendors: dict[str, str] | None = None) -> PciDevice:
    """The GPU at the end of a chain of ports, as the probe finds it."""
    tree = MachineTree(folder)
    way = "/sys/devices/pci" + from_the_root[0].address[:7]
    for each in from_the_root[:-1]:
        way += f"/{each.address}"
        vendor, device = (vendors or {}).get(each.address, "8086:0000").split(":")
        tree.write(f"{way}/vendor", f"0x{vendor}\n")
        tree.write(f"{way}/device", f"0x{device}\n")
        tree.write(f"{way}/class", "0x060400\n")
    tree.pci_device(from_the_root, device_id="2330", driver="nvidia", class_code="030200")
    bus = pci.gather(Root(tree.root))
    assert isinstance(bus, Pci)
    (device,) = bus.devices
    return device


def carries(device: PciDevice, load: LinkUnderLoad | None, measured: float | None = None) -> ExpectedLink:
    answer = expected_link(device, load, measured_gb_per_s=measured)
    assert isinstance(answer, ExpectedLink), answer
    return answer


def seen(answer: ExpectedLink) -> tuple[float, str, int, int]:
    return answer.gb_per_s, answer.hop, answer.generation, answer.width


@pytest.mark.parametrize(
    ("under_load", "gb_per_s"), [((3, 16), 15.75), ((1, 16), 4.0), ((5, 8), 31.5), ((5, 4), 15.75)]
)
def test_a_link_that_stays_down_or_narrow_under_load_is_what_counts(
    tmp_path: Path, under_load: Link, gb_per_s: float
) -> None:
    device = gpu(tmp_path, port("0000:00:01.0", under_load, (5, 16)), port("0000:01:00.0", under_load, (5, 16)))
    answer = carries(device, loaded(*under_load, (5, 16)), measured=0.85 * gb_per_s)
    assert seen(answer) == (gb_per_s, "0000:01:00.0", *under_load)
    assert answer.path_visible


def test_a_gen5_card_in_a_gen4_slot_is_bound_by_the_slot_with_nvml_or_without(tmp_path: Path) -> None:
    device = gpu(tmp_path, port("0000:00:01.0", (1, 16), (4, 16)), port("0000:01:00.0", (1, 16), (5, 16)))
    assert seen(carries(device, loaded(4, 16, (4, 16)), measured=26.0)) == (31.5, "0000:01:00.0", 4, 16)
    assert seen(carries(device, None)) == (31.5, "0000:01:00.0", 4, 16)


def narrow_uplink(folder: Path, uplink: Link = (4, 8), most: Link | None = None) -> PciDevice:
    """An H100 at Gen5 x16 on a switch that has fewer lanes to the processor, as on AWS P5."""
    return gpu(
        folder,
        port("0000:50:01.0", uplink, (5, 16)),
        port("0000:51:00.0", uplink, most or uplink),
        port("0000:52:00.0", (5, 16)),
        port("0000:53:00.0", (5, 16)),
    )


def test_14_2_gb_per_s_is_right_behind_a_gen4_x8_uplink(tmp_path: Path) -> None:
    answer = carries(narrow_uplink(tmp_path), loaded(5, 16, (5, 16)), measured=14.2)
    assert seen(answer) == (15.75, "0000:51:00.0", 4, 8)
    assert 14.2 / answer.gb_per_s > 0.75


def test_an_uplink_that_was_at_rest_when_it_was_read_is_taken_at_its_best(tmp_path: Path) -> None:
    device = narrow_uplink(tmp_path, (1, 8), (4, 8))
    assert seen(carries(device, loaded(5, 16), measured=14.2)) == (15.75, "0000:51:00.0", 4, 8)
    assert seen(carries(device, loaded(5, 16), measured=1.7)) == (2.0, "0000:51:00.0", 1, 8)


def test_lanes_of_a_chipset_are_found_two_bridges_up(tmp_path: Path) -> None:
    device = gpu(
        tmp_path,
        port("0000:00:02.1", (4, 4)),
        port("0000:02:00.0", (4, 4)),
        port("0000:03:08.0", (4, 8), (4, 16)),
        port("0000:04:00.0", (4, 8), (4, 16)),
    )
    assert seen(carries(device, loaded(4, 8, (4, 8)), measured=6.5)) == (7.875, "0000:02:00.0", 4, 4)


def test_an_idle_gen1_link_that_rises_under_load_is_taken_as_it_rose(tmp_path: Path) -> None:
    device = gpu(tmp_path, port("0000:00:01.0", (1, 16), (5, 16)), port("0000:01:00.0", (1, 16), (5, 16)))
    assert seen(carries(device, loaded(5, 16, (5, 16)), measured=55.0)) == (63.0, "0000:01:00.0", 5, 16)


def test_a_virtual_machine_without_ports_above_the_gpu_says_that_the_path_is_hidden(tmp_path: Path) -> None:
    answer = carries(gpu(tmp_path, port("0000:00:06.0", (5, 16))), loaded(5, 16), measured=55.0)
    assert seen(answer) == (63.0, "0000:00:06.0", 5, 16)
    assert not answer.path_visible
    assert "not visible" in answer.source


@pytest.mark.parametrize("ids", ["1b36:000c", "15ad:07a0"])
def test_a_root_port_that_a_hypervisor_made_up_is_no_path(tmp_path: Path, ids: str) -> None:
    device = gpu(
        tmp_path, port("0000:00:02.0", (1, 1), (4, 16)), port("0000:01:00.0", (5, 16)), vendors={"0000:00:02.0": ids}
    )
    for measured in (55.0, 2.0, None):
        answer = carries(device, loaded(5, 16), measured)
        assert (answer.gb_per_s, answer.path_visible) == (63.0, False)


def test_in_wsl2_the_readings_of_nvml_are_all_there_is(tmp_path: Path) -> None:
    MachineTree(tmp_path).write("/sys/bus/pci/devices/.keep")
    bus = pci.gather(Root(str(tmp_path)))
    assert isinstance(bus, Pci)
    assert bus.devices == ()
    answer = expected_link(None, loaded(4, 16), address="0000:01:00.0", measured_gb_per_s=24.0)
    assert isinstance(answer, ExpectedLink)
    assert (seen(answer), answer.path_visible) == ((31.5, "0000:01:00.0", 4, 16), False)


@pytest.mark.parametrize("address", ["0009:01:00.0", "0000:00:00.0"])
def test_gh200_and_jetson_are_not_judged_by_pcie(tmp_path: Path, address: str) -> None:
    device = gpu(tmp_path, port(address, (5, 16)))
    answer = expected_link(device, loaded(5, 16), coherent=True, measured_gb_per_s=346.0)
    assert isinstance(answer, Missing)
    assert "coherent link, not by PCIe" in answer.reason


def test_whose_a_port_is_is_read_with_it(tmp_path: Path) -> None:
    device = gpu(
        tmp_path, port("0000:00:01.1", (4, 16)), port("0000:01:00.0", (4, 16)), vendors={"0000:00:01.1": "1022:14db"}
    )
    ids = [(hop.vendor_id, hop.device_id) for hop in device.path]
    assert [(vendor.value, number.value) for vendor, number in ids] == [("10de", "2330"), ("1022", "14db")]
