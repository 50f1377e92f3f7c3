"""# A framework cannot use the GPU

## What it checks
Whether a framework that was asked (`check --frameworks`) failed to import, to see a GPU, or to compute on it, although
a context was created on the GPU here, and no other rule knows why.

## Why it matters
The driver and the card work, so the fault lies between the framework and its libraries; its own words say more than any
guess.

## How to fix it
Read what the framework says; `cudadoctor why` takes its whole output.
Often a fresh environment with nothing but the framework tells whether another package is to blame.

```sh
python3 -m venv /tmp/fresh && /tmp/fresh/bin/python -m pip install torch
/tmp/fresh/bin/python -c "import torch; print(torch.ones(2, device='cuda').sum())"
```

## Limits
One framework is asked after the other, on one GPU, with one small matrix product: what goes wrong only at a larger size
or on several GPUs does not show.
A failed import without any trace of CUDA in its message is only a warning: it can be an optional package.

## Sources
What the framework itself says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.frameworks import Framework, Frameworks
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder, Step
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.packages import Packages
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.frameworks.subject import (
    TITLES,
    Subject,
    driver_cuda,
    lacks_code,
    needs_newer_driver,
    sees_none,
    subjects,
)
from cudadoctor.rules.reading import capabilities, passed, version_of

_LINES = 4
_ABOUT_CUDA = re.compile(r"cuda|cudnn|cublas|nvrtc|nccl|nvidia|libcu|gpu|\.so\b|\.so\.|dll", re.IGNORECASE)
_SPOKEN = {"import": "could not be imported", "device-count": "sees no GPU", "operation": "cannot compute on the GPU"}


@rule(
    id="framework-cannot-use-gpu",
    title="A framework cannot use the GPU",
    severity=Severity.ERROR,
    confirm=Confirm(
        "cudadoctor check --frameworks", "the framework FAILED below a road that is ok from the bus to the memory"
    ),
)
def framework_cannot_use_gpu(
    frameworks: Frameworks,
    ladder: Ladder,
    packages: Packages | Missing,
    driver: Driver | Missing,
    nvml: Nvml | Missing,
    pci: Pci | Missing,
    host: Host | Missing,
) -> Iterator[Finding]:
    """Fire for each framework that failed where a context could be created, unless its reason is known."""
    if not passed(ladder, "context"):
        return
    found = capabilities(driver, nvml, pci)
    cuda = version_of(known(driver_cuda(driver, nvml)))
    for subject in subjects(packages, frameworks):
        failure = subject.asked.failure if subject.asked is not None else None
        if failure is None or subject.asked is None or _is_known(subject, packages, cuda):
            continue
        if found and all(lacks_code(subject, capability, host) is not None for _, capability, _ in found):
            continue
        yield _told(subject, subject.asked, failure)


def _is_known(subject: Subject, packages: Packages | Missing, cuda: tuple[int, ...] | None) -> bool:
    """Say whether another rule tells why: a build without CUDA, no code, an old driver, a plugin that did not start."""
    if isinstance(subject.cuda, Known) and not subject.cuda.value and sees_none(subject):
        return True
    if subject.said_no_image or subject.said_old_driver or needs_newer_driver(known(subject.cuda), cuda):
        return True
    plugins = isinstance(packages, Packages) and any(p.name.startswith("jax-cuda") for p in packages.installed)
    return subject.name == "jax" and plugins and sees_none(subject)


def _told(subject: Subject, framework: Framework, failure: Step) -> Finding:
    how = {"timed out": "did not come back", "crashed": "crashed"}.get(failure.state)
    what = f"{how} at the step {failure.name}" if how else _SPOKEN.get(failure.name, "failed")
    optional = failure.name == "import" and failure.state == "failed" and not _ABOUT_CUDA.search(failure.detail)
    wrong = failure.detail.startswith("ArithmeticError")
    if wrong:
        what = "computed a wrong result on the GPU"
    lines = tuple(Evidence(f"{framework.name} wrote", line, "standard error") for line in framework.said[-_LINES:])
    files = tuple(Evidence(f"{item.name} that it loaded", item.path, "/proc/self/maps") for item in framework.libraries)
    text = f"python -c 'import {framework.name}' 2>&1 | cudadoctor why"
    return finding(
        framework_cannot_use_gpu,
        severity=Severity.WARNING if optional else Severity.ERROR,
        summary=f"{subject.title} {what}: {failure.detail[:240]}",
        cause="The driver made a context on this GPU, so driver and card are fine as far as that; what failed lies in "
        "the framework, its libraries or what it found of them.",
        confidence="proven",
        evidence=subject.evidence + lines + (files if not optional else ()),
        fix=Fix(
            "Let the whole message be read, and try the framework in a fresh environment.",
            (text,) if failure.name == "import" and framework.name in TITLES else (),
        ),
    )
