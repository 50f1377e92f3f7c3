"""# The GPU got no memory window

## What it checks
Whether the kernel log says that a BAR of a card is invalid or could not be assigned ("BAR1 is 0M", "can't assign; no
space"), and that card does not answer.

## Why it matters
The processor reaches a GPU through windows (BARs) in its address space, and those of today's cards are as large as
their memory.
A BIOS without Above 4G Decoding, or a virtual machine whose 64-bit window is too small, has no room for them: the
driver's probe fails, and the GPU is missing though it is on the bus.

## How to fix it
Bare metal: turn on Above 4G Decoding (and Resizable BAR) in the BIOS, and boot by UEFI.
Virtual machine: UEFI firmware and a 64-bit MMIO window larger than the memory of all its GPUs together.
This reboots into the setup of the firmware:

```sh
sudo systemctl reboot --firmware-setup
```

## Limits
Kernels often fail to assign a BAR at first and succeed later, so a card that answers is never accused.
Without the right to read the kernel log nothing is seen.

## Sources
nv-pci.c of NVIDIA's open kernel modules ("BAR%d is %lldM"); drivers/pci/setup-res.c of the kernel.
Met by users in:
- <https://github.com/NVIDIA/gpu-operator/issues/492>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_log import KernelLog
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.kernel_log.events import of_dead_cards, of_kind, shown
from cudadoctor.rules.reading import card_evidence, card_name, cards, container_of


@rule(
    id="bar-or-bios-resources",
    title="The GPU got no memory window",
    severity=Severity.ERROR,
    explains=(
        "gpu-fallen-off-bus",
        "no-nvidia-gpu-active",
        "kernel-module-not-loaded",
        "device-node-permission",
        "driver-call-failed",
    ),
    shows={
        "bar-failed": 9,
        "adapter-failed": 5,
        "adapter-failed smi-no-devices": 2,
        "smi-no-devices": 3,
        "rebar": 4,
        "rebar smi-no-devices": 5,
        "rebar adapter-failed": 3,
        "gsp-dead": -4,
    },
    confirm=Confirm(
        "lspci -vv -d 10de: 2>/dev/null | grep -E '^[0-9a-f]|Region'",
        "<unassigned> or <ignored> behind a region of the card, or no Region 1",
    ),
)
def bar_or_bios_resources(
    kernel_log: KernelLog, ladder: Ladder, pci: Pci | Missing, nvml: Nvml | Missing, host: Host | Missing
) -> Iterator[Finding]:
    """Fire where the kernel gave a card no window and the card does not answer."""
    refused = of_dead_cards(kernel_log.of_kind("bar-invalid", "bar-unassigned"), nvml, ladder)
    # Only the driver's own complaint proves it; a BAR that the bus driver could not assign may not be needed.
    invalid = any(event.kind == "bar-invalid" for event in refused)
    failures = of_dead_cards(of_kind(kernel_log, "probe-failed", "rm-init-failed"), nvml, ladder)
    if not refused or not (invalid or failures):
        return
    addresses = {event.pci_address for event in refused if event.pci_address}
    found = tuple(card for card in cards(pci) if not addresses or card.address in addresses)
    who = ", ".join(f"{card_name(card)} at {card.address}" for card in found[:4]) or "A GPU"
    inside = container_of(host)
    yield finding(
        bar_or_bios_resources,
        summary=f"{who} has no window in the address space: {refused[0].text.removeprefix('NVRM: ')}.",
        cause="The firmware, or the virtual machine, has no 64-bit address space to spare that would hold the "
        "windows (BARs) of all GPUs.",
        confidence="proven" if invalid else "supported",
        evidence=(*shown((*refused, *failures), kernel_log), *(card_evidence(card) for card in found)),
        fix=Fix(
            "On bare metal turn on Above 4G Decoding and Resizable BAR in the BIOS and boot by UEFI; where the BIOS "
            "has neither, try the kernel parameter pci=realloc. In a virtual machine use UEFI firmware and enlarge "
            "the 64-bit MMIO window (VMware: pciPassthru.use64bitMMIO and pciPassthru.64bitMMIOSizeGB)."
            + (" This must be done for the host of this container." if inside else ""),
            ("lspci -vv -d 10de: | grep -E '^[0-9a-f]|Region'", "sudo dmesg | grep -E 'BAR|NVRM'"),
        ),
    )
