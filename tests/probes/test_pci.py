"""What sysfs says of a card and its link, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.pci import Pci, PciDevice
from cudadoctor.probes import pci
from cudadoctor.probes.root import Root
from tests.probes.machine_tree import MachineTree, Port

CARD = Port("0000:01:00.0", "32.0 GT/s PCIe", 16, "32.0 GT/s PCIe", 16)


def one_card(tree: MachineTree) -> PciDevice:
    bus = pci.gather(Root(tree.root))
    assert isinstance(bus, Pci)
    (card,) = bus.devices
    return card


@pytest.mark.parametrize(
    ("text", "speed"),
    [("32.0 GT/s PCIe", 32.0), ("8 GT/s", 8.0), ("2.5 GT/s PCIe", 2.5), ("Unknown", None), ("Unknown speed", None)],
)
def test_speeds_of_old_and_new_kernels(tmp_path: Path, text: str, speed: float | None) -> None:
    tree = MachineTree(tmp_path)
    tree.pci_device([CARD._replace(speed=text)], device_id="2331", driver="nvidia")
    assert known(one_card(tree).path[0].current_speed_gt_s) == speed


@pytest.mark.parametrize(
    ("text", "width"), [("16", 16), ("1", 1), ("0", None), ("63", None), ("255", None), ("", None)]
)
def test_widths_that_stand_for_no_link_are_missing(tmp_path: Path, text: str, width: int | None) -> None:
    tree = MachineTree(tmp_path)
    tree.pci_device([CARD], device_id="2331", driver="nvidia")
    tree.write("/sys/bus/pci/devices/0000:01:00.0/current_link_width", text + "\n")
    assert known(one_card(tree).path[0].current_width) == width


def test_no_driver_is_known_to_be_none(tmp_path: Path) -> None:
    tree = MachineTree(tmp_path)
    tree.pci_device([CARD], device_id="2331", driver=None, power_state="D3cold", numa_node=1)
    card = one_card(tree)
    assert isinstance(card.bound_driver, Known)
    assert card.bound_driver.value is None
    assert known(card.power_state) == "D3cold"
    assert known(card.numa_node) == 1


def test_sound_usb_and_nvswitch_functions_are_no_gpus(tmp_path: Path) -> None:
    tree = MachineTree(tmp_path)
    for number, class_code in enumerate(["040300", "0c0330", "068000", "030000"]):
        port = CARD._replace(address=f"0000:0{number + 1}:00.0")
        tree.pci_device([port], device_id="22a3", driver=None, class_code=class_code)
    assert one_card(tree).address == "0000:04:00.0"
    bus = pci.gather(Root(tree.root))
    assert isinstance(bus, Pci)
    assert bus.nvswitches == Known(1, "/sys/bus/pci/devices")


def test_an_id_the_table_does_not_list_is_told_by_its_range_without_a_name(tmp_path: Path) -> None:
    tree = MachineTree(tmp_path)
    tree.pci_device([CARD], device_id="23ef", driver=None)
    card = one_card(tree)
    assert known(card.name) is None
    assert isinstance(card.compute_capability, Known)
    assert card.compute_capability.value == "9.0"
    assert "likely" in card.compute_capability.source


def test_an_id_of_no_known_range_has_no_compute_capability(tmp_path: Path) -> None:
    tree = MachineTree(tmp_path)
    tree.pci_device([CARD], device_id="fff0", driver=None)
    card = one_card(tree)
    assert isinstance(card.compute_capability, Missing)
    assert "fff0" in card.compute_capability.reason


def test_what_the_table_is_uncertain_of_is_not_a_fact(tmp_path: Path) -> None:
    tree = MachineTree(tmp_path)
    tree.pci_device([CARD], device_id="3021", driver=None)
    assert isinstance(one_card(tree).compute_capability, Missing)


def test_without_sysfs_the_section_is_missing(tmp_path: Path) -> None:
    assert pci.gather(Root(str(tmp_path))) == Missing("/sys/bus/pci/devices: No such file or directory")
