"""Gather power: mains or battery, the graphics mode of a laptop, and runtime power management of the cards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.power import DevicePower, Power
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.root import Root, shown

_SUPPLY = "/sys/class/power_supply"
_CHASSIS = "/sys/class/dmi/id/chassis_type"
# SMBIOS specification, System Enclosure or Chassis Types.
_KINDS = {
    "laptop": frozenset({8, 9, 10, 11, 14, 30, 31, 32}),
    "desktop": frozenset({3, 4, 5, 6, 7, 13, 15, 16, 24, 35, 36}),
    "server": frozenset({17, 23, 25, 28, 29}),
}


_PRIME = "/etc/prime-discrete"  # what `prime-select query` reads
_SUPERGFX = "/etc/supergfxd.conf"
_ENVYCONTROL = ("/etc/udev/rules.d/50-remove-nvidia.rules", "/lib/udev/rules.d/50-remove-nvidia.rules")
_SYSTEM76 = "/etc/modprobe.d/system76-power.conf"
_BBSWITCH = "/proc/acpi/bbswitch"
_MODES = {
    "on": "nvidia",
    "off": "integrated",
    "on-demand": "hybrid",
    "integrated": "integrated",
    "hybrid": "hybrid",
    "nvidia": "nvidia",
    "dedicated": "nvidia",
    "asusmuxdgpu": "nvidia",
}


@never_raises
def gather(root: Root, addresses: Iterable[str] = ()) -> Power | Missing:
    """Gather the power section; `addresses` are those of the NVIDIA cards."""
    if root.system != "Linux":
        return Missing(f"{root.system} has no {_SUPPLY}")
    return Power(
        on_mains=_on_mains(root),
        battery_percent=_battery(root),
        chassis=_chassis(root),
        graphics_mode=_graphics_mode(root),
        devices=tuple(_device(root, address) for address in addresses),
    )


def _supplies(root: Root, kinds: tuple[str, ...]) -> list[str]:
    names = root.listdir(_SUPPLY)
    folders = [f"{_SUPPLY}/{name}" for name in names[:64]] if isinstance(names, list) else []
    # A mouse's battery is a supply too; its scope is "Device".
    return [f for f in folders if root.read(f"{f}/type", 64) in kinds and root.read(f"{f}/scope", 64) != "Device"]


def _on_mains(root: Root) -> Fact[bool]:
    mains = _supplies(root, ("Mains", "USB"))
    for folder in mains:
        if root.read(f"{folder}/online", 16) in ("1", "2"):
            return Known(True, f"{shown(folder)}/online")
    if not mains:
        return Missing(f"{_SUPPLY} has no mains supply")
    # A charger at a USB port may be told by none of them, so the battery must say that it gives.
    for folder in _supplies(root, ("Battery",)):
        if root.read(f"{folder}/status", 32) == "Discharging":
            return Known(False, f"{shown(folder)}/status")
    return Missing(f"no supply of {_SUPPLY} is on, and no battery says that it discharges")


def _battery(root: Root) -> Fact[int]:
    for folder in _supplies(root, ("Battery",)):
        text = root.read(f"{folder}/capacity", 16)
        if isinstance(text, str) and re.fullmatch(r"[0-9]{1,3}", text):
            return Known(int(text), f"{shown(folder)}/capacity")
    return Missing(f"{_SUPPLY} has no battery of the machine")


def _chassis(root: Root) -> Fact[str]:
    text = root.read(_CHASSIS, 16)
    if isinstance(text, Missing):
        return text
    number = int(text) if re.fullmatch(r"[0-9]{1,3}", text) else 0
    return Known(next((kind for kind, numbers in _KINDS.items() if number in numbers), "other"), _CHASSIS)


def _graphics_mode(root: Root) -> Fact[str]:
    """Return the mode that the first of the tools has set; each keeps it in a file of its own."""
    state = root.read(_BBSWITCH, 256)
    if isinstance(state, str) and state.endswith("OFF"):
        return Known("integrated", _BBSWITCH)
    for path in _ENVYCONTROL:
        if root.is_file(path):
            return Known("integrated", path)
    text = root.read(_PRIME, 64)
    if isinstance(text, str) and text in _MODES:
        return Known(_MODES[text], _PRIME)
    mode = _of_supergfx(root)
    if mode is not None:
        return Known(mode, _SUPERGFX)
    text = root.read(_SYSTEM76, 1 << 14)
    if isinstance(text, str) and re.search(r"^(blacklist nvidia|alias nvidia off)\s*$", text, re.MULTILINE):
        return Known("integrated", _SYSTEM76)
    return Missing("no tool that switches graphics has left its state in a file")


def _of_supergfx(root: Root) -> str | None:
    text = root.read(_SUPERGFX, 1 << 14)
    try:
        document = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    mode = document.get("mode") if isinstance(document, dict) else None
    return _MODES.get(mode.lower()) if isinstance(mode, str) else None


def _device(root: Root, address: str) -> DevicePower:
    folder = f"/sys/bus/pci/devices/{address}/power"
    return DevicePower(
        address=shown(address),
        runtime_status=_word(root, f"{folder}/runtime_status"),
        runtime_control=_word(root, f"{folder}/control"),
    )


def _word(root: Root, path: str) -> Fact[str]:
    text = root.read(path, 64)
    if isinstance(text, Missing):
        return text
    return Known(text, path) if re.fullmatch(r"[a-z]{1,20}", text) else Missing(f"{path} says {text!r}")
