"""# The GPU stopped answering on the bus

## What it checks
Whether NVML says that a GPU is lost (code 15) or needs a reset (code 16), or the kernel log of this boot says that a
card fell off the bus (Xid 79, or the same words without an Xid) that does not answer now.

## Why it matters
The card fell off the PCI Express bus while the driver held it.
Nothing in software brings it back before a reset, and jobs that used it are lost.
If it happens while the driver loads, there is no Xid, and the module does not stay loaded.

## How to fix it
Power the machine off and on (a warm reboot may not be enough).
If it comes back: power supply and cables, seat and riser, temperature, BIOS, in this order; for an external GPU a
lower link generation in the BIOS.

```sh
sudo dmesg | grep -iE 'nvrm|nvidia|xid'
sudo poweroff
```

## Limits
A card that was lost before the driver loaded looks like no card at all.
A card that was reset since, and answers, is not reported.
Without the right to read the kernel log, only NVML's codes tell.

## Sources
NVML return codes 15 and 16 (nvml.h); NVIDIA Xid catalogue, Xid 79.
Met by users in:
- <https://github.com/NVIDIA/open-gpu-kernel-modules/issues/900>
- <https://github.com/NVIDIA/NVSentinel/issues/155>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.kernel_log import KernelEvent, KernelLog
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci, PciDevice
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG
from cudadoctor.rules.kernel_log.events import GUESTS, of_dead_cards, of_kind, shown, xids
from cudadoctor.rules.reading import card_evidence, cards, names_of, nvml_error, said, text_of


@rule(
    id="gpu-fallen-off-bus",
    title="The GPU stopped answering on the bus",
    severity=Severity.ERROR,
    explains=(
        "no-nvidia-gpu-active",
        "kernel-module-not-loaded",
        "driver-call-hung",
        "driver-call-crashed",
        "gsp-timeout",
        "device-node-permission",
        "driver-call-failed",
        "race-lane-failed",
    ),
    shows={
        "xid:79": 8,
        "off-bus": 8,
        "nvml:15": 8,
        "gpu-lost-column": 3,
        "xid:154": 2,
        "wsl nvml:15": -7,
        "hybrid-off": -7,
        "gpu-vanishes": 3,
        "gpu-vanishes adapter-failed": 4,
    },
    confirm=Confirm(
        "lspci -d 10de:; journalctl -k -b | grep -iE 'off the bus|xid.*: 79'",
        'a card with "(rev ff)", or a line that it has fallen off the bus',
    ),
)
def gpu_fallen_off_bus(
    ladder: Ladder, pci: Pci | Missing, kernel_log: KernelLog | Missing, nvml: Nvml | Missing
) -> Iterator[Finding]:
    """Fire where NVML says that a GPU is lost, or the kernel said so of one that does not answer."""
    step = nvml_error(ladder, 15, 16)
    found = cards(pci)
    given_away = {card.address for card in found if text_of(card.bound_driver) in GUESTS}
    events = (*of_kind(kernel_log, "fallen-off-bus"), *xids(kernel_log, 79))
    events = tuple(event for event in events if event.pci_address not in given_away)
    lost = of_dead_cards(events, nvml, ladder)
    if step is None and not lost:
        return
    lost_cards = _named(lost, found)
    who = names_of(lost_cards) if lost_cards else "A GPU"
    if step is not None:
        told = f"{step.call} failed with {step.code} ({step.code_name})"
    else:
        told = f"the kernel says that {lost[0].pci_address or 'it'} fell off the bus"
    yield finding(
        gpu_fallen_off_bus,
        summary=f"{who} no longer answers the driver: {told}.",
        cause="The link to the card broke while the driver held it: power, seat, riser, heat or a fault of the card.",
        confidence="proven" if lost or (step is not None and step.code == 15) else "supported",
        evidence=(
            *((said(step),) if step is not None else ()),
            *shown(lost or events, kernel_log),
            *(card_evidence(card) for card in lost_cards),
        ),
        fix=Fix(
            "Read what the kernel said, then power the machine off and on again. If it happens again, check power "
            "cables, seat, riser and temperature.",
            (LOOK_AT_DRIVER_LOG, "sudo poweroff"),
        ),
    )


def _named(lost: tuple[KernelEvent, ...], found: tuple[PciDevice, ...]) -> tuple[PciDevice, ...]:
    """Return the cards that the events name; all on the bus where nothing names one."""
    addresses = {event.pci_address for event in lost if event.pci_address}
    return tuple(card for card in found if card.address in addresses) if addresses else found
