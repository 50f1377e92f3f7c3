"""Gather what CUDA needs on a Mac: from files, and from four small programs of macOS that are asked at once.

Nothing is asked of a macOS that has no CUDA: 10.14 and later, and every Mac with Apple silicon. The same holds for a
tree of another Mac's files, where only files are read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from cudadoctor.facts.base import Fact, Known, Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Step, StepState
from cudadoctor.facts.macos import LAST_WITH_CUDA, MacCard, MacOS
from cudadoctor.facts.pci import Pci, PciDevice
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.pci import of_card
from cudadoctor.probes.programs import outputs
from cudadoctor.probes.root import Root
from cudadoctor.tables import pci_card

SYSTEM_VERSION = "/System/Library/CoreServices/SystemVersion.plist"
FRAMEWORK = "/Library/Frameworks/CUDA.framework"
LIBCUDA = ("/usr/local/cuda/lib/libcuda.dylib", f"{FRAMEWORK}/CUDA", f"{FRAMEWORK}/Versions/A/CUDA")
_INFO = (f"{FRAMEWORK}/Versions/A/Resources/Info.plist", f"{FRAMEWORK}/Resources/Info.plist")
_KEXTS = ("/Library/Extensions/CUDA.kext", "/System/Library/Extensions/CUDA.kext")
_WEB_DRIVER = "/Library/Extensions/NVDAStartupWeb.kext"
NO_NUMBA = "numba has no CUDA on macOS any more, so no kernel was tried"

_PROGRAMS = {
    "cards": ("/usr/sbin/system_profiler", "SPDisplaysDataType"),
    "kexts": ("/usr/sbin/kextstat", "-l"),
    "power": ("/usr/bin/pmset", "-g"),
    "protection": ("/usr/bin/csrutil", "status"),
}
_LIMIT_S = 5.0


def version(root: Root) -> Fact[str]:
    """Return the version of macOS (`10.13.6`), from the file that macOS itself reads it from."""
    text = root.read(SYSTEM_VERSION, 1 << 16)
    if isinstance(text, Missing):
        return text
    number = _plist_string(text, "ProductVersion")
    return Known(number, SYSTEM_VERSION) if number else Missing(f"{SYSTEM_VERSION} has no ProductVersion")


def has_cuda(number: str, architecture: str) -> bool:
    """Say whether there has ever been a CUDA for this macOS."""
    parts = [int(part) for part in re.findall(r"\d{1,4}", number)[:2]]
    major, minor = LAST_WITH_CUDA
    return bool(parts) and tuple(parts) < (major, minor + 1) and not architecture.startswith("arm")


def may_have_driver(root: Root) -> bool:
    """Say whether a CUDA driver can be here at all, so that asking it is worth a child."""
    found = version(root)
    if not isinstance(found, Known) or (root.is_live and not has_cuda(found.value, os.uname().machine)):
        return False
    return any(root.exists(path) for path in LIBCUDA)


def steps(section: MacOS | Missing, asked: Mapping[str, Step]) -> dict[str, Step]:
    """Return the ladder's steps in the terms of a Mac: what macOS has not is not reached, and no failure."""
    told = dict(asked)
    told["kernel-driver"] = _unreached("kernel-driver", "macOS does not tell which driver holds a card")
    told["device-nodes"] = _unreached("device-nodes", "CUDA has no device nodes on macOS")
    told["nvml"] = _unreached("nvml", "NVIDIA made no NVML for macOS")
    if isinstance(section, Missing):
        return told
    if isinstance(section.display_driver, Known):
        named = {"apple": "Apple's own driver", "nvidia-web": "NVIDIA's Web Driver"}[section.display_driver.value]
        told["kernel-driver"] = Step(name="kernel-driver", state="passed", call="kextstat", detail=f"{named} is loaded")
    loaded = section.kernel_extension_loaded
    if isinstance(loaded, Missing):
        told["kernel-module"] = _unreached("kernel-module", loaded.reason)
    else:
        detail = "the kernel extension com.nvidia.CUDA is " + ("loaded" if loaded.value else "not loaded")
        state: StepState = "passed" if loaded.value else "failed"
        told["kernel-module"] = Step(name="kernel-module", state=state, call="kextstat", detail=detail)
    if isinstance(section.version, Known) and not has_cuda(section.version.value, ""):
        told["libcuda"] = _unreached("libcuda", "it was not asked: there is no CUDA for this macOS")
    elif isinstance(section.libcuda, Missing) and "libcuda" in told:
        detail = section.libcuda.reason
        told["libcuda"] = Step(name="libcuda", state="failed", call="search for libcuda.dylib", detail=detail)
    return told


def _unreached(name: str, detail: str) -> Step:
    return Step(name=name, state="not reached", call="", detail=detail)


@never_raises
def gather(root: Root, host: Host | Missing) -> MacOS | Missing:
    """Gather the section of a Mac."""
    if root.system != "Darwin":
        return Missing("this is no Mac")
    found = version(root)
    architecture = (known(host.architecture) or "") if isinstance(host, Host) else ""
    said: Mapping[str, str | Missing]
    if not root.is_live:
        said = dict.fromkeys(_PROGRAMS, Missing("--sysroot: no program of that machine is run"))
    elif isinstance(found, Known) and not has_cuda(found.value, architecture):
        said = dict.fromkeys(_PROGRAMS, Missing("it was not asked: there is no CUDA for this macOS"))
    else:
        said = outputs(_PROGRAMS, limit_s=_LIMIT_S)
    return describe(root, found, said)


