"""# The GPU stopped answering on the bus

## What it checks
Whether NVML says that a GPU is lost (code 15), or that it needs a reset (code 16).

## Why it matters
The card fell off the PCI Express bus while the driver held it.
Nothing in software brings it back before a reset, and jobs that used it are lost.

## How to fix it
Read the kernel log for "fallen off the bus" and Xid 79, then power the machine off and on (a warm reboot may not be
enough).
If it comes back: power supply and cables, seat and riser, temperature, BIOS, in this order.

## Limits
A card that was lost before the driver loaded looks like no card at all.

## Sources
NVML return codes 15 and 16 (nvml.h); NVIDIA Xid catalogue, Xid 79.
Met by users in:
- <https://github.com/NVIDIA/open-gpu-kernel-modules/issues/900>
- <https://github.com/NVIDIA/NVSentinel/issues/155>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG
from cudadoctor.rules.reading import card_evidence, cards, names_of, nvml_error, said


@rule(
    id="gpu-fallen-off-bus",
    title="The GPU stopped answering on the bus",
    severity=Severity.ERROR,
    explains=("driver-call-failed", "race-lane-failed"),
)
def gpu_fallen_off_bus(ladder: Ladder, pci: Pci | Missing) -> Iterator[Finding]:
    """Fire where NVML says that a GPU is lost."""
    step = nvml_error(ladder, 15, 16)
    if step is None:
        return
    found = cards(pci)
    who = names_of(found) if found else "A GPU"
    yield finding(
        gpu_fallen_off_bus,
        summary=f"{who} no longer answers the driver: {step.call} failed with {step.code} ({step.code_name}).",
        cause="The link to the card broke while the driver held it: power, seat, riser, heat or a fault of the card.",
        confidence="proven" if step.code == 15 else "supported",
        evidence=(said(step), *(card_evidence(card) for card in found)),
        fix=Fix(
            "Read what the kernel said, then power the machine off and on again. If it happens again, check power "
            "cables, seat, riser and temperature.",
            (LOOK_AT_DRIVER_LOG, "sudo poweroff"),
        ),
    )
