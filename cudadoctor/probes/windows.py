"""Gather what Windows alone tells: the driver's files, the cards in the registry, and the CUDA libraries on PATH."""

from __future__ import annotations

import os
import re
import struct
import sys
from collections.abc import Iterator, Mapping
from typing import Protocol

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.pci import Pci, PciDevice
from cudadoctor.facts.windows import Windows, WindowsCard
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.pci import of_card
from cudadoctor.probes.root import Root, shown
from cudadoctor.tables import pci_card

_DISPLAY = "{4d36e968-e325-11ce-bfc1-08002be10318}"
"""The setup class of display adapters (learn.microsoft.com, System-Defined Device Setup Classes)."""

_PCI = r"SYSTEM\CurrentControlSet\Enum\PCI"
_CLASSES = r"SYSTEM\CurrentControlSet\Control\Class"
_NVIDIA = re.compile(r"VEN_10DE&DEV_([0-9A-F]{4})", re.IGNORECASE)
_MOST_LIBRARY_BYTES = 64 << 20
_FIXED_FILE_INFO = struct.pack("<II", 0xFEEF04BD, 0x00010000)  # VS_FIXEDFILEINFO: its signature and its own version


class Registry(Protocol):
    """HKEY_LOCAL_MACHINE, as far as this file reads it; what is not there has no keys and no values."""

    def keys(self, path: str) -> list[str]:
        """Return the names of the keys under a key."""

    def text(self, path: str, name: str) -> str:
        """Return a value that is text, "" for none."""


@never_raises
def gather(root: Root, environ: Mapping[str, str] | None = None, registry: Registry | None = None) -> Windows | Missing:
    """Gather the section of Windows.

    Args:
        root: The machine's files.
        environ: The variables to go by, this process's own by default.
        registry: What to read instead of this machine's registry.
    """
    if root.system != "Windows" and registry is None:
        return Missing("this is no Windows")
    variables = root.variables(environ)
    system = os.path.join(variables.get("SystemRoot") or "C:\\Windows", "System32")
    nvcuda = _file(root, [system], "nvcuda.dll")
    return Windows(
        cards=_cards(registry or _registry()),
        nvcuda=nvcuda,
        nvcuda_release=_release_of_file(root, nvcuda),
        nvml=_file(root, [system, *_nvsmi(variables)], "nvml.dll"),
        nvidia_smi=_file(root, [system, *_nvsmi(variables)], "nvidia-smi.exe"),
        runtime_libraries=tuple(_runtime_libraries(root, variables)),
    )


def bus(section: Windows | Missing) -> Pci | Missing:
    """Return the cards of the registry in the form of the PCI bus."""
    if isinstance(section, Missing):
        return section
    if isinstance(section.cards, Missing):
        return section.cards
    if not section.cards.value:
        # A card that Windows has no entry for, or whose entry may not be read, is not proven to be absent.
        return Missing("the registry has no entry of an NVIDIA display card")
    return Pci(devices=tuple(_on_bus(card) for card in section.cards.value), source=section.cards.source)


def release_of(version: str) -> str:
    """Return the driver release in a version of Windows' kind: `560.94` of `32.0.15.6094`; "" for no such version."""
    parts = version.strip().split(".")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and len(part) <= 5 for part in parts):
        return ""
    digits = (parts[2] + parts[3].rjust(4, "0"))[-5:]
    return f"{int(digits[:3])}.{digits[3:]}" if len(digits) == 5 else ""


def _on_bus(card: WindowsCard) -> PciDevice:
    untold = Missing("Windows does not tell it here")
    service = card.service
    row = pci_card(card.device_id)
    return PciDevice(
        address="",
        device_id=card.device_id,
        class_code="0300",
        name=card.name,
        architecture=of_card(row, "architecture", card.device_id),
        compute_capability=of_card(row, "compute_capability", card.device_id),
        bound_driver=Known(service.value, service.source) if isinstance(service, Known) else service,
        power_state=untold,
        numa_node=untold,
        path=(),
    )


def _cards(registry: Registry | None) -> Fact[tuple[WindowsCard, ...]]:
    if registry is None:
        return Missing("this Python has no access to the registry")
    source = rf"HKLM\{_PCI}"
    names = registry.keys(_PCI)
    if not names:
        return Missing(f"{source} could not be read")
    return Known(tuple(card for name in names for card in _instances(registry, name)), source)


