"""# This Mac has no CUDA

## What it checks
Whether the system is macOS 10.14 or later, or a Mac with Apple silicon.

## Why it matters
CUDA 10.2 was the last toolkit for macOS, and its driver refuses to be installed on anything later than 10.13.
NVIDIA made no driver for Apple silicon.
So no card makes a difference here, and every other complaint only follows from this.

## How to fix it
There is nothing to install.
On Apple silicon: stay on the CPU, or on Apple's own GPU through Metal (PyTorch's device `mps`, JAX and MLX have it;
numba has not), or work on a Linux or Windows machine.
On a Mac with an Intel processor and an NVIDIA card there are two ways more: macOS 10.13.6 with CUDA 10.2, or Linux on
the same Mac with the driver of that card's last branch.
PyTorch computes on the GPU of a Mac through Metal, where this prints True:

```sh
python -c "import torch; print(torch.backends.mps.is_available())"
```

## Limits
macOS 10.13 and before are not meant here: what such a Mac needs is judged by the rules whose ids begin with macos-.
The same Mac under Linux is judged as any Linux machine.

## Sources
- CUDA 10.2 release notes, "the last release to support macOS":
  <https://docs.nvidia.com/cuda/archive/10.2/cuda-toolkit-release-notes/index.html>
- The installer's own limit (`disable_os_greater_than` 10.13): <https://github.com/openmm/openmm/issues/2486>

Met by users in:
- <https://github.com/cortex-lab/KiloSort/issues/172>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.macos import MacOS
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import CannotJudgeError, finding, rule
from cudadoctor.rules.macos.road import lost_cuda, version_of_macos
from cudadoctor.rules.reading import seen, system_of


@rule(
    id="macos-unsupported",
    title="This Mac has no CUDA",
    severity=Severity.ERROR,
    explains=("*",),
    shows={
        "macos cuda": 5,
        "mac-10-14": 3,
        "macos not-compiled-with-cuda": 10,
        "macos driver-library-broken": 3,
        "macos no-nvidia-driver": 6,
        "macos lib:libcuda": 3,
        "macos too-old-driver": 3,
        "mac-with-cuda !mac-10-14": -6,
        "container": -3,
        "macos no-gpu-devices": 4,
        "macos cuda:100": 3,
        "macos": 1,
        "macos not-available": 5,
        "macos cpu-build": 1,
        "macos mac-10-14": 4,
        "mac-10-14 card-named": 2,
        "macos cuda-home-missing": 5,
        "apple-silicon cuda-home-missing": 6,
    },
    confirm=Confirm(
        "sw_vers -productVersion; uname -m",
        "10.14 or newer, or arm64",
    ),
)
def macos_unsupported(host: Host, macos: MacOS | Missing) -> Iterator[Finding]:
    """Fire on macOS from 10.14 on, and on Apple silicon."""
    if system_of(host) != "Darwin":
        return
    lost = lost_cuda(host, macos)
    if lost is None:
        raise CannotJudgeError("it is a Mac, but which macOS it runs is not known")
    if not lost:
        return
    silicon = (known(host.architecture) or "").startswith("arm")
    version = version_of_macos(host, macos)
    kernel = known(host.kernel_release)
    name = f"macOS {version}" if version else f"macOS with Darwin {kernel}"
    evidence = seen("system", host.system) + seen("architecture", host.architecture)
    evidence += seen("macOS", macos.version) if isinstance(macos, MacOS) else ()
    evidence += seen("kernel release", host.kernel_release)
    yield finding(
        macos_unsupported,
        summary=f"This is {name}{' on Apple silicon' if silicon else ''}: no CUDA was ever made for it.",
        cause="NVIDIA made no driver for Apple silicon."
        if silicon
        else "The last CUDA for macOS, 10.2, refuses to be installed after 10.13, and there will be no other.",
        confidence="proven",
        evidence=evidence,
        fix=_fix(silicon),
    )


def _fix(silicon: bool) -> Fix:
    if silicon:
        return Fix(
            "Nothing can be installed here. Stay on the CPU, use a framework with Apple's Metal (PyTorch's device "
            "mps), or a Linux or Windows machine with an NVIDIA GPU."
        )
    return Fix(
        "Nothing can be installed on this macOS. If this Mac holds an NVIDIA card (look with the command below), it "
        "computes under macOS 10.13.6 with CUDA 10.2, or under Linux. Else stay on the CPU, or use another machine.",
        ("system_profiler SPDisplaysDataType | grep 'Chipset Model'",),
    )
