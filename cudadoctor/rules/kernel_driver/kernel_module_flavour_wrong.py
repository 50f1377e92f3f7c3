"""# The kernel module is of the flavour that the card does not take

## What it checks
Whether the kernel log says of a card that does not answer that it needs the open kernel modules, or that the open
modules do not support it.

## Why it matters
NVIDIA's driver comes with two kinds of kernel modules.
The open ones need a GSP, which cards have since Turing; cards of the Blackwell generation and after work with these
alone.
With the other kind the module loads, refuses the card, and `nvidia-smi` finds none.

## How to fix it
Install the other kind of the same release: nothing else of the driver changes.
On Ubuntu, for a card that needs the open module (Blackwell):

```sh
sudo apt-get install -y ubuntu-drivers-common
sudo ubuntu-drivers install nvidia:580-open
sudo reboot
```

On Ubuntu, for a card that needs the proprietary one (Maxwell, Pascal, Volta):

```sh
sudo apt-get install -y ubuntu-drivers-common
sudo ubuntu-drivers install nvidia:580
sudo reboot
```

## Limits
Without the right to read the kernel log nothing is seen.

## Sources
osapi.c and nv-pci.c of NVIDIA's open kernel modules (the messages);
<https://developer.nvidia.com/blog/nvidia-transitions-fully-towards-open-source-gpu-kernel-modules/>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.kernel_log import KernelLog
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import REBOOT, family_of
from cudadoctor.rules.driver_commands import install_driver
from cudadoctor.rules.kernel_log.events import of_dead_cards, shown
from cudadoctor.rules.reading import card_evidence, cards, names_of, seen, version_of
from cudadoctor.tables.support import capability_support


@rule(
    id="kernel-module-flavour-wrong",
    title="The kernel module is of the flavour that the card does not take",
    severity=Severity.ERROR,
    explains=(
        "kernel-module-not-loaded",
        "device-node-permission",
        "uvm-node-missing",
        "libcuda-missing",
        "driver-call-failed",
    ),
    shows={"open-module-wanted": 10, "open-module-refused": 11},
    confirm=Confirm(
        "modinfo -F license nvidia nvidia-current; grep -hE 'Open Kernel|Kernel Module' /proc/driver/nvidia/version; "
        "journalctl -k -b | grep -iE 'nvrm.*(open|gpu system processor)'",
        "the kind of module that the log says the card does not take",
    ),
)
def kernel_module_flavour_wrong(
    kernel_log: KernelLog,
    ladder: Ladder,
    nvml: Nvml | Missing,
    pci: Pci | Missing,
    host: Host | Missing,
    kernel_driver: KernelDriver | Missing,
) -> Iterator[Finding]:
    """Fire on the module's own words about a card that does not answer."""
    refused = of_dead_cards(kernel_log.of_kind("open-module-required", "not-supported"), nvml, ladder)
    wants_open = tuple(event for event in refused if event.kind == "open-module-required")
    not_open = tuple(event for event in refused if event.kind == "not-supported" and "by open" in event.text)
    events = wants_open or not_open
    if not events:
        return
    addresses = {event.pci_address for event in events if event.pci_address}
    found = tuple(card for card in cards(pci) if not addresses or card.address in addresses)
    who = names_of(found) if found else "a card"
    if wants_open:
        told, cause = "needs the open kernel modules", "Only the open modules have the code for this generation."
    else:
        told, cause = "is not taken by the open kernel modules", "The card has no GSP, without which the open modules "
        cause += "cannot run it."
    release = kernel_driver.loaded_release if isinstance(kernel_driver, KernelDriver) else Missing("not known")
    package = kernel_driver.package_release if isinstance(kernel_driver, KernelDriver) else Missing("not known")
    version = version_of(known(release)) or version_of(known(package))
    supports = (capability_support(known(card.compute_capability) or "") for card in found)
    last = max((support.last_driver_branch or 0 for support in supports if support is not None), default=0)
    if not wants_open and version and 0 < last < version[0]:
        return  # neither kind of this branch takes it: gpu-too-old-for-driver
    yield finding(
        kernel_module_flavour_wrong,
        summary=f"The kernel module says that {who} {told}.",
        cause=cause,
        confidence="proven",
        evidence=(
            *shown(events, kernel_log),
            *(card_evidence(card) for card in found[:4]),
            *seen("driver release", release),
        ),
        fix=_fix(host, version[0] if version else None, wants_open=bool(wants_open)),
    )


def _fix(host: Host | Missing, branch: int | None, *, wants_open: bool) -> Fix:
    flavour = "open" if wants_open else "proprietary"
    text = f"Install the {flavour} kernel modules of the same release in place of the others, and reboot."
    family = family_of(host)
    if family == "ubuntu" and branch:
        return Fix(text, (f"sudo apt-get install -y nvidia-driver-{branch}{'-open' if wants_open else ''}", REBOOT))
    if family == "debian":
        package = "nvidia-open-kernel-dkms" if wants_open else "nvidia-kernel-dkms"
        return Fix(text, (f"sudo apt-get install -y {package}", REBOOT))
    if family == "suse":
        package = "nvidia-open-driver-G06-signed-kmp-default" if wants_open else "nvidia-driver-G06-kmp-default"
        return Fix(text, (f"sudo zypper install -y {package}", REBOOT))
    if family == "arch" and not wants_open:
        return Fix(text, install_driver(host, 580))  # the last branch with modules for cards without a GSP
    if family == "arch":
        return Fix(text, ("sudo pacman -S nvidia-open-dkms", REBOOT))
    if family == "rhel":
        package = "kmod-nvidia-open-dkms" if wants_open else "kmod-nvidia-latest-dkms"
        return Fix(text, (f"sudo dnf install -y --allowerasing {package}", REBOOT))
    if family == "fedora":
        macro = "echo '%_with_kmod_nvidia_open 1' | sudo tee /etc/rpm/macros.nvidia-kmod"
        other = "sudo rm -f /etc/rpm/macros.nvidia-kmod"
        return Fix(text, (macro if wants_open else other, "sudo akmods --force --rebuild", REBOOT))
    option = "open" if wants_open else "proprietary"
    return Fix(f"{text} NVIDIA's .run installer takes the option --kernel-module-type={option}.", (REBOOT,))