def _instances(registry: Registry, name: str) -> Iterator[WindowsCard]:
    match = _NVIDIA.match(name)
    if match is None:
        return
    device_id = match[1].lower()
    for instance in registry.keys(rf"{_PCI}\{name}"):
        path = rf"{_PCI}\{name}\{instance}"
        if registry.text(path, "ClassGUID").lower() != _DISPLAY:
            continue  # the sound and USB parts of a card
        service = registry.text(path, "Service")
        # "@oem12.inf,%nvidia_dev.2786%;NVIDIA GeForce RTX 4070": the name comes last.
        name_told = registry.text(path, "DeviceDesc").rpartition(";")[2]
        driver = registry.text(path, "Driver")
        version = registry.text(rf"{_CLASSES}\{driver}", "DriverVersion") if driver else ""
        release = release_of(version) if service.lower() == "nvlddmkm" else ""
        row = pci_card(device_id)
        known_name = name_told if "NVIDIA" in name_told.upper() else (row.name or "") if row else ""
        yield WindowsCard(
            device_id=device_id,
            name=Known(shown(known_name)[:100], "registry") if known_name else Missing("the registry does not tell it"),
            service=Known(service, rf"HKLM\{_PCI}: Service") if service else Missing("no driver is set for the card"),
            driver_release=Known(release, f"DriverVersion {version}") if release else Missing("no driver of NVIDIA's"),
        )


def _nvsmi(variables: Mapping[str, str]) -> list[str]:
    """Return where the tools were until drivers of 2020 put them into System32."""
    return [os.path.join(variables.get("ProgramFiles") or "C:\\Program Files", "NVIDIA Corporation", "NVSMI")]


def _file(root: Root, folders: list[str], name: str) -> Fact[str]:
    for folder in folders:
        path = os.path.join(folder, name)
        if root.is_file(path):
            return Known(shown(path), shown(folder))
    return Missing(f"there is no {shown(os.path.join(folders[0], name))}")


def _release_of_file(root: Root, path: Fact[str]) -> Fact[str]:
    """Return the driver release in the version resource of a library, read from its bytes."""
    if isinstance(path, Missing):
        return path
    data = root.read_bytes(path.value, _MOST_LIBRARY_BYTES)
    if isinstance(data, Missing):
        return data
    place = data.rfind(_FIXED_FILE_INFO)
    if place < 0 or len(data) < place + 16:
        return Missing(f"{path.value} has no version")
    high, low = struct.unpack_from("<II", data, place + 8)
    version = f"{high >> 16}.{high & 0xFFFF}.{low >> 16}.{low & 0xFFFF}"
    release = release_of(version)
    return Known(release, f"file version {version} of {path.value}") if release else Missing(f"it is {version}")


def _runtime_libraries(root: Root, variables: Mapping[str, str]) -> Iterator[str]:
    seen = set()
    for folder in variables.get("PATH", "").split(os.pathsep)[:256]:
        if not os.path.isabs(folder) or "cuda" not in folder.lower():
            continue  # the folders of CUDA carry its name; to list all others would cost more than it tells
        names = root.listdir(folder)
        for name in names if isinstance(names, list) else ():
            path = os.path.join(folder, name)
            if re.fullmatch(r"cudart64_\d{1,4}\.dll", name, re.IGNORECASE) and path not in seen:
                seen.add(path)
                yield shown(path)


def _registry() -> Registry | None:
    if sys.platform != "win32":
        return None
    try:
        import winreg  # noqa: F401 - a Python of another maker may lack it
    except ImportError:
        return None
    return _LocalMachine()


class _LocalMachine:
    """This machine's HKEY_LOCAL_MACHINE."""

    def keys(self, path: str) -> list[str]:
        """Return the names of the keys under a key."""
        import winreg

        names: list[str] = []
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:  # type: ignore[attr-defined,unused-ignore]
                while len(names) < 4096:
                    names.append(winreg.EnumKey(key, len(names)))  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            pass  # the end of the list, or no such key
        return names

    def text(self, path: str, name: str) -> str:
        """Return a value that is text, "" for none."""
        import winreg

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:  # type: ignore[attr-defined,unused-ignore]
                value, _ = winreg.QueryValueEx(key, name)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return ""
        return value if isinstance(value, str) else ""
