"""# A Linux driver is installed inside WSL2

## What it checks
Whether, under WSL2, the libcuda that is loaded (or comes first on the search path) is not the one that Windows lends
in /usr/lib/wsl/lib.

## Why it matters
WSL2 has no GPU of its own: Windows' driver lends its library, and a Linux driver package brings another one that finds
no device.
Programs that load that one fail with "no device", though `nvidia-smi` works.

## How to fix it
Remove the Linux driver packages. Toolkit packages without a driver (`cuda-toolkit`) may stay.
On Ubuntu:

```sh
sudo apt-get remove --purge 'libnvidia-compute-*' 'nvidia-driver-*' 'cuda-drivers*'
sudo ldconfig
wsl.exe --shutdown
```

## Limits
Containers are left alone, since their runtime puts the library elsewhere.

## Sources
NVIDIA CUDA on WSL User Guide.
Met by users in:
- <https://github.com/numba/numba/issues/7104>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.libraries import Libraries
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import family_of
from cudadoctor.rules.reading import container_of, is_compat, is_stub, mapped_libcuda, on_wsl, passed, said, step_of

LENT = "/usr/lib/wsl/"
"""Where WSL2 shows the libraries of Windows' driver."""


@rule(
    id="wsl-linux-driver-inside",
    title="A Linux driver is installed inside WSL2",
    severity=Severity.ERROR,
    explains=(
        "driver-library-mismatch",
        "compat-libs-mismatch",
        "driver-too-old",
        "driver-call-failed",
        "race-lane-failed",
    ),
    shows={
        "wsl linux-driver-in-wsl": 7,
        "wsl linux-driver-package": 8,
        "wsl numba-driver-variable": 7,
        "wsl cuda:100": 5,
        "wsl cuda:35": 3,
        "wsl smi-no-driver": 6,
        "wsl cuda:999": 3,
        "wsl nvml:18": 3,
        "wsl nvml:9": 4,
        "linux-driver-in-wsl numba-driver-variable": 3,
    },
    confirm=Confirm(
        "/sbin/ldconfig -p | grep libcuda.so.1; dpkg -l | grep -E 'libnvidia-compute|nvidia-driver|libcuda1'",
        "a library outside of /usr/lib/wsl/lib, or one of these packages",
    ),
)
def wsl_linux_driver_inside(
    host: Host,
    libraries: Libraries,
    driver: Driver | Missing,
    ladder: Ladder | Missing,
    device_nodes: DeviceNodes | Missing,
) -> Iterator[Finding]:
    """Fire under WSL2 where another libcuda than Windows' comes first and no context could be made."""
    if not on_wsl(host, device_nodes) or container_of(host) or passed(ladder, "context"):
        return
    path, release = mapped_libcuda(driver, libraries)
    if path is None or path.startswith(LENT) or is_stub(path) or is_compat(path):
        return
    # A copy of the lent library under another name carries no release; that of a Linux driver does.
    if isinstance(release, Missing):
        return
    lent = tuple(file.path for file in libraries.files if file.path.startswith(LENT))
    steps = (step_of(ladder, name) for name in ("libcuda", "cu-init", "device-count"))
    failed = next((step for step in steps if step is not None and step.state == "failed"), None)
    yield finding(
        wsl_linux_driver_inside,
        summary=f"Under WSL2, {path} of a Linux driver {release.value} is taken instead of the library that Windows "
        "lends.",
        cause="A Linux driver package was installed inside WSL2, where only Windows' driver can reach the GPU.",
        confidence="proven" if failed is not None else "supported",
        evidence=(
            Evidence("libcuda that comes first", path, release.source),
            *(Evidence("library that Windows lends", each, LENT) for each in lent[:2]),
            *((said(failed),) if failed is not None else ()),
        ),
        fix=Fix(
            "Remove the Linux driver packages, keep the toolkit, and start WSL again.",
            (*_remove(host), "sudo ldconfig", "wsl.exe --shutdown"),
        ),
    )


def _remove(host: Host) -> tuple[str, ...]:
    return {
        "ubuntu": ("sudo apt-get remove --purge 'libnvidia-compute-*' 'nvidia-driver-*' 'cuda-drivers*'",),
        "debian": ("sudo apt-get remove --purge 'nvidia-driver*' libcuda1 'cuda-drivers*'",),
        "fedora": ("sudo dnf remove 'xorg-x11-drv-nvidia*' 'akmod-nvidia*'",),
        "arch": ("sudo pacman -Rns nvidia-utils",),
    }.get(family_of(host), ())
