"""# The laptop's graphics mode keeps the NVIDIA GPU off

## What it checks
Whether a tool that switches graphics (prime-select, supergfxctl, envycontrol, system76-power, bbswitch) has set the
integrated mode, and no NVIDIA driver answers.

## Why it matters
In integrated mode the NVIDIA GPU is taken off the bus or its module is kept from loading, to save power.
Everything then looks as if there were no card or no driver, and installing one changes nothing.

## How to fix it
Choose the hybrid or the NVIDIA mode and reboot.
On Ubuntu:

```sh
sudo prime-select on-demand
sudo reboot
```

## Limits
A GPU that merely sleeps while it is idle is healthy, wakes by itself, and is not reported.
A mode that was set in the BIOS leaves no file.

## Sources
The files in which these tools keep their state: /etc/prime-discrete, /etc/supergfxd.conf, 50-remove-nvidia.rules.
Met by users in:
- <https://github.com/bayasdev/envycontrol/issues/149>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.facts.power import Power
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import REBOOT
from cudadoctor.rules.reading import card_evidence, cards, passed, seen, sign_of_driver

_COMMANDS = (
    ("prime-discrete", "sudo prime-select on-demand"),
    ("supergfxd", "supergfxctl --mode Hybrid"),
    ("50-remove-nvidia", "sudo envycontrol -s hybrid"),
    ("system76-power", "sudo system76-power graphics hybrid"),
    ("bbswitch", "sudo tee /proc/acpi/bbswitch <<< ON"),
)


@rule(
    id="hybrid-gpu-powered-off",
    title="The laptop's graphics mode keeps the NVIDIA GPU off",
    severity=Severity.ERROR,
    explains=(
        "gpu-fallen-off-bus",
        "no-nvidia-gpu-active",
        "other-driver-bound",
        "kernel-module-not-loaded",
        "driver-call-failed",
    ),
    shows={
        "hybrid": 4,
        "hybrid no-nvidia-gpu": 5,
        "hybrid smi-no-driver": 3,
        "hybrid smi-no-devices": 3,
        "hybrid cuda:100": 3,
        "no-nvidia-gpu": 2,
        "hybrid-off": 9,
        "laptop lspci-other !lspci-nvidia": 4,
        "laptop no-gpu-devices": 3,
        "laptop card-named lspci-other !lspci-nvidia": 3,
        "laptop smi-no-driver": 3,
        "hybrid cuda:999": 4,
        "hybrid no-nvidia-driver": 3,
        "laptop smi-no-devices": 3,
        "laptop": 1,
        "nvidia-bound": -4,
        "off-bus !laptop !hybrid-off": -3,
        "laptop no-compute-platform": 3,
        "hybrid no-compute-platform": 3,
    },
    confirm=Confirm(
        "(prime-select query; supergfxctl -g; envycontrol --query; system76-power graphics) 2>/dev/null",
        "intel or integrated",
    ),
)
def hybrid_gpu_powered_off(
    power: Power, pci: Pci | Missing, nvml: Nvml | Missing, driver: Driver | Missing, ladder: Ladder | Missing
) -> Iterator[Finding]:
    """Fire in integrated mode where no driver answers for a GPU."""
    mode = power.graphics_mode
    if not isinstance(mode, Known) or mode.value != "integrated" or passed(ladder, "context"):
        return
    if sign_of_driver(ladder, nvml, driver) is not None:
        return
    found = cards(pci)
    there = "The card is still on the bus, but its driver is kept off." if found else "The card is not on the bus."
    command = next((command for part, command in _COMMANDS if part in mode.source), "")
    yield finding(
        hybrid_gpu_powered_off,
        summary=f"This machine is set to integrated graphics, which keeps the NVIDIA GPU off. {there}",
        cause="The graphics mode was chosen to save power; it takes the NVIDIA GPU away from every program.",
        confidence="supported" if known(power.chassis) == "laptop" or not found else "possible",
        evidence=(
            *seen("graphics mode", mode),
            *seen("chassis", power.chassis),
            *(card_evidence(card) for card in found),
        ),
        fix=Fix(
            "Choose the hybrid mode and reboot. Driver and toolkit need not be installed again.",
            (*((command,) if command else ()), REBOOT),
        ),
    )