def describe(root: Root, found: Fact[str], said: Mapping[str, str | Missing]) -> MacOS:
    """Make the section of the files, and of what the programs said."""
    extension = next((path for path in _KEXTS if root.is_dir(path)), None)
    library = next((path for path in LIBCUDA if root.exists(path)), None)
    return MacOS(
        version=found,
        cards=_cards(said["cards"]),
        cuda_driver=_cuda_driver(root),
        libcuda=Known(library, "search") if library else Missing(f"there is neither {LIBCUDA[0]} nor {LIBCUDA[1]}"),
        kernel_extension=Known(extension, "search") if extension else Missing(f"there is no {' and no '.join(_KEXTS)}"),
        kernel_extension_loaded=_loaded(said["kexts"]),
        display_driver=_display_driver(root, said["kexts"]),
        integrity_protection=_protection(said["protection"]),
        graphics_switching=_switching(said["power"]),
    )


def bus(section: MacOS | Missing) -> Pci | Missing:
    """Return the NVIDIA cards in the form of the PCI bus, which macOS shows only through `system_profiler`."""
    if isinstance(section, Missing):
        return section
    if isinstance(section.cards, Missing):
        return section.cards
    found = tuple(_on_bus(card) for card in section.cards.value if card.vendor_id == "10de")
    return Pci(devices=found, source=section.cards.source)


def _on_bus(card: MacCard) -> PciDevice:
    untold = Missing("macOS does not tell it")
    row = pci_card(card.device_id)
    return PciDevice(
        address="",
        device_id=card.device_id,
        class_code="0300",
        name=Known(card.name, "system_profiler SPDisplaysDataType"),
        architecture=of_card(row, "architecture", card.device_id),
        compute_capability=of_card(row, "compute_capability", card.device_id),
        bound_driver=untold,
        power_state=untold,
        numa_node=untold,
        path=(),
    )


def _plist_string(text: str, key: str) -> str:
    """Return a string of a property list in XML, as Apple's tools write it; "" where there is none."""
    match = re.search(rf"<key>{key}</key>\s*<string>([^<]{{1,100}})</string>", text)
    return match[1].strip() if match else ""


def _cuda_driver(root: Root) -> Fact[str]:
    for path in _INFO:
        text = root.read(path, 1 << 16)
        number = _plist_string(text, "CFBundleVersion") if isinstance(text, str) else ""
        match = re.search(r"\d{1,4}(\.\d{1,5}){1,3}", number)
        if match:
            return Known(match[0], path)
    if root.is_dir(FRAMEWORK):
        return Missing(f"{_INFO[0]} does not tell it")
    return Missing(f"there is no {FRAMEWORK}")


def _cards(text: str | Missing) -> Fact[tuple[MacCard, ...]]:
    if isinstance(text, Missing):
        return text
    found = []
    # Each card begins with its chipset; the lines about its displays come after its ids.
    for part in re.split(r"^\s*Chipset Model:\s*", text, flags=re.MULTILINE)[1:]:
        vendor = re.search(r"^\s*Vendor:[^\n(]*\(0x([0-9a-f]{4})\)", part, re.MULTILINE | re.IGNORECASE)
        device = re.search(r"^\s*Device ID: 0x([0-9a-f]{4})\b", part, re.MULTILINE | re.IGNORECASE)
        name = part.partition("\n")[0].strip()[:100]
        found.append(
            MacCard(
                name=name,
                vendor_id=vendor[1].lower() if vendor else "10de" if name.startswith("NVIDIA") else "",
                device_id=device[1].lower() if device else "",
            )
        )
    return Known(tuple(found), "system_profiler SPDisplaysDataType")


def _loaded(text: str | Missing) -> Fact[bool]:
    return text if isinstance(text, Missing) else Known("com.nvidia.CUDA " in text, "kextstat")


def _display_driver(root: Root, text: str | Missing) -> Fact[str]:
    if isinstance(text, Missing):
        if root.exists(_WEB_DRIVER):
            return Missing(f"{_WEB_DRIVER} is there, but whether it is used is not known: {text.reason}")
        return text
    if "com.nvidia.web." in text:
        return Known("nvidia-web", "kextstat")
    if "com.apple.GeForce" in text or "com.apple.nvidia" in text:
        return Known("apple", "kextstat")
    return Missing("kextstat names no driver of an NVIDIA display")


def _protection(text: str | Missing) -> Fact[bool]:
    if isinstance(text, Missing):
        return text
    match = re.search(r"status: (enabled|disabled)", text)
    return Known(match[1] == "enabled", "csrutil status") if match else Missing("csrutil does not say")


def _switching(text: str | Missing) -> Fact[str]:
    if isinstance(text, Missing):
        return text
    match = re.search(r"^\s*gpuswitch\s+([012])\b", text, re.MULTILINE)
    if match is None:
        return Missing("pmset has no gpuswitch: this Mac does not switch between two GPUs")
    return Known(("integrated", "discrete", "automatic")[int(match[1])], "pmset -g")
