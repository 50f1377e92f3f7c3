"""# The CUDA kernel extension of the Mac is not loaded

## What it checks
Whether the CUDA driver is installed on a Mac, and macOS has not loaded its kernel extension `com.nvidia.CUDA`;
or whether a text shows that it could not be loaded.

## Why it matters
CUDA.kext is the kernel half of the CUDA driver: without it no program reaches the card.
It should be loaded from the start on.

## How to fix it
Load it by hand, and read what macOS says.
From macOS 10.13 on, an extension of another maker must be allowed once: System Preferences, Security & Privacy, "Allow"
beside NVIDIA Corporation.

```sh
kextstat | grep -i cuda
sudo kextload /Library/Extensions/CUDA.kext
```

A line with `com.nvidia.CUDA (1.1.0)` says that it is loaded; this is the extension's version, not that of the driver.

## Limits
macOS loads the extension of a CUDA driver for another macOS too, so one that is loaded is not yet a driver that fits.

## Sources
- CUDA Installation Guide for Mac OS X, verification: <https://docs.nvidia.com/cuda/archive/10.2/>
- Apple, Technical Note TN2459, User-Approved Kernel Extension Loading
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.macos import LAST_WITH_CUDA, MacOS
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.macos.road import card_of, road_of, version_of_macos
from cudadoctor.rules.reading import passed, seen, version_of


@rule(
    id="macos-kext-not-loaded",
    title="The CUDA kernel extension of the Mac is not loaded",
    severity=Severity.ERROR,
    explains=("driver-call-failed", "driver-too-old"),
    shows={"cuda-kext-failed": 9},
    confirm=Confirm("kextstat | grep -i cuda", "nothing, where com.nvidia.CUDA should be"),
)
def macos_kext_not_loaded(
    macos: MacOS | Missing, host: Host | Missing, pci: Pci | Missing, ladder: Ladder | Missing
) -> Iterator[Finding]:
    """Fire where the driver is on the disk, and kextstat does not list its extension."""
    mac = road_of(host, macos, pci)
    if mac is None or passed(ladder, "context"):
        return
    if known(mac.kernel_extension_loaded) is not False or not isinstance(mac.cuda_driver, Known):
        return
    path = known(mac.kernel_extension)
    allowed = (version_of(version_of_macos(host, macos)) or ())[:2] == LAST_WITH_CUDA
    ask = ' In System Preferences, Security & Privacy, press "Allow" beside NVIDIA Corporation.' if allowed else ""
    yield finding(
        macos_kext_not_loaded,
        summary=f"CUDA driver {mac.cuda_driver.value} is installed, but its kernel extension is not loaded, so "
        f"nothing reaches {card_of(pci)}.",
        cause="macOS refused the extension, or waits for permission to load it."
        if path
        else "CUDA.kext is not on the disk.",
        confidence="proven",
        evidence=(
            *seen("CUDA driver", mac.cuda_driver),
            *seen("kernel extension", mac.kernel_extension),
            *seen("kernel extension loaded", mac.kernel_extension_loaded),
        ),
        fix=Fix(
            f"Load it, and read what macOS says.{ask}" if path else "Install the CUDA driver again.",
            ("kextstat | grep -i cuda", *((f"sudo kextload {path}",) if path else ())),
        ),
    )
