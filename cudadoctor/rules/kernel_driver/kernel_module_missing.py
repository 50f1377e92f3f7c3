"""# No NVIDIA kernel module for the running kernel

## What it checks
Whether parts of an NVIDIA driver are installed, but no `nvidia.ko` was built for the kernel that runs.

## Why it matters
The module must fit the kernel exactly.
After a kernel update, or with kernel headers missing, DKMS builds none, nouveau often takes the card instead, and
everything says "could not communicate with the NVIDIA driver".

## How to fix it
Install the headers of the running kernel and build the module again, or boot a kernel that has one.
Do not blacklist nouveau first: it is only the fallback.
On Ubuntu and Debian:

```sh
sudo apt-get install -y linux-headers-$(uname -r)
sudo dkms autoinstall
sudo modprobe nvidia && nvidia-smi
```

## Limits
Where the log of a build that failed can be read, `dkms-build-failed` is reported in its place.

## Sources
dkms(8); RPM Fusion's akmods.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.libraries import Libraries
from cudadoctor.facts.module_build import ModuleBuilds
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import CannotJudgeError, finding, rule
from cudadoctor.rules.commands import family_of
from cudadoctor.rules.driver_commands import comes_built, of_run_file, rebuild_module
from cudadoctor.rules.kernel_driver.on_disk import driver_is_installed, module_for_running_kernel
from cudadoctor.rules.reading import (
    card_evidence,
    driver_files,
    kernel_of,
    names_of,
    owns_its_driver,
    seen,
    sign_of_driver,
)


@rule(
    id="kernel-module-missing",
    title="No NVIDIA kernel module for the running kernel",
    severity=Severity.ERROR,
    explains=("libcuda-missing", "stub-libcuda-loaded", "driver-call-failed"),
    shows={
        "driver-container-kernel": 8,
        "module-not-found": 9,
        "dkms-added": 4,
        "smi-no-driver": 6,
        "smi-no-driver dkms-status-other": 4,
        "smi-no-driver headers-missing": 4,
        "headers-missing dkms": 6,
        "nvml:9": 4,
        "smi-works": -3,
        "dkms-conf-missing": 9,
        "kernel-upgraded smi-no-driver": 5,
        "kernel-upgraded module-not-found": 2,
        "kernel-upgraded": 2,
        "kernel-upgraded nouveau": 2,
        "version-magic": 9,
        "akmods-failed": 4,
        "kernel-upgraded akmods-failed": 4,
        "module-not-initialised": 4,
        "headers-missing !dkms-failed !make-log": 5,
        "wsl smi-no-driver": -4,
    },
    commands_here=lambda machine: _build(machine.host, machine.kernel_driver),
    confirm=Confirm(
        "uname -r; find /lib/modules/ -name 'nvidia.ko*' -o -name 'nvidia-current*.ko*'; "
        "find /usr/src/ -maxdepth 1 -name 'nvidia*'",
        "no module under the release of the first line, but one of another, or a source folder",
    ),
)
def kernel_module_missing(
    pci: Pci,
    kernel_driver: KernelDriver,
    host: Host | Missing,
    libraries: Libraries | Missing,
    device_nodes: DeviceNodes | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    ladder: Ladder | Missing,
    module_build: ModuleBuilds | Missing,
) -> Iterator[Finding]:
    """Fire where a driver is installed without a module for the kernel that runs."""
    if not pci.devices or not owns_its_driver(host, device_nodes) or known(kernel_driver.loaded) is True:
        return
    if sign_of_driver(ladder, nvml, driver) is not None or not driver_is_installed(kernel_driver, libraries):
        return
    kernel = kernel_of(host)
    if kernel is None:
        raise CannotJudgeError("the release of the running kernel is not known")
    if module_for_running_kernel(kernel_driver, host) is not None:
        return
    others = tuple(dict.fromkeys(file.kernel_release for file in kernel_driver.module_files))
    evidence = tuple(card_evidence(card) for card in pci.devices)
    evidence += seen("running kernel", host.kernel_release) if isinstance(host, Host) else ()
    evidence += tuple(
        Evidence("nvidia.ko for another kernel", f.kernel_release, f.path) for f in kernel_driver.module_files
    )
    evidence += seen("driver package", kernel_driver.package_release)
    evidence += tuple(
        Evidence("driver library", file.real_path or file.path, file.found_via) for file in driver_files(libraries)[:2]
    )
    bound = next((name for card in pci.devices if (name := known(card.bound_driver))), None)
    fallback = f" {bound} holds the card only because nvidia.ko is not there." if bound else ""
    headers = module_build.headers if isinstance(module_build, ModuleBuilds) else Missing("they were not looked for")
    evidence += seen("headers of the running kernel", headers)
    why = "The kernel was updated, or its headers are missing, and the module was not built for it."
    if known(headers) is False:
        why = "The headers of the running kernel are not installed, so the module was not built for it."
    if comes_built(kernel_driver.module_files):
        why = "The kernel was updated; the package with the module that comes built for it was not installed."
    built = f"It was built for {', '.join(others[:3])}." if others else "None was built for any kernel on this machine."
    yield finding(
        kernel_module_missing,
        summary=f"An NVIDIA driver is installed, but there is no nvidia.ko for the running kernel {kernel}. {built}",
        cause=f"{why}{fallback}",
        confidence="proven",
        evidence=evidence,
        fix=_fix(host, kernel_driver, names_of(pci.devices)),
    )


def _build(host: Host | Missing, kernel_driver: KernelDriver | Missing) -> tuple[str, ...]:
    return rebuild_module(host, kernel_driver.module_files if isinstance(kernel_driver, KernelDriver) else ())


def _fix(host: Host | Missing, kernel_driver: KernelDriver, cards: str) -> Fix:
    others = kernel_driver.module_files
    boot = ", or boot a kernel that has one" if others else ""
    if comes_built(others):
        text = f"Install the built module for {cards} and this kernel{boot}."
    elif of_run_file(others):
        text = f"Run NVIDIA's .run installer again for this kernel, in the folder where it lies{boot}. With --dkms it "
        text += "builds the module for later kernels by itself."
    else:
        akmods = family_of(host) == "fedora"
        log = "/var/cache/akmods/nvidia/*.failed.log" if akmods else "/var/lib/dkms/nvidia*/*/build/make.log"
        text = f"Build the module for {cards} anew for this kernel{boot}. If the build fails, {log} says why."
    return Fix(text, _build(host, kernel_driver))
