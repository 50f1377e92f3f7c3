"""# The NVIDIA module could not be compiled

## What it checks
Whether DKMS or akmods left the log of a build that failed for the running kernel, and there is no `nvidia.ko` for it.

## Why it matters
The driver comes as source that is compiled for each kernel.
A kernel that is newer than the driver, another compiler or missing headers make that fail at a moment when nobody
looks; after the reboot there is no module, nouveau takes the card, and nouveau gets the blame.

## How to fix it
Read the first error.
A function or a field that does not exist means that the driver is too old for this kernel: install a newer release of
its branch, or boot the kernel before.
A file that is not found means that headers or the compiler are missing.
On Ubuntu and Debian:

```sh
sudo apt-get install -y linux-headers-$(uname -r)
sudo dkms autoinstall
sudo modprobe nvidia && nvidia-smi
```

## Limits
A build that a helper other than DKMS or akmods made leaves no log where this looks.
Logs in a folder that only root may read are not seen.

## Sources
dkms(8); RPM Fusion's akmods.
Met by users in:
- <https://github.com/negativo17/nvidia-driver/issues/75>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.module_build import ModuleBuild, ModuleBuilds
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import CannotJudgeError, finding, rule
from cudadoctor.rules.driver_commands import rebuild_module
from cudadoctor.rules.kernel_driver.on_disk import module_for_running_kernel
from cudadoctor.rules.reading import card_evidence, kernel_of, names_of, owns_its_driver, seen, sign_of_driver

_FIRST_ERRORS = (
    "grep -hnE 'error:|Error [0-9]' /var/lib/dkms/nvidia*/*/build/make.log /var/cache/akmods/nvidia/*.failed.log | head"
)


@rule(
    id="dkms-build-failed",
    title="The NVIDIA module could not be compiled",
    severity=Severity.ERROR,
    explains=(
        "other-driver-bound",
        "no-driver-installed",
        "kernel-module-missing",
        "libcuda-missing",
        "stub-libcuda-loaded",
        "driver-call-failed",
    ),
    shows={
        "dkms-failed": 8,
        "dkms-failed smi-no-driver": 4,
        "make-log": 5,
        "dkms-failed make-log": 2,
        "cannot-load-module !module-built": 3,
        "cannot-load-module": 2,
        "headers-missing": 4,
        "akmods-failed": 4,
        "kernel-compiler-differs": 9,
    },
    commands_here=lambda machine: (_FIRST_ERRORS, *rebuild_module(machine.host)),
    confirm=Confirm(
        "grep -rnE 'error:|Error [0-9]' /var/lib/dkms/nvidia /var/cache/akmods --include='*.log' | head -n 5",
        "errors of the compiler",
    ),
)
def dkms_build_failed(
    pci: Pci,
    kernel_driver: KernelDriver,
    module_build: ModuleBuilds,
    host: Host | Missing,
    device_nodes: DeviceNodes | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    ladder: Ladder | Missing,
) -> Iterator[Finding]:
    """Fire where the build for the running kernel failed and there is no module for it."""
    if not pci.devices or not owns_its_driver(host, device_nodes) or known(kernel_driver.loaded) is True:
        return
    if sign_of_driver(ladder, nvml, driver) is not None:
        return
    kernel = kernel_of(host)
    if kernel is None:
        raise CannotJudgeError("the release of the running kernel is not known")
    failed = next((b for b in module_build.builds if b.state == "failed" and b.kernel_release == kernel), None)
    if failed is None or module_for_running_kernel(kernel_driver, host) is not None:
        return
    bound = next((name for card in pci.devices if (name := known(card.bound_driver))), None)
    yield finding(
        dkms_build_failed,
        summary=f"The module of driver {failed.release} was not built for the running kernel {kernel}: the build "
        f"failed{f' ({failed.errors[0]})' if failed.errors else ''}, so nothing drives {names_of(pci.devices)}.",
        cause=f"{_cause(failed, module_build)}"
        f"{f' {bound} holds the card only because nvidia.ko is not there.' if bound else ''}",
        confidence="proven",
        evidence=(
            *(card_evidence(card) for card in pci.devices),
            *(seen("running kernel", host.kernel_release) if isinstance(host, Host) else ()),
            *(Evidence("error of the build", line, failed.source) for line in failed.errors),
            *seen("headers of the running kernel", module_build.headers),
        ),
        fix=Fix(
            "Read the first error. If it is about the kernel's own functions, update the driver within its branch or "
            "boot the kernel before; if a file was not found, the commands install what is missing and build again. "
            "Do not blacklist nouveau for this.",
            (_FIRST_ERRORS, *rebuild_module(host)),
        ),
    )


def _cause(failed: ModuleBuild, module_build: ModuleBuilds) -> str:
    if known(module_build.headers) is False:
        return "The headers of the running kernel are not installed."
    if any("No such file" in line or "not found" in line for line in failed.errors):
        return "A file that the build needs was not found."
    return "This release of the driver does not compile for this kernel with this compiler."
