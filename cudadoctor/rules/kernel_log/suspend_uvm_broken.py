"""# CUDA broke when the machine slept

## What it checks
Whether the driver API answers 999 (unknown error) while NVML works and `/dev/nvidia-uvm` is there, and the kernel log
says that the machine woke from sleep since it booted.

## Why it matters
The unified memory module does not always survive a suspend.
`nvidia-smi` and the desktop go on working, and every CUDA program fails until the module is loaded again.

## How to fix it
End what uses the GPU's compute side and load the module again, or reboot.
To keep it from coming back, let the driver save its memory at suspend.

```sh
sudo rmmod nvidia_uvm && sudo modprobe nvidia_uvm
echo "options nvidia NVreg_PreserveVideoMemoryAllocations=1" | sudo tee /etc/modprobe.d/nvidia-sleep.conf
sudo systemctl enable nvidia-suspend nvidia-resume nvidia-hibernate
```

## Limits
Without the right to read the kernel log, the sleep is not seen.

## Sources
NVIDIA driver README, Configuring Power Management Support (NVreg_PreserveVideoMemoryAllocations).
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.kernel_log import KernelLog
from cudadoctor.facts.ladder import Ladder
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import set_module_option
from cudadoctor.rules.kernel_log.events import shown
from cudadoctor.rules.reading import cuda_error, node_paths, parameter_of, passed, said


@rule(
    id="suspend-uvm-broken",
    title="CUDA broke when the machine slept",
    severity=Severity.ERROR,
    explains=("driver-call-failed", "race-lane-failed"),
    shows={
        "suspend": 5,
        "cuda:999": 4,
        "cuda:999 suspend": 6,
        "init-failed": 4,
        "init-failed suspend": 5,
        "cuda:999 smi-works": 2,
        "cuda:100 suspend": 4,
        "uvm-unload": 5,
        "uvm-unload cuda:999": 3,
        "nodes-without-uvm": -3,
        "container cuda:999": -1,
        "xid:13": 4,
        "suspend smi-works-said": 2,
        "suspend no-gpu-devices": 3,
        "suspend not-available": 3,
        "suspend container": 1,
        "suspend cuda:719": 4,
        "suspend no-gpu-found": 6,
        "cuda:999 !suspend": -2,
        "torch-999 !container": 4,
    },
    confirm=Confirm(
        "journalctl -k -b | grep 'PM: suspend'; ls -l /dev/nvidia-uvm",
        "that the machine slept since it booted, and the node",
    ),
)
def suspend_uvm_broken(
    kernel_log: KernelLog,
    ladder: Ladder,
    device_nodes: DeviceNodes,
    host: Host | Missing,
    kernel_driver: KernelDriver | Missing,
) -> Iterator[Finding]:
    """Fire on 999 after a sleep, with NVML at work and the node there."""
    step = cuda_error(ladder, 999)
    woke = kernel_log.of_kind("resumed")
    if step is None or not woke or not passed(ladder, "nvml") or "/dev/nvidia-uvm" not in node_paths(device_nodes):
        return
    yield finding(
        suspend_uvm_broken,
        summary=f"NVML works, but {step.call} fails with 999, and the machine has slept since it booted.",
        cause="The module nvidia_uvm lost its state at the suspend.",
        confidence="supported",
        evidence=(
            said(step),
            *shown(woke, kernel_log),
            *parameter_of(kernel_driver, "PreserveVideoMemoryAllocations"),
        ),
        fix=Fix(
            "Load the module again, after programs that hold it have ended, or reboot. Then let the driver keep its "
            "memory over a suspend.",
            (
                "sudo fuser -v /dev/nvidia-uvm",
                "sudo rmmod nvidia_uvm && sudo modprobe nvidia_uvm",
                set_module_option(host, "NVreg_PreserveVideoMemoryAllocations=1", "nvidia-sleep"),
                "sudo systemctl enable nvidia-suspend nvidia-resume nvidia-hibernate",
            ),
        ),
    )
