"""# Fabric Manager failed on a machine without NVSwitch, which is harmless

## What it checks
Whether the service nvidia-fabricmanager is enabled and does not run on a machine without NVSwitch whose GPU works and
takes part in no fabric.
In a pasted text: whether Fabric Manager itself says that there is nothing for it to do.

## Why it matters
The Fabric Manager sets up NVSwitches. Without any it ends with an error, and the service is shown as failed; GPUs do
not need it then.

## How to fix it
Disable the service; look elsewhere for the cause of any other trouble.

```sh
sudo systemctl disable --now nvidia-fabricmanager
```

## Limits
On a machine with NVSwitch the same failure is the cause: its switches must then have been missing on the bus.
The switches of the Blackwell generation are no NVIDIA devices on the bus, so GPUs that know of a fabric are left out.

## Sources
- <https://docs.nvidia.com/datacenter/tesla/fabric-manager-user-guide/>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.facts.services import Services
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import passed, seen, text_of

_IN_A_FABRIC = ("not started", "in progress", "completed")


@rule(
    id="fabric-manager-not-needed",
    title="Fabric Manager failed on a machine without NVSwitch, which is harmless",
    severity=Severity.NOTE,
    shows={
        "fabric-nothing": 10,
        "cuda:802": -6,
        "fabric-not-supported": 9,
        "geforce fabric-failed": 9,
    },
    confirm=Confirm(
        "cat /sys/bus/pci/devices/*/uevent | grep -A1 PCI_CLASS=680",
        "no PCI_ID that begins with 10DE, which an NVSwitch has",
    ),
)
def fabric_manager_not_needed(services: Services, pci: Pci, ladder: Ladder, nvml: Nvml | Missing) -> Iterator[Finding]:
    """Note an enabled service that does not run where nothing needs it."""
    if known(services.fabric_manager) != "enabled but not running" or known(pci.nvswitches) != 0:
        return
    if not passed(ladder, "context") or not isinstance(nvml, Nvml):
        return
    if not nvml.devices or any(text_of(device.fabric_state) in _IN_A_FABRIC for device in nvml.devices):
        return
    yield finding(
        fabric_manager_not_needed,
        summary="The service nvidia-fabricmanager is enabled and does not run; this machine has no NVSwitch, and its "
        "GPU works without it.",
        cause="Fabric Manager ends with an error where it finds no NVSwitch; nothing waits for it here.",
        confidence="supported",
        evidence=(
            *seen("nvidia-fabricmanager", services.fabric_manager),
            *seen("NVSwitches on the PCI bus", pci.nvswitches),
            *seen("fabric state of GPU 0", nvml.devices[0].fabric_state),
        ),
        fix=Fix(
            "Nothing fails because of it. Disable the service to have it no longer listed as failed.",
            ("sudo systemctl disable --now nvidia-fabricmanager",),
        ),
    )
