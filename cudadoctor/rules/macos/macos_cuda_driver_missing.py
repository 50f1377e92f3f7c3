"""# The CUDA driver of the Mac is missing

## What it checks
Whether a Mac with an NVIDIA card, and a macOS that has CUDA, lacks CUDA.framework or its libcuda; or
whether a text of such a Mac says that no driver was found.

## Why it matters
On a Mac the driver of the display does not bring CUDA: NVIDIA's CUDA driver is a package of its own.
Without it `deviceQuery` answers 35, "driver version is insufficient".

## How to fix it
Install the CUDA driver whose page names this very macOS; the pages stand in NVIDIA's archive of Mac drivers.
One for another macOS installs its files and finds no card.
For a card of Maxwell or Pascal install the Web Driver first.

```sh
open https://www.nvidia.com/en-us/drivers/cuda/mac-driver-archive/
ls -d /Library/Frameworks/CUDA.framework /Library/Extensions/CUDA.kext
kextstat | grep -i cuda
```

## Limits
The rule sees the files, not whether they are those for this macOS.

## Sources
- CUDA Installation Guide for Mac OS X: <https://docs.nvidia.com/cuda/archive/10.2/cuda-installation-guide-mac-os-x/>

Met by users in:
- <https://github.com/pytorch/pytorch/issues/3090>
- <https://github.com/torch/cutorch/issues/318>
- <https://github.com/fireice-uk/xmr-stak/issues/287>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.host import Host
from cudadoctor.facts.macos import MacOS
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.macos.road import ARCHIVE, card_of, road_of, version_of_macos
from cudadoctor.rules.reading import card_evidence, cards, seen


@rule(
    id="macos-cuda-driver-missing",
    title="The CUDA driver of the Mac is missing",
    severity=Severity.ERROR,
    explains=("macos-kext-not-loaded", "libcuda-missing", "driver-too-old", "driver-call-failed"),
    shows={"mac-with-cuda no-nvidia-driver !mac-10-14": 9, "mac-with-cuda too-old-driver !mac-10-14": 5},
    confirm=Confirm(
        "ls -d /Library/Frameworks/CUDA.framework; ls -l /usr/local/cuda/lib/libcuda.dylib", "No such file or directory"
    ),
)
def macos_cuda_driver_missing(macos: MacOS | Missing, host: Host | Missing, pci: Pci | Missing) -> Iterator[Finding]:
    """Fire where neither the framework nor a libcuda is there."""
    mac = road_of(host, macos, pci)
    if mac is None or isinstance(mac.cuda_driver, Known) or isinstance(mac.libcuda, Known):
        return
    version = version_of_macos(host, macos)
    yield finding(
        macos_cuda_driver_missing,
        summary=f"This Mac has {card_of(pci)}, but no CUDA driver is installed under macOS {version}.",
        cause="The driver of the display does not bring CUDA on a Mac: the CUDA driver is a package of its own.",
        confidence="proven",
        evidence=(
            *(card_evidence(card) for card in cards(pci)),
            *seen("macOS", mac.version),
            Evidence("CUDA driver", "not found", mac.cuda_driver.reason),
            Evidence("libcuda", "not found", mac.libcuda.reason),
        ),
        fix=Fix(
            f"Install the CUDA driver whose page names macOS {version}, and start the Mac again.",
            (f"open {ARCHIVE}", "kextstat | grep -i cuda"),
        ),
    )
