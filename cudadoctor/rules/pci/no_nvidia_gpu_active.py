"""# No NVIDIA GPU is active in this machine

## What it checks
Whether the PCI bus holds an NVIDIA display or 3D controller (vendor 10de, class 03xx), and whether NVML or the driver
API give any sign of one that the bus does not show.

## Why it matters
Without a GPU every other complaint (no driver, no device, no context) only follows from this, and no driver helps.

## How to fix it
Run on the CPU, or on a machine with an NVIDIA GPU.
If this machine has a card: seat and power, the BIOS switch for the slot, and on a laptop the graphics mode (a hybrid
laptop in integrated mode takes the GPU off the bus).
Look for the card, then look into the setup of the firmware:

```sh
lspci -nn -d 10de:
sudo systemctl reboot --firmware-setup
```

## Limits
GPUs of WSL2 and Jetson are not on the PCI bus, and sandboxes may hide the bus, so any answer that only a driver at
work can give (a GPU seen, a hang, a crash, codes such as 18, 802, 803 or 999) silences this rule.
Where the bus cannot be read, it fires only if both NVML and the driver API say that there are no GPUs.

## Sources
PCI class codes: PCI Code and ID Assignment Specification.
Met by users in:
- <https://github.com/bayasdev/envycontrol/issues/149>
- <https://github.com/numba/numba/issues/548>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import CannotJudgeError, finding, rule
from cudadoctor.rules.reading import (
    container_of,
    cuda_error,
    nvml_error,
    on_jetson,
    on_wsl,
    said,
    seen,
    sign_of_driver,
    system_of,
)


@rule(
    id="no-nvidia-gpu-active",
    title="No NVIDIA GPU is active in this machine",
    severity=Severity.ERROR,
    explains=("*",),
    shows={
        "no-nvidia-gpu": 6,
        "no-gpu-found": 4,
        "lspci-other !lspci-nvidia": 6,
        "module-refused": 4,
        "cuda:100": 4,
        "cuda:100 smi-works": -3,
        "module-no-device": 7,
        "smi-no-devices": 3,
        "no-nvidia-driver": 2,
        "smi-no-driver": 1,
        "no-card-said": 5,
        "no-card-said no-nvidia-driver": 4,
        "no-card-said smi-no-driver": 5,
        "no-card-said smi-not-found": 4,
        "no-card-said cuda:100": 4,
        "other-gpu no-nvidia-driver": 5,
        "other-gpu no-gpu-devices": 4,
        "other-gpu cuda:100": 3,
        "no-gpu-devices": 5,
        "no-gpu-devices smi-works": -3,
        "no-gpu-devices container": -3,
        "no-gpu-devices laptop": -1,
        "tf-11 windows": -5,
        "legacy-driver": -10,
        "nvcuda-missing other-gpu": 6,
        "available": -3,
        "colab": -3,
        "macos": -2,
        "other-gpu !card-named !lspci-nvidia": 4,
        "other-gpu lib-of-a-toolkit": 4,
        "other-gpu cuda-home-missing": 5,
        "other-gpu dll-missing": 4,
        "other-gpu not-available": 4,
        "wsl-no-adapters": 7,
        "other-gpu not-compiled-with-cuda": 7,
        "no-compute-platform": 4,
        "no-compute-platform smi-works": -3,
    },
    confirm=Confirm(
        "cat /sys/bus/pci/devices/*/uevent | grep -A1 PCI_CLASS=3",
        "no PCI_ID that begins with 10DE",
    ),
    confirm_on_windows=Confirm(
        'powershell -Command "Get-CimInstance Win32_VideoController | Select-Object Name"',
        "no card of NVIDIA",
    ),
)
def no_nvidia_gpu_active(
    pci: Pci | Missing,
    host: Host | Missing,
    device_nodes: DeviceNodes | Missing,
    environment: Environment | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    ladder: Ladder | Missing,
) -> Iterator[Finding]:
    """Fire where the bus is known to hold no NVIDIA GPU and no driver gives a sign of one."""
    if isinstance(pci, Pci) and pci.devices:
        return
    if on_jetson(host) or on_wsl(host, device_nodes) or sign_of_driver(ladder, nvml, driver) is not None:
        return
    if isinstance(pci, Missing):
        evidence = _both_say_none(nvml, environment, ladder)
        if not evidence:
            raise CannotJudgeError(f"the PCI bus could not be read: {pci.reason}")
        told = "NVML and the driver API answer, and both say that there are no GPUs."
    else:
        evidence = (Evidence("NVIDIA GPUs on the PCI bus", 0, pci.source),)
        evidence += tuple(said(step) for step in (nvml_error(ladder, 9, 12), cuda_error(ladder, 100)) if step)
        told = "The PCI bus holds no NVIDIA GPU, and no driver answers for one."
        if system_of(host) == "Darwin":
            told = "macOS lists no NVIDIA GPU, and CUDA runs on no other."
    inside = container_of(host)
    where = "The host of this container has none either: a container shows the host's PCI bus. " if inside else ""
    linux = system_of(host) in ("Linux", "")
    yield finding(
        no_nvidia_gpu_active,
        summary=told,
        cause="There is no NVIDIA card in this Mac, or it is outside and was not there at the start."
        if system_of(host) == "Darwin"
        else f"{where}There is no NVIDIA card, or it is off: unpowered, badly seated, disabled in the BIOS, "
        "or on a laptop in integrated graphics mode.",
        confidence="supported" if inside or isinstance(pci, Missing) else "proven",
        evidence=evidence,
        fix=Fix(
            "No driver and no toolkit helps here. Run on the CPU, or on a machine with an NVIDIA GPU."
            if system_of(host) == "Darwin"
            else "Driver and toolkit are not the problem here. Run on the CPU, or on a machine with an NVIDIA GPU. If "
            "there should be a card, look for it on the bus, check its seat, its power and the BIOS, and on a laptop "
            "choose hybrid or NVIDIA graphics.",
            ("lspci -nn -d 10de:",) if linux else (),
        ),
    )


def _both_say_none(
    nvml: Nvml | Missing, environment: Environment | Missing, ladder: Ladder | Missing
) -> tuple[Evidence, ...]:
    """Return evidence that NVML and the driver API both answered that there is no GPU, with nothing hidden."""
    hidden = isinstance(environment, Environment) and "CUDA_VISIBLE_DEVICES" in environment.variables
    no_device = cuda_error(ladder, 100)
    if hidden or no_device is None or not isinstance(nvml, Nvml) or known(nvml.device_count) != 0:
        return ()
    return (*seen("GPUs that NVML sees", nvml.device_count), said(no_device))
