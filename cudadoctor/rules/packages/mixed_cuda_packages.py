"""# Several CuPy packages are installed

## What it checks
Whether more than one distribution of CuPy (`cupy`, `cupy-cuda11x`, `cupy-cuda12x`, `cupy-cuda13x`) is installed in
this Python environment.

## Why it matters
All of them bring the same folder `cupy`, and the one that was installed last has overwritten parts of the others.
Which CUDA libraries it then loads is a matter of chance.

## How to fix it
Remove all of them, then install the one that fits the driver.
For a driver of CUDA 12:

```sh
python -m pip uninstall -y cupy cupy-cuda11x cupy-cuda12x cupy-cuda13x
python -m pip install cupy-cuda12x
```

## Limits
Only packages of this environment are seen, and wheels of two CUDA versions that keep apart are no finding.

## Sources
CuPy's own warning at import.
Met by users in:
- <https://github.com/gpustack/gpustack/issues/5459>
- <https://github.com/cupy/cupy/issues/7573>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.packages import Packages
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import compiler_extra
from cudadoctor.rules.reading import capabilities, text_of, version_of

_CUPY = ("cupy", "cupy-cuda11x", "cupy-cuda12x", "cupy-cuda13x")


@rule(
    id="mixed-cuda-packages",
    title="Several CuPy packages are installed",
    severity=Severity.WARNING,
    shows={
        "several-cupy": 10,
        "cupy-of-two-majors": 8,
        "wheels-of-two-majors": 5,
        "cupy lib-of-a-toolkit": 7,
        "cupy nvrtc-missing": 2,
        "cupy dll-missing": 5,
    },
    confirm=Confirm(
        "python -m pip list | grep -iE '^cupy|-cu1[0-9]'",
        "two packages of CuPy, or packages of two CUDA versions (-cu11, -cu12)",
    ),
    confirm_on_windows=Confirm(
        "python -m pip list",
        "two packages of CuPy, or packages of two CUDA versions (-cu11, -cu12)",
    ),
)
def mixed_cuda_packages(
    packages: Packages, driver: Driver | Missing, nvml: Nvml | Missing, pci: Pci | Missing
) -> Iterator[Finding]:
    """Fire on two distributions that own one import package."""
    found = tuple((name, version) for name in _CUPY if (version := packages.version_of(name)) is not None)
    if len(found) < 2:
        return
    names = " ".join(name for name, _ in found)
    cuda = version_of(text_of(driver.cuda_version)) if isinstance(driver, Driver) else None
    lowest = min((capability for _, capability, _ in capabilities(driver, nvml, pci)), default=None)
    fitting = f"cupy-cuda{compiler_extra(cuda, lowest).removeprefix('cu')}x"
    yield finding(
        mixed_cuda_packages,
        summary=f"{len(found)} packages bring CuPy into this Python environment: "
        f"{', '.join(f'{name} {version}' for name, version in found)}.",
        cause="They own the same folder, so each has overwritten parts of the other.",
        confidence="proven",
        evidence=tuple(Evidence(name, version, packages.source) for name, version in found),
        fix=Fix(
            "Remove all of them, then install the one that fits the driver.",
            (f"python -m pip uninstall -y {names}", f"python -m pip install {fitting}"),
        ),
    )
