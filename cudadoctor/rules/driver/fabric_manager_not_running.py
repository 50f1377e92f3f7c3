"""# The GPU fabric is not ready

## What it checks
Whether the driver API answers 802 (system not yet initialized).

## Why it matters
On machines with NVSwitch (HGX, DGX) the Fabric Manager must set up the switches before any GPU computes; until then
NVML works and CUDA answers 802.
The same code comes from a GPU in confidential-compute mode whose ready state was not set.

## How to fix it
Start `nvidia-fabricmanager`, of exactly the driver's release, and look at its log; where it is not installed, or of
another release, install that of the loaded driver.
On one GPU without NVSwitch: look at the confidential-compute state.
Inside a container or a rented machine only the provider can do either.

```sh
sudo systemctl enable --now nvidia-fabricmanager
journalctl -u nvidia-fabricmanager -b --no-pager | tail -n 20
```

## Limits
Switches of the Blackwell generation are no NVIDIA devices on the bus, older drivers do not tell the state of the
fabric, and in a container the host's service is not seen: the rule then goes by names and the number of GPUs.
Without 802, a Fabric Manager that does not run on a machine without NVSwitch is harmless: see
`fabric-manager-not-needed`.

## Sources
CUDA_ERROR_SYSTEM_NOT_READY (cuda.h); Fabric Manager User Guide.
Met by users in:
- <https://github.com/huggingface/huggingface_hub/issues/4134>
- <https://github.com/NVIDIA/nvtrust/issues/56>
- <https://github.com/numba/numba/issues/7187>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Fact, Known, Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.facts.services import Services
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import family_of
from cudadoctor.rules.reading import (
    card_evidence,
    card_name,
    cards,
    container_of,
    cuda_error,
    said,
    seen,
    text_of,
    version_of,
)

# Words in the names of boards that come with NVSwitch. The PCIe boards of the same chips say PCIe or NVL.
_SWITCHED = ("SXM", "HGX", "80GB HBM3", "H200", "H20", "B200", "B300", "GB200", "GB300")

_DOWN = {
    "enabled but not running": "enabled but does not run",
    "installed": "installed, but neither enabled nor running",
    "not installed": "not installed",
}
_WAITING = ("not started", "in progress")


@rule(
    id="fabric-manager-not-running",
    title="The GPU fabric is not ready",
    severity=Severity.ERROR,
    explains=("mig-without-instance", "driver-call-failed", "race-lane-failed"),
    shows={
        "cuda:802": 8,
        "fabric": 3,
        "fabric-failed": 3,
        "fabric cuda:802": 3,
        "fabric-nothing": -6,
        "confidential": -3,
        "geforce fabric-failed": -5,
        "fabric-not-supported": -5,
        "fabric fabric-failed": 2,
    },
    confirm=Confirm(
        "systemctl is-active nvidia-fabricmanager; nvidia-smi -q | grep -A2 '  Fabric$'",
        '"inactive" or "failed", or a state of the fabric other than Completed',
    ),
)
def fabric_manager_not_running(
    ladder: Ladder, nvml: Nvml | Missing, pci: Pci | Missing, host: Host | Missing, services: Services | Missing
) -> Iterator[Finding]:
    """Fire on 802."""
    step = cuda_error(ladder, 802)
    if step is None:
        return
    release = nvml.driver_release if isinstance(nvml, Nvml) else Missing("NVML did not tell")
    if isinstance(nvml, Nvml) and nvml.devices:
        names = [known(device.name) or "" for device in nvml.devices]
        evidence = tuple(item for device in nvml.devices[:8] for item in seen(f"GPU {device.index}", device.name))
    else:
        names = [card_name(card) for card in cards(pci)]
        evidence = tuple(card_evidence(card) for card in cards(pci)[:8])
    switched = any(word in name for name in names for word in _SWITCHED)
    several = len(names) > 1
    evidence += _fabric(nvml, pci, services)
    service = known(services.fabric_manager) if isinstance(services, Services) else None
    waiting = isinstance(nvml, Nvml) and any(text_of(d.fabric_state) in _WAITING for d in nvml.devices)
    switches = (known(pci.nvswitches) or 0) if isinstance(pci, Pci) else 0
    down = switches > 0 and service in _DOWN
    package = services.fabric_manager_release if isinstance(services, Services) else Missing("no section")
    other = isinstance(package, Known) and isinstance(release, Known) and package.value != release.value
    if other:
        hint = f"Fabric Manager is of release {text_of(package)} and the driver of {text_of(release)}: it starts only "
        hint += "with a driver of its own release."
    elif down:
        hint = (
            f"This machine has {switches} NVSwitches, and the service nvidia-fabricmanager is {_DOWN[service or '']}."
        )
    elif waiting:
        hint = "The GPU waits for its fabric: the host's Fabric Manager has not set it up."
    elif several:
        hint = "Fabric Manager is not running, not ready, or of another release than the driver."
    elif switched:
        hint = "Either the host's Fabric Manager is not ready, or this one GPU is in confidential-compute mode and its "
        hint += "ready state was not set."
    else:
        hint = "With one GPU and no NVSwitch, the likely reason is confidential-compute mode whose ready state was not "
        hint += "set."
    inside = container_of(host)
    outside = " From inside this container that is for the host's administrator or provider." if inside else ""
    yield finding(
        fabric_manager_not_running,
        summary=f"NVML answers, but {step.call} fails with 802: the system is not ready for CUDA.",
        cause=hint,
        confidence="proven"
        if down or (other and switches > 0)
        else "supported"
        if waiting or (several and switched)
        else "possible",
        evidence=(said(step), *seen("driver release", release), *evidence),
        fix=Fix(
            f"On a machine with NVSwitch, start the Fabric Manager of the same release as the driver. With a GPU in "
            f"confidential-compute mode, set the ready state after attestation.{outside}",
            (
                *(_install(host, release) if switches and (other or service == "not installed") else ()),
                "systemctl status nvidia-fabricmanager --no-pager",
                "sudo systemctl enable --now nvidia-fabricmanager",
                "nvidia-smi conf-compute -grs",
            ),
        ),
    )


def _install(host: Host | Missing, release: Fact[str]) -> tuple[str, ...]:
    """Return the command that installs Fabric Manager of the loaded driver's release, where packages have it."""
    branch, loaded = version_of(known(release)), "$(cat /sys/module/nvidia/version)"
    family = "" if container_of(host) else family_of(host)
    if family in ("ubuntu", "debian") and branch:
        return (f'sudo apt-get install -y "nvidia-fabricmanager-{branch[0]}={loaded}*"',)
    # nvidia-fabric-manager up to branch 575, nvidia-fabricmanager after it.
    return (f'sudo dnf install -y "nvidia-fabric*manager-{loaded}"',) if family in ("rhel", "fedora") else ()


def _fabric(nvml: Nvml | Missing, pci: Pci | Missing, services: Services | Missing) -> tuple[Evidence, ...]:
    evidence: tuple[Evidence, ...] = ()
    for device in nvml.devices[:8] if isinstance(nvml, Nvml) else ():
        evidence += seen(f"fabric state of GPU {device.index}", device.fabric_state)
    evidence += seen("NVSwitches on the PCI bus", pci.nvswitches) if isinstance(pci, Pci) else ()
    if isinstance(services, Services):
        evidence += seen("nvidia-fabricmanager", services.fabric_manager)
        evidence += seen("release of nvidia-fabricmanager", services.fabric_manager_release)
    return evidence
