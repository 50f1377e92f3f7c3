"""# A build for Jetson on another machine, or the other way round

## What it checks
On a Jetson board: whether PyTorch is a build for processors alone, or a wheel for ARM servers.
On another ARM machine: whether PyTorch bears the version of NVIDIA's own builds (`2.3.0a0+6ddf5cf85e.nv24.04`) and,
when it was asked (`check --frameworks`), could not find CUDA libraries.
In a text: whether it names Jetson, or a framework that looks for system libraries as only builds for Jetson do.

## Why it matters
Builds for Jetson use the CUDA libraries of the board's system image; those for servers, ARM ones too, bring their own
or use another driver interface. Neither runs on the other.

## How to fix it
On a Jetson install NVIDIA's wheel for the JetPack release; on an ARM server the wheel from the framework's own index.
On an ARM server with PyTorch:

```sh
python -m pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu126
```

## Limits
A missing CUDA library is also what a toolkit of another version looks like.
Builds of NVIDIA's containers for servers have the same form of version, so that alone is no finding.
Boards from Thor on use the same driver interface as servers, and nothing is said of them.

## Sources
- <https://docs.nvidia.com/deeplearning/frameworks/install-pytorch-jetson-platform/>
- <https://github.com/pytorch/pytorch/issues/86676>
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.frameworks import Frameworks
from cudadoctor.facts.host import Host
from cudadoctor.facts.packages import Packages
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.frameworks.installing import install_torch
from cudadoctor.rules.frameworks.subject import Subject, processor_of, subjects
from cudadoctor.rules.reading import on_jetson, seen, text_of

_OF_NVIDIA = re.compile(r"\+.*\bnv\d\d\.\d\d|\+nv")
_LIBRARY = re.compile(r"lib(?:cu\w+|nv\w+)\.so[.\d]*: cannot open shared object")


@rule(
    id="tegra-wrong-build",
    title="A build for Jetson on another machine, or the other way round",
    severity=Severity.ERROR,
    explains=("cpu-only-wheel", "framework-cannot-use-gpu"),
    shows={
        "tegra not-compiled-with-cuda": 6,
        "tegra lib-of-a-toolkit": 5,
        "tegra cuda:209": 4,
        "tegra": 3,
        "aarch64 lib-of-a-toolkit": 4,
        "aarch64 cpu-build": 2,
        "aarch64 not-compiled-with-cuda": 3,
        "torch-load-deps lib-of-a-toolkit": 7,
        "tegra arch-unsupported": 3,
        "tegra not-available": 6,
        "tegra cuda:35": 6,
        "tegra lib:libcudart": 3,
        "tegra no-gpu-devices": 6,
        "tegra conda": 3,
        "tegra cuda:100": 3,
        "tegra lib:libcuda": 2,
        "tegra no-gpu-build": 6,
        "tegra cuda:999": 3,
    },
    confirm=Confirm(
        'uname -m; cat /etc/nv_tegra_release; python -c "import torch; print(torch.version.cuda)"',
        "aarch64 and a release, but None; or no release, with a wheel for Jetson",
    ),
)
def tegra_wrong_build(packages: Packages, host: Host, frameworks: Frameworks | Missing) -> Iterator[Finding]:
    """Fire on a wheel of the index on a Jetson, and on a Jetson wheel that finds no libraries elsewhere."""
    torch = next((subject for subject in subjects(packages, frameworks) if subject.name == "torch"), None)
    if torch is None or torch.works:
        return
    model = text_of(host.jetson_model)
    ours = _OF_NVIDIA.search(torch.build.version if torch.build is not None else torch.title) is not None
    if on_jetson(host):
        if not ours and "thor" not in model.lower():
            yield from _on_jetson(torch, host)
    elif processor_of(host) == "aarch64" and ours:
        yield from _elsewhere(torch, host)


def _on_jetson(torch: Subject, host: Host) -> Iterator[Finding]:
    cuda = known(torch.cuda)
    failed = torch.asked is not None and torch.asked.failure is not None
    tagged = torch.build is not None and "+cu" in torch.build.version
    if cuda is None or (cuda and not tagged and not failed):
        return  # the wheels of other indices for Jetson have plain versions
    told = "is a build for processors alone" if not cuda else f"is a wheel for servers (CUDA {cuda})"
    yield finding(
        tegra_wrong_build,
        summary=f"{torch.title} {told}, and this is a {text_of(host.jetson_model)}.",
        cause="The wheels of PyTorch's own index know servers only; a Jetson needs those that NVIDIA builds against "
        "the CUDA libraries of JetPack.",
        confidence="proven" if not cuda or failed else "supported",
        severity=Severity.ERROR if failed or not cuda else Severity.WARNING,
        evidence=torch.evidence + seen("board", host.jetson_model),
        fix=Fix(
            "Install NVIDIA's wheel for this JetPack release "
            "(docs.nvidia.com/deeplearning/frameworks/install-pytorch-jetson-platform); the first command tells it.",
            ("cat /etc/nv_tegra_release", "python -m pip uninstall -y torch"),
        ),
    )


def _elsewhere(torch: Subject, host: Host) -> Iterator[Finding]:
    failure = torch.asked.failure if torch.asked is not None else None
    missing = _LIBRARY.search(failure.detail) if failure is not None and failure.name == "import" else None
    if missing is None:
        return
    yield finding(
        tegra_wrong_build,
        summary=f"{torch.title} is a build of NVIDIA's for a system with CUDA libraries of its own, as a Jetson has, "
        f"and this machine is none: {missing.group()}.",
        cause="Such a build brings no CUDA libraries; it takes those of the board's system image.",
        confidence="supported",
        evidence=(*torch.evidence, Evidence("processor", text_of(host.architecture), "uname -m")),
        fix=Fix("Install the wheel of the framework's own index.", install_torch(None, None, "aarch64")),
    )
