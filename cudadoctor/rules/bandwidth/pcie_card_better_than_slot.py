"""# The card could do more than its slot

## What it checks
Whether the GPU supports a higher PCIe generation or more lanes than the port that it is plugged into.

## Why it matters
The link runs at what both ends can do.
A newer card in an older slot is healthy; it only copies at the slot's rate, and a reading below the card's own maximum
is then no fault.

## How to fix it
Nothing is wrong.
For more bandwidth, use a slot or a board with more lanes or a newer generation.

```sh
sudo dmidecode -t slot
lspci -tv
```

## Limits
A note at most.
Ports that a hypervisor made up say nothing of the slot, and a path that is hidden cannot be compared.
Whether the slot is wired for as many lanes as its port could have is not told by the port.

## Sources
/sys/bus/pci/devices: max_link_speed and max_link_width of the GPU and of the port above it.
NVML tells the same as GpuMaxPcieLinkGeneration above MaxPcieLinkGeneration (nvml.h).
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.bandwidth import Bandwidth, ExpectedLink
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.bandwidth.hops import most_of, path_of, path_seen
from cudadoctor.rules.base import finding, rule
from cudadoctor.units import pcie_line_rate_gb_per_s

_ROUNDING = 1.02


@rule(
    id="pcie-card-better-than-slot",
    title="The card could do more than its slot",
    severity=Severity.NOTE,
    confirm=Confirm(
        "nvidia-smi --query-gpu=name,pcie.link.gen.gpumax,pcie.link.gen.max,pcie.link.width.max --format=csv",
        "a greater generation under gpumax than under max",
    ),
)
def pcie_card_better_than_slot(bandwidth: Bandwidth, pci: Pci) -> Iterator[Finding]:
    """Note a slot that is the narrowest hop because it supports less than the card."""
    expected, path = bandwidth.expected, path_of(bandwidth, pci)
    if not isinstance(expected, ExpectedLink) or not path_seen(expected) or len(path) < 2:
        return
    card, slot = most_of(path[0]), most_of(path[1])
    if card is None or slot is None:
        return
    both = (min(card[0], slot[0]), min(card[1], slot[1]))
    could, can = pcie_line_rate_gb_per_s(*card), pcie_line_rate_gb_per_s(*both)
    # A narrower hop above it, or a link that trained below what both can do, is another cause.
    if could is None or can is None or could <= can * _ROUNDING or expected.gb_per_s * _ROUNDING < can:
        return
    yield finding(
        pcie_card_better_than_slot,
        summary=f"{bandwidth.device_name} could do Gen{card[0]} x{card[1]} ({could:g} GB/s); its slot, "
        f"{path[1].address}, does Gen{slot[0]} x{slot[1]}, so the link carries {can:g} GB/s at most.",
        cause="The slot is of an older generation or has fewer lanes than the card. The link is as good as it can be.",
        confidence="supported",
        evidence=(
            Evidence("most of the card", f"Gen{card[0]} x{card[1]}", f"/sys/bus/pci/devices/{path[0].address}"),
            Evidence("most of the slot's port", f"Gen{slot[0]} x{slot[1]}", f"/sys/bus/pci/devices/{path[1].address}"),
            Evidence("link during the copies", f"Gen{expected.generation} x{expected.width}", expected.source),
        ),
        fix=Fix("Nothing is wrong; only a better slot or board gives more.", ("lspci -tv",)),
    )
