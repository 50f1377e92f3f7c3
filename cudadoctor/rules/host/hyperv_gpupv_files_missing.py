"""# A virtual machine shares the host's GPU but lacks the driver files of the host

## What it checks
Whether a Linux guest other than WSL2 has /dev/dxg, the GPU that Hyper-V lends, and no context could be made because
the host's libraries are missing or refused.
In a pasted text: whether it shows /dev/dxg or GPU paravirtualisation together with an NVML that is blocked by the
operating system.

## Why it matters
With GPU-PV the guest has no driver of its own: it must get the host's libraries under /usr/lib/wsl, of the very
release of the host.

## How to fix it
Copy the driver files of the host into the guest after each driver update, or use WSL2, which does so itself.
In the PowerShell of an administrator on Windows:

```powershell
wsl --install
```

## Limits
In WSL2 the same NVML message has another cause, the driver model of the card.

## Sources
- <https://learn.microsoft.com/windows-server/virtualization/hyper-v/gpu-partitioning>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.libraries import Libraries
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.host.wsl_linux_driver_inside import LENT
from cudadoctor.rules.reading import container_of, node_paths, nvml_error, on_search_path, passed, said, seen, step_of


@rule(
    id="hyperv-gpupv-files-missing",
    title="A virtual machine shares the host's GPU but lacks the driver files of the host",
    severity=Severity.ERROR,
    explains=(
        "no-driver-installed",
        "wsl-driver-model-tcc",
        "wsl-linux-driver-inside",
        "libcuda-missing",
        "driver-call-failed",
    ),
    shows={
        "hyper-v nvml:17": 7,
        "hyper-v": 3,
        "dxg nvml:17 !wsl": 6,
        "dxg nvml:17": 2,
        "nvml:17": 3,
        "hyperv-card": 8,
        "hyperv-card nvml:17": 4,
        "nvml:17 hyper-v": 2,
    },
    confirm=Confirm(
        "ls -l /dev/dxg /usr/lib/wsl/lib/libcuda.so.1; uname -r",
        "/dev/dxg without libcuda, on a kernel that is not of WSL2",
    ),
)
def hyperv_gpupv_files_missing(
    host: Host, device_nodes: DeviceNodes, ladder: Ladder, libraries: Libraries | Missing
) -> Iterator[Finding]:
    """Fire on /dev/dxg outside WSL2 where the libraries are not there or are refused."""
    if known(host.wsl) is not False or "/dev/dxg" not in node_paths(device_nodes) or container_of(host):
        return
    blocked, absent = nvml_error(ladder, 17), nvml_error(ladder, 9, 12)
    libcuda = step_of(ladder, "libcuda")
    unloadable = libcuda if libcuda is not None and libcuda.state == "failed" else None
    if passed(ladder, "context") or (blocked is None and absent is None and unloadable is None):
        return
    files = libraries.files if isinstance(libraries, Libraries) else ()
    lent = tuple(file for file in files if file.path.startswith(LENT))
    if lent and unloadable is not None and not on_search_path(libraries, "libcuda"):
        return  # they are there, and the loader does not look: wsl-libcuda-path
    if lent:
        told = f"its files under {LENT} do not work: they may be of another release than the host's driver."
    else:
        told = f"the host's driver files are not under {LENT}."
    yield finding(
        hyperv_gpupv_files_missing,
        summary=f"Hyper-V lends this machine a GPU (/dev/dxg), but {told}",
        cause="In a guest with GPU paravirtualisation the libraries are those of the host, and nothing brings them in "
        "by itself.",
        confidence="supported" if lent or not isinstance(libraries, Libraries) else "proven",
        evidence=(
            Evidence("device node", "/dev/dxg", device_nodes.source),
            *seen("WSL2", host.wsl),
            Evidence(f"driver libraries under {LENT}", len(lent), "libcuda.so.1, libnvidia-ml.so.1"),
            *(said(step) for step in (blocked or absent, unloadable) if step is not None),
        ),
        fix=Fix(
            "Copy the host's driver files (C:\\Windows\\System32\\lxss\\lib to /usr/lib/wsl/lib, the folder "
            "nv*.inf_amd64_* of DriverStore\\FileRepository to /usr/lib/wsl/drivers), and again after each update of "
            "the host's driver.",
            ("echo /usr/lib/wsl/lib | sudo tee /etc/ld.so.conf.d/wsl.conf && sudo ldconfig", "ls /usr/lib/wsl/lib"),
        ),
    )
