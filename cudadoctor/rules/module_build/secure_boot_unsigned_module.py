"""# Secure Boot refuses the NVIDIA module

## What it checks
Whether `nvidia.ko` for the running kernel is on the disk but not loaded, on a kernel that takes only signed modules
(Secure Boot, lockdown or `module.sig_enforce`), and the module has no signature or the kernel log tells of a refusal.

## Why it matters
A kernel under Secure Boot loads only modules that are signed with a key which the firmware or the machine's owner
enrolled.
DKMS and NVIDIA's installer sign with a key of their own, or not at all, so the module builds well and never loads, and
the installer names every other reason.

## How to fix it
Enrol the key that signs the module and confirm it on the blue screen at the next boot, or take the signed modules of
the distribution.
Turning Secure Boot off in the firmware works too, at the price of what it protects.
On Ubuntu:

```sh
sudo update-secureboot-policy --new-key
sudo update-secureboot-policy --enroll-key
sudo reboot
```

## Limits
Whose key signed the module is read and compared with the keys that the machine's owner enrolled; kernel and firmware
trust other keys too, which are not read.
Compressed modules are not looked into: without a refusal in the kernel log the finding is then `possible` at most.
The kernel does not name the module that it refused.

## Sources
docs.kernel.org/admin-guide/module-signing.html; kernel_lockdown(7); NVIDIA Driver Installation Guide, Secure Boot;
UEFI specification, variable SecureBoot.
Met by users in:
- <https://github.com/NVIDIA/gpu-driver-container/issues/44>
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
from cudadoctor.facts.module_build import ModuleBuilds
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confidence, Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import REBOOT, family_of
from cudadoctor.rules.kernel_driver.on_disk import module_for_running_kernel
from cudadoctor.rules.kernel_log.events import of_kind, shown
from cudadoctor.rules.reading import card_evidence, names_of, owns_its_driver, seen, sign_of_driver, text_of


@rule(
    id="secure-boot-unsigned-module",
    title="Secure Boot refuses the NVIDIA module",
    severity=Severity.ERROR,
    explains=(
        "other-driver-bound",
        "kernel-module-not-loaded",
        "libcuda-missing",
        "stub-libcuda-loaded",
        "driver-call-failed",
    ),
    shows={
        "key-rejected": 10,
        "cannot-load-module": 5,
        "cannot-load-module module-built": 2,
        "secure-boot": 5,
        "secure-boot cannot-load-module": 3,
        "smi-no-driver": 2,
        "secure-boot smi-no-driver": 4,
        "secure-boot module-not-found": 1,
        "module-not-found nouveau": 4,
        "secure-boot smi-lists": -6,
    },
    commands_here=lambda machine: (*_enrol(machine.host, unsigned=True), REBOOT),
    confirm=Confirm(
        "mokutil --sb-state; /sbin/modinfo -F signer nvidia nvidia-current; mokutil --list-enrolled | grep Subject:",
        '"SecureBoot enabled", and a signer that is missing or none of those enrolled',
    ),
)
def secure_boot_unsigned_module(
    pci: Pci,
    kernel_driver: KernelDriver,
    module_build: ModuleBuilds,
    kernel_log: KernelLog | Missing,
    host: Host | Missing,
    device_nodes: DeviceNodes | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    ladder: Ladder | Missing,
) -> Iterator[Finding]:
    """Fire where a kernel that demands signatures has not loaded a module that lacks one, or says that it refused."""
    if not pci.devices or not owns_its_driver(host, device_nodes) or known(kernel_driver.loaded) is not False:
        return
    module = module_for_running_kernel(kernel_driver, host)
    if module is None or sign_of_driver(ladder, nvml, driver) is not None or not demands_signatures(module_build):
        return
    refusals = of_kind(kernel_log, "module-rejected")
    confidence = _confidence(pci, module.path, module_build, kernel_log, refused=bool(refusals))
    if confidence is None:
        return
    unsigned = known(module_build.module_signed) is False
    signer = known(module_build.module_signer)
    what = "has no signature" if unsigned else "is signed with a key that is not enrolled, or not at all"
    if signer is not None:
        what = f'is signed with the key "{signer}"'
        if isinstance(module_build.owner_keys, Known):
            enrolled = _enrolled(module_build)
            what += f", which is {'' if enrolled else 'not '}among those that the machine's owner enrolled"
    yield finding(
        secure_boot_unsigned_module,
        summary=f"nvidia.ko for the running kernel is on the disk and {names_of(pci.devices)} has no driver: this "
        f"kernel loads only signed modules, and the module {what}.",
        cause="The module was built on this machine (by DKMS or NVIDIA's installer), and its key was never enrolled "
        "in the firmware.",
        confidence=confidence,
        evidence=(
            *(card_evidence(card) for card in pci.devices),
            Evidence("nvidia.ko for the running kernel", module.path, "/lib/modules"),
            *seen("Secure Boot", module_build.secure_boot),
            *seen("signatures enforced", module_build.signature_enforced),
            *seen("lockdown", module_build.lockdown),
            *seen("module signed", module_build.module_signed),
            *seen("key that signed the module", module_build.module_signer),
            *_keys(module_build),
            *shown(refusals, kernel_log),
        ),
        fix=Fix(
            "Enrol the key that signs the module; the firmware asks for it once, at the next boot, with the password "
            "that you choose now. Or turn Secure Boot off in the firmware.",
            ("sudo modprobe nvidia", "mokutil --sb-state", *_enrol(host, unsigned=unsigned), REBOOT),
        ),
    )


def demands_signatures(module_build: ModuleBuilds) -> bool:
    """Say whether this kernel refuses unsigned modules; some kernels do not, even under Secure Boot."""
    enforced, lockdown = known(module_build.signature_enforced), known(module_build.lockdown)
    if enforced is True or lockdown in ("integrity", "confidentiality"):
        return True
    if enforced is False and lockdown == "none":
        return False
    return known(module_build.secure_boot) is True


def _confidence(
    pci: Pci, path: str, module_build: ModuleBuilds, kernel_log: KernelLog | Missing, *, refused: bool
) -> Confidence | None:
    """Return how sure it is, None where there is no reason to accuse the signature."""
    if known(module_build.module_signed) is False:
        return "proven" if refused else "supported"
    if _enrolled(module_build):
        return "possible" if refused else None
    if refused or (isinstance(kernel_log, Missing) and _built_here_and_unknown(path, module_build)):
        return "supported"
    held_back = any(entry.module.startswith("nvidia") for entry in module_build.blacklists)
    taken = any(text_of(card.bound_driver) for card in pci.devices)
    # Under kernel/ lie the modules that a distribution built and signed together with its kernel.
    if isinstance(kernel_log, KernelLog) or held_back or taken or "/kernel/" in path:
        return None
    return "possible"


def _built_here_and_unknown(path: str, module_build: ModuleBuilds) -> bool:
    """Say whether DKMS or akmods built the module and signed it with a key that was read and is not enrolled.

    Where the kernel log may not be read, as for most users of Debian and Ubuntu, this says it before nouveau does.
    """
    both = isinstance(module_build.module_signer, Known) and isinstance(module_build.owner_keys, Known)
    return both and not _enrolled(module_build) and ("/dkms/" in path or "/extra/" in path)


def _enrolled(module_build: ModuleBuilds) -> bool:
    """Say whether the key that signed the module is among those that the machine's owner enrolled."""
    signer = known(module_build.module_signer)
    return signer is not None and signer in (known(module_build.owner_keys) or ())


def _keys(module_build: ModuleBuilds) -> tuple[Evidence, ...]:
    keys = module_build.owner_keys
    if isinstance(keys, Missing):
        return ()
    return (Evidence("keys that the owner enrolled", ", ".join(keys.value[:8]) or "none", keys.source),)


def _enrol(host: Host | Missing, *, unsigned: bool) -> tuple[str, ...]:
    family = family_of(host)
    if family == "ubuntu":
        return ("sudo update-secureboot-policy --new-key", "sudo update-secureboot-policy --enroll-key")
    if family == "fedora":
        build = ("sudo akmods --force",) if unsigned else ()
        return ("sudo kmodgenca -a", *build, "sudo mokutil --import /etc/pki/akmods/certs/public_key.der")
    return ("sudo mokutil --import /var/lib/dkms/mok.pub",)
