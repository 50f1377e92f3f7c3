"""Gather the NVIDIA GPUs on the PCI bus from sysfs, and the link of every port on their way to the root.

sysfs shows a device under the bridges that it sits behind, so the real path of
/sys/bus/pci/devices/0000:01:00.0 (/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0) is the way.
"""

from __future__ import annotations

import re

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.pci import Hop, Pci, PciDevice
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.root import Root, shown
from cudadoctor.tables import TABLE_DATE, Card, pci_card

_DEVICES = "/sys/bus/pci/devices"
_NVIDIA = "0x10de"
_DISPLAY_CONTROLLER = "0x03"  # the other functions of a card (sound, USB) and NVSwitch bridges are no GPUs
_OTHER_BRIDGE = "0x0680"  # what NVSwitch calls itself
_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", re.IGNORECASE)
_WIDTHS = frozenset({1, 2, 4, 8, 12, 16, 32})


@never_raises
def gather(root: Root) -> Pci | Missing:
    """Gather the PCI section."""
    if root.system != "Linux":
        return Missing(f"{root.system} has no {_DEVICES}")
    addresses = root.listdir(_DEVICES)
    if isinstance(addresses, Missing):
        return addresses
    classes = {address: _class_of_nvidia(root, address) for address in addresses}
    return Pci(
        devices=tuple(
            _device(root, address) for address in addresses if classes[address].startswith(_DISPLAY_CONTROLLER)
        ),
        source=_DEVICES,
        nvswitches=Known(sum(code.startswith(_OTHER_BRIDGE) for code in classes.values()), _DEVICES),
    )


def _class_of_nvidia(root: Root, address: str) -> str:
    """Return the class of an NVIDIA device, "" for any other."""
    folder = f"{_DEVICES}/{address}"
    if root.read(f"{folder}/vendor", 64) != _NVIDIA:
        return ""
    class_code = root.read(f"{folder}/class", 64)
    return class_code if isinstance(class_code, str) else ""


def _device(root: Root, address: str) -> PciDevice:
    folder = f"{_DEVICES}/{address}"
    class_code = root.read(f"{folder}/class", 64)
    device_id = root.read(f"{folder}/device", 64)
    device_id = device_id.removeprefix("0x").lower() if isinstance(device_id, str) else ""
    card = pci_card(device_id) if device_id else None
    return PciDevice(
        address=shown(address),
        device_id=device_id,
        class_code=class_code.removeprefix("0x") if isinstance(class_code, str) else "",
        name=of_card(card, "name", device_id),
        architecture=of_card(card, "architecture", device_id),
        compute_capability=of_card(card, "compute_capability", device_id),
        bound_driver=_bound_driver(root, f"{folder}/driver"),
        power_state=_power_state(root, f"{folder}/power_state"),
        numa_node=_numa_node(root, f"{folder}/numa_node"),
        path=_path(root, folder),
    )


def of_card(card: Card | None, field: str, device_id: str) -> Fact[str]:
    """Return a field of a row of the table of PCI ids; the source says how sure the table is."""
    if card is None:
        return Missing(f"the table of {TABLE_DATE} does not have the PCI id {device_id or '(unread)'}")
    value = getattr(card, field)
    if value is None:
        return Missing(f"the table of {TABLE_DATE} has only a range of ids around {device_id}")
    if field != "name" and card.certainty == "uncertain":
        return Missing(f"the table of {TABLE_DATE} is not certain of it for the PCI id {device_id}")
    certainty = "" if field == "name" or card.certainty == "certain" else f", {card.certainty}"
    return Known(value, f"PCI id {device_id} in the table of {TABLE_DATE} ({card.source}{certainty})")


def _bound_driver(root: Root, path: str) -> Fact[str | None]:
    target = root.link_target(path)
    if isinstance(target, str):
        return Known(shown(target.rstrip("/").rpartition("/")[2]), path)
    if isinstance(target, Missing):
        return target
    # An unpacked archive may hold a folder instead of the link; its name is then lost.
    return Missing(f"{path} is no link") if root.exists(path) else Known(None, f"there is no {path}")


def _power_state(root: Root, path: str) -> Fact[str]:
    text = root.read(path, 64)
    if isinstance(text, Missing):
        return text
    return Known(text, path) if re.fullmatch(r"D[0-3](hot|cold)?", text) else Missing(f"{path} says {text!r}")


def _numa_node(root: Root, path: str) -> Fact[int]:
    text = root.read(path, 64)
    if isinstance(text, Missing):
        return text
    if re.fullmatch(r"[0-9]{1,6}", text):
        return Known(int(text), path)
    return Missing("the firmware does not say which node" if text == "-1" else f"{path} says {text!r}")


def _path(root: Root, folder: str) -> tuple[Hop, ...]:
    """Return the device and the ports above it that have a link, from the device up."""
    hops: list[Hop] = []
    current = root.resolve(folder)
    for _ in range(64):
        parent, _, name = current.rpartition("/")
        if not _ADDRESS.fullmatch(name):
            break
        if not hops or root.exists(f"{current}/current_link_speed"):
            hops.append(
                Hop(
                    address=shown(name),
                    current_speed_gt_s=_speed(root, f"{current}/current_link_speed"),
                    current_width=_width(root, f"{current}/current_link_width"),
                    max_speed_gt_s=_speed(root, f"{current}/max_link_speed"),
                    max_width=_width(root, f"{current}/max_link_width"),
                    vendor_id=_id(root, f"{current}/vendor"),
                    device_id=_id(root, f"{current}/device"),
                )
            )
        current = parent
    return tuple(hops)


def _speed(root: Root, path: str) -> Fact[float]:
    """Read `32.0 GT/s PCIe`, or `8 GT/s` of older kernels; `Unknown` where the device does not answer."""
    text = root.read(path, 64)
    if isinstance(text, Missing):
        return text
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,3})?) GT/s(?: PCIe)?", text)
    return Known(float(match[1]), path) if match and float(match[1]) > 0 else Missing(f"{path} says {text!r}")


def _id(root: Root, path: str) -> Fact[str]:
    text = root.read(path, 64)
    if isinstance(text, Missing):
        return text
    match = re.fullmatch(r"0x([0-9a-f]{4})", text.lower())
    return Known(match[1], path) if match else Missing(f"{path} says {text!r}")


def _width(root: Root, path: str) -> Fact[int]:
    """Read a number of lanes; 0, 63 and 255 stand for a link that is not there or does not answer."""
    text = root.read(path, 64)
    if isinstance(text, Missing):
        return text
    if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) in _WIDTHS:
        return Known(int(text), path)
    return Missing(f"{path} says {text!r}")
