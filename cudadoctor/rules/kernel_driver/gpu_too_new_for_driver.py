"""# The driver is older than the card

## What it checks
Whether the installed driver is of a branch from before the card's compute capability was known, and no driver answers.

## Why it matters
A driver serves the cards that were known when it was made.
It does not find a later one: the module says "not supported by the NVIDIA ... driver release" and does not stay
loaded, so every tool reports "no device" or "no driver", which looks like a broken installation.
A toolkit or framework for an older CUDA changes nothing.

## How to fix it
Install a driver of the branch that came with the first CUDA toolkit for the card, or of any later one: 570 for
Blackwell, with the open kernel modules.
On Ubuntu:

```sh
sudo apt-get update
sudo apt-get install -y ubuntu-drivers-common
sudo ubuntu-drivers install
sudo reboot
```

## Limits
The branch is the oldest that can serve a compute capability; a later card of the same capability may need a newer one.
The compute capability comes from a table of PCI ids.
A machine in which another GPU works is left alone.

## Sources
- First toolkit of each compute capability: tables/capabilities.tsv; the driver of each toolkit: tables/drivers.tsv
- "is not supported by the NVIDIA %s driver release": nv-pci.c of NVIDIA's open kernel modules
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.kernel_log import KernelLog
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.driver_commands import debian_note, driver_source, install_driver
from cudadoctor.rules.kernel_log.events import of_kind, shown
from cudadoctor.rules.reading import card_evidence, names_of, owns_its_driver, seen, sign_of_driver, text_of, version_of
from cudadoctor.tables.drivers import minimum_driver
from cudadoctor.tables.support import capability_support


@rule(
    id="gpu-too-new-for-driver",
    title="The driver is older than the card",
    severity=Severity.ERROR,
    explains=(
        "other-driver-bound",
        "kernel-module-flavour-wrong",
        "kernel-module-not-loaded",
        "driver-too-old",
        "ptx-newer-than-driver",
        "libcuda-missing",
        "driver-call-failed",
    ),
    shows={"card-newer-than-driver": 16},
    commands_here=lambda machine: install_driver(machine.host, None, 570),
    confirm=Confirm(
        "/sbin/modinfo -F version nvidia nvidia-current; journalctl -k -b | grep -A1 'NVRM: The NVIDIA'",
        'a release of an older branch, or "is not supported by" that release',
    ),
)
def gpu_too_new_for_driver(
    pci: Pci,
    kernel_driver: KernelDriver,
    host: Host | Missing,
    device_nodes: DeviceNodes | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    ladder: Ladder | Missing,
    kernel_log: KernelLog | Missing,
) -> Iterator[Finding]:
    """Fire where the driver is older than every card, and none answers."""
    release = kernel_driver.loaded_release
    release = release if isinstance(release, Known) else kernel_driver.package_release
    has = version_of(known(release))
    if has is None or not pci.devices or not owns_its_driver(host, device_nodes):
        return
    if sign_of_driver(ladder, nvml, driver) is not None:
        return
    firsts = [first for card in pci.devices if (first := _first_driver(known(card.compute_capability))) is not None]
    if len(firsts) < len(pci.devices) or any(has[0] >= branch for branch, _, _ in firsts):
        return
    branch, toolkit, architecture = max(firsts)
    refused = tuple(event for event in of_kind(kernel_log, "not-supported") if "by open" not in event.text)
    commands = install_driver(host, None, branch)
    yield finding(
        gpu_too_new_for_driver,
        summary=f"{names_of(pci.devices)} ({architecture}) is served from driver branch {branch} on, and the driver "
        f"here is {text_of(release)}.",
        cause="The driver was made before the card: it loads, does not know the card and leaves it alone.",
        confidence="proven" if refused else "supported",
        evidence=(
            *(card_evidence(card) for card in pci.devices),
            *seen("driver release", release),
            Evidence(f"driver of CUDA {toolkit}, the first for {architecture}", branch, "table of drivers"),
            *shown(refused, kernel_log),
        ),
        fix=Fix(
            f"Install a current driver{driver_source(host)}; nothing else need be changed.{debian_note(commands)}",
            commands or ("lspci -nnk -d 10de:",),
        ),
    )


def _first_driver(capability: str | None) -> tuple[int, str, str] | None:
    """Return branch, toolkit and architecture of the first software for a compute capability, from Turing on."""
    support = capability_support(capability or "")
    if support is None or (version_of(capability) or (0,)) < (7, 5):
        return None
    minimum = minimum_driver(support.first_toolkit, "Linux")
    branch = version_of(minimum.corresponding) if minimum is not None else None
    return (branch[0], support.first_toolkit, support.architecture.partition(" (")[0]) if branch else None
