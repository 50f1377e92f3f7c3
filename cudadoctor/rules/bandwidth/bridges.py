"""Whose bridge a hop above the GPU is, as far as its PCI ids and its place tell."""

from __future__ import annotations

import re

import msgspec

from cudadoctor.facts.base import known
from cudadoctor.facts.pci import Hop

# Vendor ids of pci-ids.ucw.cz; the device ids of AMD's chipsets stand there as "Chipset ... Upstream Port",
# "Chipset PCIe Port" (43b0 to 43f5, boards of series 300 to 600 and later) and "Matisse Switch" (X570).
_MAKERS = {
    "1000": "Broadcom",
    "10b5": "PLX (Broadcom)",
    "11f8": "Microchip (Switchtec)",
    "1b21": "ASMedia",
    "12d8": "Pericom",
    "1022": "AMD",
    "8086": "Intel",
    "10de": "NVIDIA",
    "1d0f": "Amazon",
    "15b3": "NVIDIA Mellanox",
}
_AMD_CHIPSET = re.compile(r"43[a-f][0-9a-f]|57a[34d]")

# Root ports of Intel's chipsets have been devices 1b, 1c and 1d of bus 0 since ICH6; those of its processors are not.
_INTEL_CHIPSET = re.compile(r"[0-9a-f]+:00:1[bcd]\.[0-7]", re.IGNORECASE)


class Bridge(msgspec.Struct, frozen=True):
    """What a port is, in words for a sentence, and whether it belongs to the chipset of the board."""

    words: str
    chipset: bool


def bridge(port: Hop) -> Bridge:
    """Return what a port is."""
    vendor, device = known(port.vendor_id) or "", known(port.device_id) or ""
    ids = f" [{vendor}:{device}]" if vendor and device else ""
    if vendor == "1022" and _AMD_CHIPSET.fullmatch(device):
        return Bridge(f"port {port.address}{ids} of AMD's chipset", True)
    if vendor == "8086" and _INTEL_CHIPSET.fullmatch(port.address):
        return Bridge(f"root port {port.address}{ids} of Intel's chipset", True)
    maker = _MAKERS.get(vendor)
    return Bridge(f"port {port.address}{ids}" + (f" of {maker}" if maker else ""), False)


def chipset_port(path: tuple[Hop, ...]) -> Bridge | None:
    """Return the port of the board's chipset that a GPU is behind, None where it is behind none that is known."""
    return next((found for port in path[1:] if (found := bridge(port)).chipset), None)
