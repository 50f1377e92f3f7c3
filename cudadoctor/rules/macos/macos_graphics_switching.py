"""# The Mac may switch its NVIDIA card off

## What it checks
Whether a Mac with two GPUs has automatic graphics switching on, or was told to use the integrated one alone.

## Why it matters
With automatic switching macOS turns the NVIDIA card off when no window needs it, and a CUDA program is no window: it
finds no device, or loses the one that it has.

## How to fix it
System Preferences, Energy Saver: take the tick from "Automatic graphics switching".

```sh
pmset -g | grep gpuswitch
sudo pmset -a gpuswitch 1
```

2 is automatic, 1 is the NVIDIA card, 0 is the integrated one.

## Limits
The meaning of the three numbers is what users of `pmset` have found; Apple's page of the program does not say.
While a program of the display holds the NVIDIA card, all works in spite of the setting.

## Sources
- Apple, "Set graphics performance on MacBook Pro": <https://support.apple.com/HT202043>
- Notes of users of CUDA on such Macs: <https://gist.github.com/petrbela>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.macos import MacOS
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.macos.road import card_of, road_of
from cudadoctor.rules.reading import cuda_error, said, seen


@rule(
    id="macos-graphics-switching",
    title="The Mac may switch its NVIDIA card off",
    severity=Severity.WARNING,
    explains=("driver-call-failed",),
    confirm=Confirm("pmset -g | grep gpuswitch", "2, automatic switching"),
)
def macos_graphics_switching(
    macos: MacOS | Missing, host: Host | Missing, pci: Pci | Missing, ladder: Ladder | Missing
) -> Iterator[Finding]:
    """Fire where two GPUs share the displays and the NVIDIA card is not the chosen one."""
    mac = road_of(host, macos, pci)
    if mac is None:
        return
    mode, found = known(mac.graphics_switching), known(mac.cards) or ()
    if mode not in ("automatic", "integrated") or len(found) < 2:
        return
    told = "Automatic graphics switching is on" if mode == "automatic" else "Graphics are set to the integrated GPU"
    lost = cuda_error(ladder, 100)
    yield finding(
        macos_graphics_switching,
        severity=Severity.ERROR if lost is not None else None,
        summary=f"{told}, so macOS turns {card_of(pci)} off when no window needs it.",
        cause="A CUDA program is no window: it finds no device, or loses the one that it has.",
        confidence="supported",
        evidence=(
            *seen("graphics switching", mac.graphics_switching),
            *(Evidence("GPU", card.name, "system_profiler SPDisplaysDataType") for card in found[:3]),
            *((said(lost),) if lost is not None else ()),
        ),
        fix=Fix(
            'In System Preferences, Energy Saver, take the tick from "Automatic graphics switching"; or set it so:',
            ("sudo pmset -a gpuswitch 1", "pmset -g | grep gpuswitch"),
        ),
    )
