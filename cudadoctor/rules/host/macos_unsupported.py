"""# macOS has no CUDA

## What it checks
Whether the system is macOS.

## Why it matters
NVIDIA's last driver for macOS served 10.13 (High Sierra), and CUDA 10.2 was the last toolkit.
No Mac with Apple silicon, and no macOS from 10.14 on, can run CUDA, whatever card it holds.

## How to fix it
There is nothing to install.
Work on a Linux or Windows machine with an NVIDIA GPU, or stay on the CPU.
PyTorch computes on the GPU of a Mac through Metal instead of CUDA, where this prints True:

```sh
python -c "import torch; print(torch.backends.mps.is_available())"
```

## Limits
A Mac from before 2019 that still runs 10.13 with NVIDIA's web driver could use CUDA 10.2; numba-cuda has no build for
it.
The same Mac under Linux is judged as any Linux machine.

## Sources
CUDA 10.2 release notes (the last with macOS).
Met by users in:
- <https://github.com/cortex-lab/KiloSort/issues/172>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import known
from cudadoctor.facts.host import Host
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import seen


@rule(
    id="macos-unsupported",
    title="macOS has no CUDA",
    severity=Severity.ERROR,
    explains=("*",),
    shows={
        "macos cuda": 5,
        "mac-10-14": 3,
        "macos not-compiled-with-cuda": 4,
        "macos driver-library-broken": 3,
        "macos no-nvidia-driver": 4,
        "macos lib:libcuda": 3,
        "macos too-old-driver": 3,
        "container": -3,
    },
    confirm=Confirm(
        "sw_vers -productVersion; uname -m",
        "10.14 or newer, or arm64",
    ),
)
def macos_unsupported(host: Host) -> Iterator[Finding]:
    """Fire on macOS."""
    if known(host.system) != "Darwin":
        return
    kernel, architecture = known(host.kernel_release), known(host.architecture)
    told = " ".join(part for part in (f"Darwin {kernel}" if kernel else "", architecture or "") if part)
    yield finding(
        macos_unsupported,
        summary=f"This is macOS{f' ({told})' if told else ''}: no CUDA driver exists for it.",
        cause="NVIDIA's last macOS driver served 10.13 (Darwin 17) and its last toolkit was CUDA 10.2; neither will "
        "return.",
        confidence="proven",
        evidence=seen("system", host.system)
        + seen("kernel release", host.kernel_release)
        + seen("architecture", host.architecture),
        fix=Fix(
            "Use a Linux or Windows machine with an NVIDIA GPU, or stay on the CPU: nothing can be installed here."
        ),
    )
