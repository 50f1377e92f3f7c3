"""# The NVIDIA kernel module is there but not loaded

## What it checks
Whether an `nvidia.ko` for the running kernel is on the disk and not loaded, with no driver answering.

## Why it matters
Nothing reaches the card before the module is loaded.
It usually loads by itself at boot, so something refused it.

## How to fix it
Load it by hand and read the answer.
"Key was rejected by service" means that Secure Boot refuses an unsigned module: enrol the signing key, or turn Secure
Boot off.
Where a file or the kernel's command line blacklists the module, the line is named: take it out.
"No such device" means that the card is held by another driver, or is not served by this release.

```sh
sudo modprobe nvidia
sudo dmesg | grep -iE 'nvrm|nvidia|xid'
mokutil --sb-state
```

## Limits
The rule sees that the module is not loaded, not why.
Where the signature is known to be the reason, `secure-boot-unsigned-module` is reported in its place.

## Sources
NVIDIA Driver Installation Guide, Secure Boot.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.module_build import ModuleBuilds
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG, REBOOT, rebuild_initramfs
from cudadoctor.rules.kernel_driver.on_disk import module_for_running_kernel
from cudadoctor.rules.reading import card_evidence, kernel_of, names_of, owns_its_driver, seen, sign_of_driver

_LOOK_FOR_BLACKLIST = (
    r"grep -rnE 'blacklist +nvidia|install +nvidia +\S*/bin/(true|false)' "
    "/etc/modprobe.d /run/modprobe.d /lib/modprobe.d; grep -o '[^ ]*blacklist=[^ ]*' /proc/cmdline"
)


@rule(
    id="kernel-module-not-loaded",
    title="The NVIDIA kernel module is there but not loaded",
    severity=Severity.ERROR,
    explains=("libcuda-missing", "stub-libcuda-loaded", "driver-call-failed"),
    shows={
        "smi-no-driver": 5,
        "nvml:9": 6,
        "module-not-found": -3,
        "dkms-failed": -2,
        "key-rejected": -3,
        "smi-works": -2,
        "other-driver": -2,
        "nouveau-bound": -2,
        "kernel-upgraded": -1,
        "module-not-initialised": 7,
    },
    confirm=Confirm(
        "find /lib/modules/$(uname -r) -name 'nvidia.ko*' -o -name 'nvidia-current*.ko*'; grep ^nvidia /proc/modules",
        "a file for this kernel, and no module that is loaded",
    ),
)
def kernel_module_not_loaded(
    pci: Pci,
    kernel_driver: KernelDriver,
    host: Host | Missing,
    device_nodes: DeviceNodes | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    ladder: Ladder | Missing,
    module_build: ModuleBuilds | Missing,
) -> Iterator[Finding]:
    """Fire where the module for the running kernel exists and is known not to be loaded."""
    if not pci.devices or not owns_its_driver(host, device_nodes) or known(kernel_driver.loaded) is not False:
        return
    module = module_for_running_kernel(kernel_driver, host)
    if module is None or sign_of_driver(ladder, nvml, driver) is not None:
        return
    held = module_build.blacklists if isinstance(module_build, ModuleBuilds) else ()
    held = tuple(entry for entry in held if entry.module == "nvidia")
    cause = "The module normally loads at boot: Secure Boot refused it, it is blacklisted, or loading it failed."
    fix = Fix(
        'Load the module and read the answer. "Key was rejected by service" is Secure Boot: enrol the key that '
        "signed the module (mokutil --import), or turn Secure Boot off.",
        ("sudo modprobe nvidia", LOOK_AT_DRIVER_LOG, "mokutil --sb-state"),
    )
    if held:
        cause = f"{held[0].source} keeps the module from loading at boot."
        fix = Fix(
            "Take the line out that is found here (on the kernel's command line: out of the boot loader's "
            "configuration), write the initial RAM disk anew and reboot. A tool that switches graphics writes such "
            "lines too: switch with the tool then.",
            (_LOOK_FOR_BLACKLIST, rebuild_initramfs(host), REBOOT),
        )
    yield finding(
        kernel_module_not_loaded,
        summary=f"nvidia.ko for the running kernel {kernel_of(host)} is on the disk but not loaded, so nothing drives "
        f"{names_of(pci.devices)}.",
        cause=cause,
        evidence=(
            *(card_evidence(card) for card in pci.devices),
            Evidence("nvidia.ko for the running kernel", module.path, "/lib/modules"),
            *seen("nvidia module loaded", kernel_driver.loaded),
            *(Evidence("what keeps it from loading", f"blacklist {entry.module}", entry.source) for entry in held),
        ),
        fix=fix,
    )
