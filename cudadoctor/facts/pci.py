"""NVIDIA devices on the PCI bus, the driver bound to each, and the link of every hop up to the root."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Missing, Section


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One link on the way from a device to the root: the device itself comes first.

    Speeds are in GT/s a lane, widths in lanes, as sysfs tells them at this moment: an idle GPU trains its link down.
    `vendor_id` and `device_id` are four hex digits each; they say whose bridge it is.
    """

    address: str
    current_speed_gt_s: Fact[float]
    current_width: Fact[int]
    max_speed_gt_s: Fact[float]
    max_width: Fact[int]
    vendor_id: Fact[str] = Missing("these facts are of a version that did not read it")
    device_id: Fact[str] = Missing("these facts are of a version that did not read it")


class PciDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One NVIDIA display or 3D controller (PCI class 03xx).

    `device_id` is four hex digits. `bound_driver` is the kernel driver's name, None where no driver is bound.
    `name`, `architecture` and `compute_capability` come from a table of PCI ids.
    """

    address: str
    device_id: str
    class_code: str
    name: Fact[str]
    architecture: Fact[str]
    compute_capability: Fact[str]
    bound_driver: Fact[str | None]
    power_state: Fact[str]
    numa_node: Fact[int]
    path: tuple[Hop, ...]


class Pci(Section, frozen=True, kw_only=True):
    """All NVIDIA GPUs on the PCI bus; an empty tuple says that the bus was read and holds none.

    `nvswitches` counts NVSwitch chips of NVIDIA; those of the Blackwell generation are not NVIDIA devices on the bus.
    """

    devices: tuple[PciDevice, ...]
    source: str
    nvswitches: Fact[int] = Missing("these facts are of a version that did not count them")
