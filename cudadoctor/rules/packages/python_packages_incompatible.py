"""# Python packages do not work together

## What it checks
Whether numba, numba-cuda, numpy, llvmlite and the CUDA wheels are of versions that work together, and whether
importing numba.cuda or compiling with it failed for a Python reason.

## Why it matters
With numpy 2.5 every compile of numba-cuda 0.30 fails (`np.row_stack` is gone), while `cuda.is_available()` still
answers True. numba refuses to import with a numpy that is newer than it knows.

## How to fix it
Install the ranges that work together.

```sh
python -m pip install "numba>=0.68,<0.69" "numba-cuda>=0.30,<0.31" "numpy>=2.2,<2.5"
```

## Limits
Where a kernel was compiled and ran, a declared requirement that is not met did no harm, and nothing is said.

## Sources
Requirements that the packages declare; numba-cuda 0.30.4 with numpy 2.5, tried in November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.packages import Packages
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import NUMBA, NUMBA_CUDA, NUMPY
from cudadoctor.rules.reading import passed, said, step_of
from cudadoctor.rules.toolkits.choice import fitting_extra

_PYTHON_REASON = re.compile(r"(ImportError|ModuleNotFoundError|AttributeError)\b")
_ABOUT_CUDA = re.compile(r"nvvm|nvrtc|libdevice|nvjitlink|libcuda|libcudart|shared object|driver", re.IGNORECASE)


@rule(
    id="python-packages-incompatible",
    title="Python packages do not work together",
    severity=Severity.ERROR,
    explains=("nvvm-not-found", "kernel-compile-failed", "race-lane-failed"),
    shows={
        "numpy-clash": 9,
    },
    confirm=Confirm(
        'python -c "import numpy, numba; print(numpy.__version__, numba.__version__); import numba.cuda"',
        "an error at import, or numpy 2.5 and newer",
    ),
)
def python_packages_incompatible(
    packages: Packages, ladder: Ladder | Missing, driver: Driver | Missing, nvml: Nvml | Missing, pci: Pci | Missing
) -> Iterator[Finding]:
    """Fire on a requirement that is not met, or a Python error of the compile step, unless a kernel ran."""
    if passed(ladder, "kernel-result"):
        return
    step = step_of(ladder, "kernel-compile")
    broke = step if step is not None and step.state == "failed" and _PYTHON_REASON.match(step.detail) else None
    if broke is not None and _ABOUT_CUDA.search(broke.detail):
        broke = None
    if not packages.clashes and broke is None:
        return
    evidence = tuple(
        Evidence(
            f"{clash.package} {clash.package_version} requires {clash.requires}", f"found {clash.found}", clash.source
        )
        for clash in packages.clashes
    )
    evidence += (said(broke),) if broke else ()
    for name in ("numba", "numba-cuda", "numpy"):
        evidence += (Evidence(name, packages.version_of(name), packages.source),)
    if packages.clashes:
        first = packages.clashes[0]
        told = f"{first.package} {first.package_version} requires {first.requires}, but {first.found} is installed."
        told += f" {len(packages.clashes) - 1} more do not fit." if len(packages.clashes) > 1 else ""
    else:
        told = f"numba.cuda fails in Python: {broke.detail[:160] if broke else ''}"
    extra = fitting_extra(driver, nvml, pci)
    numba_cuda = NUMBA_CUDA.replace("numba-cuda", f"numba-cuda[{extra}]")
    yield finding(
        python_packages_incompatible,
        summary=told,
        cause="The versions were installed one after the other, or by an installer that does not know that they clash.",
        confidence="proven" if broke is not None else "supported",
        evidence=evidence,
        fix=Fix(
            "Install the versions that work together, in one command.",
            (f'python -m pip install "{NUMBA}" "{numba_cuda}" "{NUMPY}"',),
        ),
    )
