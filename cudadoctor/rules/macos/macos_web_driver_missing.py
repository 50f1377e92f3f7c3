"""# The card of the Mac needs NVIDIA's Web Driver

## What it checks
Whether a Mac holds a card of Maxwell or later while Apple's own driver runs its displays.

## Why it matters
Apple's driver knows NVIDIA cards up to Kepler, the last that Apple sold.
A later card in a Mac Pro, or outside of the Mac, is driven by NVIDIA's Web Driver alone, and the CUDA driver builds
upon that.

## How to fix it
Install the Web Driver for the exact build of macOS first, choose it in System Preferences, NVIDIA Driver Manager, start
again, and only then install the CUDA driver.

```sh
sw_vers -buildVersion
kextstat | grep com.nvidia.web
```

## Limits
Turing and later cards have no driver for macOS at all.

## Sources
- The order of the two drivers: <https://github.com/fireice-uk/xmr-stak/issues/287>
- Web Drivers by build of macOS: <https://github.com/Benjamin-Dobell/nvidia-update>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.macos import MacOS
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.macos.road import road_of, version_of_macos
from cudadoctor.rules.reading import card_evidence, cards, names_of, passed, seen, version_of

_MAXWELL, _TURING = (5, 0), (7, 5)


@rule(
    id="macos-web-driver-missing",
    title="The card of the Mac needs NVIDIA's Web Driver",
    severity=Severity.ERROR,
    explains=("macos-kext-not-loaded", "driver-call-failed", "driver-too-old"),
    confirm=Confirm("kextstat | grep -i -E 'nvda|geforce'", "no NVDAResmanWeb"),
)
def macos_web_driver_missing(
    macos: MacOS | Missing, host: Host | Missing, pci: Pci | Missing, ladder: Ladder | Missing
) -> Iterator[Finding]:
    """Fire for a card later than Kepler under Apple's driver, or for one that has no driver for macOS."""
    mac = road_of(host, macos, pci)
    if mac is None or passed(ladder, "context") or known(mac.display_driver) == "nvidia-web":
        return
    capability = {card.device_id: version_of(known(card.compute_capability)) or (0,) for card in cards(pci)}
    later = tuple(card for card in cards(pci) if capability[card.device_id] >= _MAXWELL)
    if not later or len(later) < len(cards(pci)):
        return
    never = all(capability[card.device_id] >= _TURING for card in later)
    fix = Fix(
        "Install the Web Driver of this build of macOS, choose it in NVIDIA Driver Manager, start again, and then "
        "install the CUDA driver.",
        ("sw_vers -buildVersion", "kextstat | grep com.nvidia.web"),
    )
    none = Fix("No driver makes this card work under macOS. Use it under Linux or Windows.")
    yield finding(
        macos_web_driver_missing,
        summary=f"{names_of(later)} is later than what Apple's driver knows"
        + (f", and NVIDIA made no driver for it under macOS {version_of_macos(host, macos)}." if never else "."),
        cause="Apple's driver serves NVIDIA cards up to Kepler; later ones are driven by NVIDIA's Web Driver.",
        confidence="supported",
        evidence=tuple(card_evidence(card) for card in later) + seen("display driver", mac.display_driver),
        fix=none if never else fix,
    )
