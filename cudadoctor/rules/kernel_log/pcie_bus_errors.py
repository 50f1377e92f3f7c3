"""# The kernel saw errors on the card's PCIe link

## What it checks
Whether the kernel log of this boot has PCIe bus errors (AER) of an NVIDIA card.

## Why it matters
Corrected errors were repaired by the link at the cost of sending again: by themselves they harm nothing, and many of
them say that a link is at its limits.
Errors that were not corrected lose data and often end with a card that falls off the bus.

## How to fix it
Reseat the card, check riser, cables and power, and set the slot to one PCIe generation lower if that does not help.

```sh
nvidia-smi --query-gpu=index,pci.bus_id,pcie.link.gen.current,pcie.link.width.current --format=csv
sudo dmesg --follow | grep -E 'PCIe Bus Error|AER:'
```

## Limits
Corrected errors alone are a note.
The log keeps only this boot, and lines of bridges above the card are not counted.

## Sources
Documentation/PCI/pcieaer-howto.rst of the Linux kernel.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.kernel_log import KernelLog
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.kernel_log.events import shown
from cudadoctor.rules.reading import card_evidence, cards


@rule(
    id="pcie-bus-errors",
    title="The kernel saw errors on the card's PCIe link",
    severity=Severity.WARNING,
    shows={"pcie-aer": 3},
    confirm=Confirm("journalctl -k -b | grep -E 'PCIe Bus Error|AER:'", "errors that name the card's address"),
)
def pcie_bus_errors(kernel_log: KernelLog, pci: Pci | Missing) -> Iterator[Finding]:
    """Warn of errors that were not corrected, and note those that were."""
    events = kernel_log.of_kind("pcie-error")
    # Facts of older versions have both under one kind; the first line then stands for all.
    repaired = tuple(event for event in events if "severity=Correct" in event.text)
    corrected = (*kernel_log.of_kind("pcie-corrected"), *repaired)
    lost = tuple(event for event in events if event not in repaired)
    concerned = lost or corrected
    if not concerned:
        return
    addresses = dict.fromkeys(event.pci_address for event in concerned)
    count = sum(event.count for event in concerned)
    kind = "that were not corrected" if lost else "that were corrected"
    yield finding(
        pcie_bus_errors,
        severity=Severity.WARNING if lost else Severity.NOTE,
        summary=f"Since it booted, the kernel wrote {count} {'line' if count == 1 else 'lines'} about PCIe errors "
        f"{kind}, of the card at {', '.join(list(addresses)[:4])}.",
        cause="The link between card and slot is disturbed: seat, riser, cable, power, or a generation that this path "
        "does not carry.",
        confidence="supported",
        evidence=(
            *shown((*lost, *corrected), kernel_log),
            *(card_evidence(card) for card in cards(pci) if card.address in addresses),
        ),
        fix=Fix(
            "Reseat the card, check riser, cables and power; then set the slot one generation lower in the BIOS."
            if lost
            else "Nothing fails because of them. If they are many, or copies slow, reseat the card and check riser, "
            "cables and power.",
            ("sudo lspci -vv -d 10de: | grep -E '^[0-9a-f]|LnkSta:|CESta:|UESta:'", "sudo dmesg | grep -i aer"),
        ),
    )
