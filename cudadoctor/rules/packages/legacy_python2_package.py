"""# The package was written for Python 2

## What it checks
Whether gnumpy, cudamat or gdbn of this Python environment are files that this Python's own parser refuses; they are
parsed, not run.
In a text: gnumpy or cudamat failing under Python 3.

## Why it matters
gnumpy, cudamat and what was built on them stem from 2010 to 2014; under Python 3 they do not compile, or fall back to
the CPU without saying so.

## How to fix it
Use a maintained library: CuPy, PyTorch, JAX, or numba.
For a driver of CUDA 12:

```sh
python -m pip install cupy-cuda12x
```

## Limits
Forks that run on Python 3 are taken by the parser, and nothing is said of them.
A text can come from such a fork.

## Sources
- <https://github.com/cudamat/cudamat>
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
from cudadoctor.rules.toolkits.choice import fitting_extra


@rule(
    id="legacy-python2-package",
    title="The package was written for Python 2",
    severity=Severity.WARNING,
    shows={
        "legacy-python": 4,
        "legacy-python syntax-error": 4,
        "legacy-python py-error": 5,
        "legacy-python print-statement": 3,
        "npmat": 6,
    },
    confirm=Confirm(
        'python --version; python -m pip list | grep -iE "gnumpy|cudamat"',
        "Python 3, and one of these packages",
    ),
)
def legacy_python2_package(
    packages: Packages, driver: Driver | Missing, nvml: Nvml | Missing, pci: Pci | Missing
) -> Iterator[Finding]:
    """Fire where the parser refuses a module of those years."""
    if isinstance(packages.legacy_modules, Missing):
        return
    refused = [module for module in packages.legacy_modules if module.syntax_error]
    if not refused:
        return
    names = ", ".join(module.name for module in refused)
    fitting = f"cupy-cuda{fitting_extra(driver, nvml, pci).removeprefix('cu')}x"
    yield finding(
        legacy_python2_package,
        summary=f"{names} cannot be imported by this Python 3: {refused[0].name}, {refused[0].syntax_error}.",
        cause="The code is Python 2, whose last release was in 2020. Where the GPU part of such a package cannot be "
        "imported, the rest computes on the CPU and does not say so.",
        confidence="proven",
        evidence=tuple(Evidence(m.path, m.syntax_error, "this Python's parser") for m in refused),
        fix=Fix(
            "Use a maintained library in its place; CuPy has NumPy's interface, as gnumpy had.",
            (f"python -m pip install {fitting}",),
        ),
    )
