"""What rules about Macs have in common: which macOS it is, its NVIDIA card, and where its drivers were published."""

from __future__ import annotations

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.macos import LAST_WITH_CUDA, MacOS
from cudadoctor.facts.pci import Pci
from cudadoctor.rules.base import CannotJudgeError
from cudadoctor.rules.reading import cards, names_of, system_of, version_of

ARCHIVE = "https://www.nvidia.com/en-us/drivers/cuda/mac-driver-archive/"
GUIDES = "https://docs.nvidia.com/cuda/archive/"
_FIRST_DARWIN_WITHOUT = 18
"""Darwin 17 is macOS 10.13, Darwin 18 is 10.14 (en.wikipedia.org/wiki/Darwin_(operating_system))."""


def version_of_macos(host: Host | Missing, macos: MacOS | Missing) -> str:
    """Return the version of macOS (`10.13.6`), "" where neither file nor host tells it."""
    told = known(macos.version) if isinstance(macos, MacOS) else None
    if told is None and isinstance(host, Host):
        name, _, number = (known(host.distribution) or "").partition(" ")
        told = number if name == "macOS" else ""
    return told or ""


def lost_cuda(host: Host | Missing, macos: MacOS | Missing) -> bool | None:
    """Say whether this is a Mac that no CUDA was made for; None where it is no Mac, or not known which."""
    if system_of(host) != "Darwin" or not isinstance(host, Host):
        return None
    if (known(host.architecture) or "").startswith("arm"):
        return True
    version = version_of(version_of_macos(host, macos))
    if version is not None and len(version) >= 2:
        return version[:2] > LAST_WITH_CUDA
    if version is not None:
        return version[0] > LAST_WITH_CUDA[0]
    darwin = version_of(known(host.kernel_release))
    return None if darwin is None else darwin[0] >= _FIRST_DARWIN_WITHOUT


def road_of(host: Host | Missing, macos: MacOS | Missing, pci: Pci | Missing) -> MacOS | None:
    """Return the Mac's section where CUDA was made for this macOS, and an NVIDIA card or a CUDA driver is there.

    Raises:
        CannotJudgeError: It is such a Mac, but its section is missing, or whether it has such a card is not known.
    """
    if lost_cuda(host, macos) is not False or (isinstance(pci, Pci) and not pci.devices):
        return None
    if isinstance(macos, Missing):
        raise CannotJudgeError(f"the section macos is missing: {macos.reason}")
    if isinstance(pci, Missing) and isinstance(macos.cuda_driver, Missing):
        raise CannotJudgeError(f"whether this Mac holds an NVIDIA card is not known: {pci.reason}")
    return macos


def card_of(pci: Pci | Missing) -> str:
    """Return the Mac's NVIDIA card for a sentence."""
    return f"the {names_of(cards(pci))}" if cards(pci) else "the NVIDIA card"


def fitting_toolkit(version: str) -> str:
    """Return which toolkit to take, for a sentence: what is known here for 10.13, else where it stands written."""
    if (version_of(version) or ())[:2] == LAST_WITH_CUDA:
        return "CUDA 10.2, the last for macOS"
    return f"one whose installation guide names macOS {version or 'of this Mac'} ({GUIDES})"
