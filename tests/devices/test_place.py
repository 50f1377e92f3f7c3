"""Where a GPU is: its path and its CPUs, from the PCI section and sysfs."""

from __future__ import annotations

from pathlib import Path

from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.machine import Machine
from cudadoctor.probes.devices import describe, gather
from cudadoctor.probes.root import Root
from cudadoctor.report.devices import device_lines
from tests.devices.build import devices, driver_view
from tests.rules import build as b

NO_NVML = "NVML was not asked"


def tree(folder: Path) -> Root:
    card = folder / "sys/bus/pci/devices/0000:01:00.0"
    card.mkdir(parents=True)
    (card / "local_cpulist").write_text("0-15,32-47\n", encoding="ascii")
    return Root(str(folder))


def test_path_and_cpus_are_those_of_the_address(tmp_path: Path) -> None:
    hops = (b.hop("0000:01:00.0", generation=1), b.hop("0000:00:01.0", generation=4, width=8, of=4, lanes=8))
    machine = Machine(pci=b.pci(b.card(address="0000:41:00.0"), b.card(path=hops)))
    found = describe(machine, tree(tmp_path), driver_view(), None, "", NO_NVML)
    assert found.path == hops
    assert found.numa_cpus == Known("0-15,32-47", "/sys/bus/pci/devices/0000:01:00.0/local_cpulist")
    assert found.nvml == Missing(NO_NVML)
    lines = [" ".join(line.split()) for line in device_lines(devices(found), width=120)]
    assert any(line.startswith("link of the GPU 0000:01:00.0 Gen1 x16 of Gen5 x16") for line in lines)
    assert any(line.startswith("link of hop 1 above 0000:00:01.0 Gen4 x8 ") for line in lines)


def test_a_card_that_the_bus_does_not_show_has_no_place(tmp_path: Path) -> None:
    machine = Machine(pci=b.pci(b.card(address="0000:41:00.0")))
    found = describe(machine, tree(tmp_path), driver_view(), None, "", NO_NVML)
    assert isinstance(found.numa_cpus, Missing)
    assert "0000:01:00.0" in found.path_missing


def test_without_any_library_the_section_says_why(tmp_path: Path) -> None:
    found = gather(b.DRIVERLESS, tree(tmp_path))
    assert isinstance(found, Missing)
    assert "libcuda.so.1" in found.reason
