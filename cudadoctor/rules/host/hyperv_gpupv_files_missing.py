"""# A virtual machine shares the host's GPU but lacks the driver files of the host

## What it checks
Whether a text shows /dev/dxg or GPU paravirtualisation together with an NVML that is blocked by the operating system.

## Why it matters
With GPU-PV the guest has no driver of its own: it must get the host's libraries under /usr/lib/wsl, of the very
release of the host.

## How to fix it
Copy the driver files of the host into the guest after each driver update, or use WSL2, which does so itself.

## Limits
In WSL2 the same NVML message has another cause, the driver model of the card.

## Sources
- <https://learn.microsoft.com/windows-server/virtualization/hyper-v/gpu-partitioning>
"""

from __future__ import annotations

from cudadoctor.rules.base import cause

hyperv_gpupv_files_missing = cause(
    id="hyperv-gpupv-files-missing",
    title="A virtual machine shares the host's GPU but lacks the driver files of the host",
    page=__doc__,
    shows={"hyper-v nvml:17": 7, "hyper-v": 3, "dxg nvml:17 !wsl": 6, "dxg nvml:17": 2, "nvml:17": 3},
)
