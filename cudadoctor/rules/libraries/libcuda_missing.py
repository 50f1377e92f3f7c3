"""# libcuda is missing, although the driver works

## What it checks
Whether NVML answers, or the kernel module is loaded, while `libcuda.so.1` cannot be loaded.

## Why it matters
libcuda is the part of the driver that CUDA programs call.
Server packages without the compute part, and vGPU host packages, leave it out: `nvidia-smi` works, shows no CUDA
version, and CUDA programs say that the driver is insufficient (error 35).

## How to fix it
Install the compute part of the same driver release.
In a virtual machine with a vGPU, install the guest driver (`-grid`), not the host's (`-vgpu-kvm`).
On Ubuntu:

```sh
sudo apt-get install -y "libnvidia-compute-$(/sbin/modinfo -F version nvidia | cut -d. -f1)"
ldconfig -p | grep libcuda.so.1
```

On Windows:

```powershell
start https://www.nvidia.com/drivers
```

## Limits
If a file is there but cannot be loaded, the loader's message says why (wrong architecture, damaged file).
In a container see container-driver-capabilities.

## Sources
Ubuntu's libnvidia-compute, Debian's libcuda1, RPM Fusion's xorg-x11-drv-nvidia-cuda-libs.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.libraries import Libraries
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import family_of
from cudadoctor.rules.driver_commands import install_libcuda
from cudadoctor.rules.reading import (
    container_of,
    driver_files,
    driver_release,
    on_jetson,
    on_wsl,
    passed,
    said,
    seen,
    step_of,
    system_of,
    text_of,
    version_of,
)


@rule(
    id="libcuda-missing",
    title="libcuda is missing, although the driver works",
    severity=Severity.ERROR,
    explains=("uvm-node-missing", "mig-without-instance", "driver-call-failed"),
    shows={
        "libcuda-not-found": 6,
        "lib:libcuda": 6,
        "vgpu-host-driver": 7,
        "smi-no-cuda-version": 5,
        "smi-works libcuda-not-found": 3,
        "smi-works lib:libcuda": 3,
        "smi-works no-nvidia-driver !container": 4,
        "cuda:35": 2,
        "lib:libnvidia-ml": -2,
        "container-cli": -2,
        "smi-no-nvml-lib !container": 3,
        "container-cli lib:libcuda": 5,
        "cuda-303": 4,
        "singularity": -4,
        "container lib:libcuda !smi-works !container-cli": -5,
        "ptxjit-missing !container": 7,
        "ptxjit-missing container": 3,
        "libcuda-empty": 8,
        "lcuda": 3,
    },
    commands_here=lambda machine: () if family_of(machine.host) == "ubuntu" else install_libcuda(machine.host, None),
    confirm=Confirm(
        "cat /proc/driver/nvidia/version; /sbin/ldconfig -p | grep -E 'libcuda.so|libnvidia-ml.so'",
        "a driver and libnvidia-ml, but no libcuda.so.1",
    ),
    confirm_on_windows=Confirm(
        "where.exe nvcuda.dll nvidia-smi.exe",
        "nvidia-smi.exe, but no nvcuda.dll",
    ),
)
def libcuda_missing(
    ladder: Ladder,
    host: Host | Missing,
    device_nodes: DeviceNodes | Missing,
    kernel_driver: KernelDriver | Missing,
    libraries: Libraries | Missing,
    nvml: Nvml | Missing,
) -> Iterator[Finding]:
    """Fire outside containers where libcuda cannot be loaded and the kernel half is known to be at work."""
    step = step_of(ladder, "libcuda")
    loaded = isinstance(kernel_driver, KernelDriver) and known(kernel_driver.loaded) is True
    if step is None or step.state != "failed" or step.code is not None or container_of(host):
        return
    if not (passed(ladder, "nvml") or loaded or on_jetson(host)):
        return
    files = driver_files(libraries, "libcuda")
    release = driver_release(nvml, kernel_driver.loaded_release if isinstance(kernel_driver, KernelDriver) else None)
    version = version_of(known(release))
    works = "NVML works" if passed(ladder, "nvml") else "The kernel module is loaded"
    state = "cannot be loaded" if files else "is not there"
    text, commands = (
        f"Install the compute part of driver {text_of(release) or 'that is installed'}.",
        install_libcuda(host, version[0] if version else None),
    )
    if on_jetson(host):
        text, commands = "Install JetPack's CUDA driver package.", ("sudo apt-get install -y nvidia-l4t-cuda",)
    elif on_wsl(host, device_nodes):
        text, commands = "Update WSL and the Windows driver; libcuda comes from Windows.", ("wsl.exe --update",)
    elif system_of(host) == "Windows":
        text, commands = "Install the driver from nvidia.com/drivers again: nvcuda.dll is part of it.", ()
    elif files:
        text = "Read the loader's message, and install the driver's libraries again."
    library, why = "libcuda", "a display or server package alone, or a vGPU host package"
    if system_of(host) == "Windows":
        library, why = "nvcuda.dll", "an installation that was broken off, or a program that removed it"
    evidence = (said(step), *seen("driver release", release))
    evidence += tuple(Evidence("libcuda on the disk", file.path, file.found_via) for file in files[:3])
    yield finding(
        libcuda_missing,
        summary=f"{works}, but {library} {state}, so no CUDA program can start.",
        cause="The library exists and the loader refuses it."
        if files
        else f"The driver was installed without its compute part: {why}.",
        confidence="supported" if files else "proven",
        evidence=evidence,
        fix=Fix(text, commands),
    )
