"""# Another kernel driver holds the GPU

## What it checks
Which kernel driver is bound to each NVIDIA card (`/sys/bus/pci/devices/<address>/driver`): nouveau, nova_core,
vfio-pci or another instead of nvidia.

## Why it matters
A card belongs to one driver at a time.
While another one holds it, the NVIDIA driver cannot take it ("already bound to", "probe routine was not called"), and
CUDA finds nothing.

## How to fix it
nouveau and nova_core: blacklist them, rebuild the initial RAM disk, reboot. vfio-pci: the card was set aside for a
virtual machine; take it out of the list of the vfio driver, or use it in the guest.
On Ubuntu and Debian:

```sh
for m in nouveau nova_core nova_drm; do echo "blacklist $m"; done | sudo tee /etc/modprobe.d/blacklist-open-nvidia.conf
sudo update-initramfs -u
sudo reboot
```

## Limits
nouveau also takes a card as the fallback where the NVIDIA module was never built, so it is accused only if a module
for the running kernel is there, or the kernel log says that NVIDIA's came second.
A machine in which other NVIDIA GPUs work is left alone: one card for a guest is a choice.

## Sources
"already bound to", "probe routine was not called": nv-pci.c and nv.c of NVIDIA's open kernel modules;
docs.kernel.org/driver-api/vfio.html.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.kernel_log import KernelLog
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.libraries import Libraries
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import REBOOT, rebuild_initramfs
from cudadoctor.rules.driver_commands import install_driver
from cudadoctor.rules.kernel_driver.on_disk import driver_is_installed, module_for_running_kernel
from cudadoctor.rules.kernel_log.events import of_kind, shown
from cudadoctor.rules.reading import (
    card_evidence,
    container_of,
    names_of,
    owns_its_driver,
    seen,
    sign_of_driver,
    system_of,
    text_of,
)

_BLACKLIST = "/etc/modprobe.d/blacklist-open-nvidia.conf"
_NO_NOUVEAU = f'for m in nouveau nova_core nova_drm; do echo "blacklist $m"; done | sudo tee {_BLACKLIST}'


@rule(
    id="other-driver-bound",
    title="Another kernel driver holds the GPU",
    severity=Severity.ERROR,
    explains=(
        "container-no-gpu-flag",
        "no-driver-installed",
        "kernel-module-missing",
        "kernel-module-not-loaded",
        "libcuda-missing",
        "stub-libcuda-loaded",
        "device-node-permission",
        "driver-call-failed",
    ),
    shows={
        "other-driver": 9,
        "module-no-device": 3,
        "nouveau-bound": 9,
        "module-refused": 2,
        "cannot-load-module": 4,
        "nouveau smi-no-driver": 4,
        "lspci-nvidia nouveau": 2,
        "nouveau": 4,
        "nouveau-bound smi-not-found": -2,
        "nouveau smi-not-found": -1,
        "nvidia-bound": -6,
        "module-not-found": -4,
    },
    commands_here=lambda machine: (_NO_NOUVEAU, rebuild_initramfs(machine.host), REBOOT),
    confirm=Confirm(
        "grep -h -B2 PCI_ID=10DE /sys/bus/pci/devices/*/uevent; "
        "find /lib/modules/$(uname -r) -name 'nvidia.ko*' -o -name 'nvidia-current*.ko*'",
        "DRIVER=nouveau, nova_core or vfio-pci, and a module of NVIDIA below",
    ),
)
def other_driver_bound(
    pci: Pci,
    host: Host | Missing,
    kernel_driver: KernelDriver | Missing,
    libraries: Libraries | Missing,
    device_nodes: DeviceNodes | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    ladder: Ladder | Missing,
    kernel_log: KernelLog | Missing,
) -> Iterator[Finding]:
    """Fire where every card is held by a driver that is not NVIDIA's, and that driver is to blame."""
    held = tuple(card for card in pci.devices if _holder(known(card.bound_driver)) is not None)
    if not held or any(known(card.bound_driver) == "nvidia" for card in pci.devices):
        return
    if sign_of_driver(ladder, nvml, driver) is not None or system_of(host) not in ("Linux", ""):
        return  # on Windows, Microsoft's display driver stands in where NVIDIA's is not installed
    holder = _holder(known(held[0].bound_driver)) or ""
    loaded = isinstance(kernel_driver, KernelDriver) and known(kernel_driver.loaded) is True
    # What NVIDIA's own module says when it comes second; it then unloads itself.
    came_second = of_kind(kernel_log, "already-bound", "probe-not-called")
    never_built = not loaded and module_for_running_kernel(kernel_driver, host) is None
    if holder == "nouveau" and never_built and not came_second:
        return
    evidence: tuple[Evidence, ...] = ()
    for card in held:
        evidence += (card_evidence(card), *seen("bound kernel driver", card.bound_driver))
    evidence += shown(came_second, kernel_log)
    installed = driver_is_installed(kernel_driver, libraries)
    yield finding(
        other_driver_bound,
        summary=f"{names_of(held)} is held by the kernel driver {text_of(held[0].bound_driver)}, "
        "so the NVIDIA driver cannot take it.",
        cause=_cause(holder),
        confidence="proven" if holder != "nouveau" or loaded or came_second else "supported",
        evidence=evidence,
        fix=_fix(holder, host, installed=installed or not owns_its_driver(host, device_nodes)),
    )


def _holder(bound: str | None) -> str | None:
    """Return the bound driver's name in one spelling, None where NVIDIA's or none is bound."""
    name = (bound or "").lower().replace("-", "_")
    if name in ("", "nvidia"):
        return None
    return "nova_core" if name.startswith("nova") else name


def _cause(holder: str) -> str:
    if holder == "nouveau":
        return "nouveau, the free driver of the kernel, took the card at boot before the NVIDIA module was loaded."
    if holder == "nova_core":
        return (
            "nova_core, the new driver of the kernel, claims Turing, Ampere and Ada cards at boot where it is built in."
        )
    if holder in ("vfio_pci", "pci_stub", "pciback", "xen_pciback"):
        return "The card was set aside at boot for a virtual machine, so the host leaves it alone on purpose."
    return "A card belongs to one kernel driver at a time, and this one came first."


def _fix(holder: str, host: Host | Missing, *, installed: bool) -> Fix:
    if container_of(host):
        return Fix("The host of this container must give the card to the NVIDIA driver; nothing inside can.")
    if holder in ("nouveau", "nova_core"):
        names = "nouveau" if holder == "nouveau" else "nova nova_core nova_drm nouveau"
        blacklist = f'for m in {names}; do echo "blacklist $m"; done | sudo tee {_BLACKLIST}'
        commands: tuple[str, ...] = (blacklist, rebuild_initramfs(host))
        then = "" if installed else " Then install the NVIDIA driver."
        commands += (REBOOT,) if installed else (install_driver(host) or (REBOOT,))
        return Fix(f"Keep {holder} from loading, write the initial RAM disk anew and reboot.{then}", commands)
    if holder in ("vfio_pci", "pci_stub", "pciback", "xen_pciback"):
        return Fix(
            "Use the GPU inside the guest that it is meant for. To give it back to the host, remove its id from the "
            "options found here, write the initial RAM disk anew and reboot.",
            ("grep -rnE 'vfio|pci-stub|pciback' /etc/modprobe.d /proc/cmdline", rebuild_initramfs(host), REBOOT),
        )
    return Fix("Find out what binds the card, and let the NVIDIA driver have it.", ("lspci -nnk -d 10de:",))
