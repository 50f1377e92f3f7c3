"""# No NVIDIA driver is installed

## What it checks
Whether there is an NVIDIA card but no trace of a driver: no module loaded or on the disk, no package, no libcuda or
libnvidia-ml that comes with a driver; on Windows, no nvcuda.dll in System32.

## Why it matters
CUDA libraries, toolkits and Python wheels do not contain the driver.
Without it no program reaches the card.

## How to fix it
Install the driver of the distribution, with the branch that fits the card, and reboot.
Maxwell, Pascal and Volta cards need branch 580 with the proprietary module; Turing and newer take the current branch
with the open modules.
The driver of WSL2 is that of Windows, and none is installed inside.
On Ubuntu:

```sh
sudo apt-get update
sudo apt-get install -y ubuntu-drivers-common
sudo ubuntu-drivers install
sudo reboot
```

On Windows:

```powershell
start https://www.nvidia.com/drivers
```

## Limits
On Windows, on WSL2 and where the PCI bus cannot be read, a missing driver library does not prove that there is a
card: the finding then says possible.
Inside a container nothing is to be installed: see container-no-gpu-flag.
Stub libraries of a toolkit and cuda-compat packages are no driver.

## Sources
NVIDIA Driver Installation Guide (docs.nvidia.com/datacenter/tesla/driver-installation-guide); last driver branch of
each architecture: tables/capabilities.tsv.
Met by users in:
- <https://github.com/huan/docker-wechat/issues/173>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.libraries import Libraries
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci, PciDevice
from cudadoctor.facts.windows import Windows
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.driver_commands import debian_note, driver_source, install_driver, update_driver
from cudadoctor.rules.kernel_driver.on_disk import driver_is_installed
from cudadoctor.rules.reading import (
    card_evidence,
    cards,
    container_of,
    names_of,
    nvml_error,
    on_jetson,
    on_wsl,
    said,
    sign_of_driver,
    step_of,
    system_of,
    version_of,
)
from cudadoctor.tables.support import capability_support

LOOK_FOR_CARD = "Get-CimInstance Win32_VideoController | Select-Object Name, DriverVersion"
"""For PowerShell."""

_BLACKWELL_BRANCH = 570
"""CUDA 12.8 was the first for Blackwell (tables/capabilities.tsv), and 570 its driver (tables/drivers.tsv)."""


@rule(
    id="no-driver-installed",
    title="No NVIDIA driver is installed",
    severity=Severity.ERROR,
    explains=("libcuda-missing", "stub-libcuda-loaded", "nvvm-not-found", "driver-call-failed"),
    shows={
        "smi-not-found": 6,
        "container smi-not-found": -3,
        "container-cli-driver": 8,
        "container-cli-driver lib:libnvidia-ml": 2,
        "lib:libnvidia-ml": 4,
        "nvml:12": 4,
        "no-nvidia-driver": 6,
        "no-nvidia-driver smi-no-driver": 2,
        "smi-no-driver": 7,
        "nvml:9": 4,
        "lib:libcuda !smi-works": 4,
        "libcuda-not-found !smi-works": 4,
        "cuda:100 !smi-works": 2,
        "nvcuda-missing": 8,
        "no-gpu-found": 4,
        "smi-works": -4,
        "container-with-gpu no-nvidia-driver": -2,
        "wsl": -3,
        "cvd": -2,
        "smi-old-zero": 8,
        "smi-works-said": -5,
        "nouveau no-gpu-devices": 5,
        "no-card-said": -3,
        "smi-no-nvml-lib !container": 5,
        "other-docker": -5,
        "cuda-303": 6,
        "cuda-303 container": -4,
        "module-not-initialised": 3,
        "no-compute-platform": 6,
        "no-compute-platform smi-works": -3,
        "no-nvidia-driver driver-told": -3,
        "no-nvidia-driver old-libcuda": -3,
    },
    commands_here=update_driver,
    confirm=Confirm(
        "grep -h PCI_ID=10DE /sys/bus/pci/devices/*/uevent; cat /proc/driver/nvidia/version; "
        "/sbin/modinfo -F version nvidia nvidia-current",
        'a card, then "No such file" and "Module nvidia not found"',
    ),
    confirm_on_windows=Confirm(
        "where.exe nvcuda.dll nvidia-smi.exe",
        "no file",
    ),
)
def no_driver_installed(
    pci: Pci | Missing,
    host: Host | Missing,
    kernel_driver: KernelDriver | Missing,
    libraries: Libraries | Missing,
    device_nodes: DeviceNodes | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    ladder: Ladder | Missing,
    windows: Windows | Missing,
) -> Iterator[Finding]:
    """Fire where a card is there, or may be, and nothing of a driver is."""
    if container_of(host) or on_jetson(host) or system_of(host) == "Darwin":
        return
    loaded = isinstance(kernel_driver, KernelDriver) and known(kernel_driver.loaded) is True
    if loaded or driver_is_installed(kernel_driver, libraries) or sign_of_driver(ladder, nvml, driver) is not None:
        return
    if isinstance(windows, Windows) and isinstance(windows.nvcuda, Known):
        return
    found = cards(pci)
    if found:
        yield from _proven(found, host, kernel_driver, libraries, ladder)
    elif isinstance(pci, Missing) or on_wsl(host, device_nodes):
        yield from _possible(host, device_nodes, pci, ladder)


def _proven(
    found: tuple[PciDevice, ...],
    host: Host | Missing,
    kernel_driver: KernelDriver | Missing,
    libraries: Libraries | Missing,
    ladder: Ladder | Missing,
) -> Iterator[Finding]:
    on_windows = system_of(host) == "Windows"
    looked = isinstance(kernel_driver, KernelDriver) or isinstance(libraries, Libraries)
    unloadable = nvml_error(ladder, 12)
    if not looked and unloadable is None:
        return
    evidence = tuple(card_evidence(card) for card in found)
    if isinstance(kernel_driver, KernelDriver):
        source = kernel_driver.loaded.source if isinstance(kernel_driver.loaded, Known) else "/lib/modules"
        evidence += (Evidence("NVIDIA kernel modules on the disk", 0, source),)
    if isinstance(libraries, Libraries):
        evidence += (Evidence("driver libraries on the search path", 0, "libcuda.so.1, libnvidia-ml.so.1"),)
    evidence += (said(unloadable),) if unloadable else ()
    branch, why = _branch(found)
    wanted = f"driver branch {branch}" if branch else "the current driver"
    commands = install_driver(host, branch, _BLACKWELL_BRANCH if _is_blackwell(found) else None)
    reboot, place, lacks = " and reboot", "on the PCI bus", "Neither a kernel module nor libcuda is on this machine"
    if on_windows:
        reboot, place, lacks = "", "in this machine", "Windows has no nvcuda.dll"
    bound = next(
        (name for card in found if (name := known(card.bound_driver)) and name not in ("nvidia", "nvlddmkm")), None
    )
    yield finding(
        no_driver_installed,
        summary=f"{names_of(found)} is {place}, but no NVIDIA driver is installed.",
        cause=f"{lacks}{f'; the card is left to {bound}' if bound else ''}. {why}",
        confidence="proven" if looked else "supported",
        evidence=evidence,
        fix=Fix(
            f"Install {wanted}{driver_source(host)}{reboot}.{debian_note(commands)}",
            commands or (LOOK_FOR_CARD if on_windows else "lspci -nnk -d 10de:",),
        ),
    )


def _branch(found: tuple[PciDevice, ...]) -> tuple[int | None, str]:
    """Return the branch that all cards need, None for the newest, and the sentence that says why."""
    branches = []
    for card in found:
        support = capability_support(known(card.compute_capability) or "")
        if support is not None and support.last_driver_branch is not None:
            branches.append((support.last_driver_branch, support.architecture))
    if branches:
        branch, architecture = min(branches)
        return (
            branch,
            f"{architecture} cards were dropped after driver branch {branch}, so a newer one would not serve it.",
        )
    if _is_blackwell(found):
        return None, f"Blackwell cards need driver branch {_BLACKWELL_BRANCH} or newer, with the open kernel modules."
    return None, "Any current branch (580 or newer) serves it."


def _is_blackwell(found: tuple[PciDevice, ...]) -> bool:
    lowest = min((version_of(known(card.compute_capability)) or (99,) for card in found), default=(99,))
    return (10,) <= lowest < (99,)


def _possible(
    host: Host | Missing, device_nodes: DeviceNodes | Missing, pci: Pci | Missing, ladder: Ladder | Missing
) -> Iterator[Finding]:
    unloadable, libcuda = nvml_error(ladder, 12), step_of(ladder, "libcuda")
    if unloadable is None or libcuda is None or libcuda.state != "failed":
        return
    if on_wsl(host, device_nodes):
        told = "WSL2 offers no NVIDIA driver library: Windows has no NVIDIA driver, or no NVIDIA card."
        fix = Fix(
            "If Windows has an NVIDIA card, install its driver in Windows, then restart WSL. Never install a Linux "
            "driver inside WSL2.",
            (
                "powershell.exe -Command 'Get-CimInstance Win32_VideoController | Select-Object Name'",
                "wsl.exe --update",
            ),
        )
    elif system_of(host) == "Windows":
        told = "Windows has no NVIDIA driver library: no NVIDIA driver is installed, or there is no NVIDIA card."
        fix = Fix(
            "Look whether there is an NVIDIA card; if so, install its driver from nvidia.com/drivers.",
            (LOOK_FOR_CARD,),
        )
    else:
        told = "No NVIDIA driver library was found, and the PCI bus could not be read to tell whether there is a card."
        fix = Fix("Look whether there is an NVIDIA card before anything else.", ("lspci -nn -d 10de:",))
    source = pci.reason if isinstance(pci, Missing) else "it does not show GPUs here"
    yield finding(
        no_driver_installed,
        summary=told,
        cause="Neither NVML nor the driver API could be loaded, and the PCI bus does not tell whether a card is there.",
        confidence="possible",
        evidence=(said(unloadable), said(libcuda), Evidence("PCI bus", "not known", source)),
        fix=fix,
    )
