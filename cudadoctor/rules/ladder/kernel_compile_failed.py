"""# A kernel could not be compiled or run

## What it checks
Whether numba failed to compile, load or run a small kernel for a reason that no other finding explains.

## Why it matters
The driver works up to a context, and yet no kernel written in Python runs.

## How to fix it
Read the message: it is numba's own.
Installing numba-cuda and its compiler wheels afresh cures most of these.

```sh
python -m pip install "numba-cuda[cu12]>=0.30,<0.31" "numpy>=2.2,<2.5"
python -m numba -s
```

## Limits
This is the fallback for the last steps of the ladder; it does not claim to know the cause.

## Sources
numba-cuda documentation, installation and troubleshooting.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.ladder import KERNEL_STEPS, Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.facts.toolkits import Toolkits
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import install_compiler
from cudadoctor.rules.ladder.kernel_result_wrong import came_out_wrong
from cudadoctor.rules.reading import said
from cudadoctor.rules.toolkits.choice import fitting_extra, selected, toolkit_evidence

_WHAT = {"kernel-compile": "compile", "copy": "copy the data of"}


@rule(
    id="kernel-compile-failed",
    title="A kernel could not be compiled or run",
    severity=Severity.ERROR,
    explains=("race-lane-failed",),
    confirm=Confirm(
        "python -c \"from numba import cuda; cuda.jit('void()')(lambda: None)\"",
        "the same error",
    ),
)
def kernel_compile_failed(
    ladder: Ladder, toolkits: Toolkits | Missing, driver: Driver | Missing, nvml: Nvml | Missing, pci: Pci | Missing
) -> Iterator[Finding]:
    """Fire where a kernel step failed without a code of the driver."""
    steps = (step for step in ladder.all_steps if step.name in KERNEL_STEPS and step.state == "failed")
    step = next(steps, None)
    if step is None or step.code is not None or came_out_wrong(step):
        return
    yield finding(
        kernel_compile_failed,
        summary=f"numba could not {_WHAT.get(step.name, 'run')} a small kernel: "
        f"{step.detail[:200] or 'it gave no reason'}",
        cause="The driver works, so the reason lies with numba, its compiler libraries, or what this process may do.",
        evidence=(said(step), *toolkit_evidence(selected(toolkits))),
        fix=Fix(
            "Install numba-cuda with its compiler wheels afresh, then look at what numba itself finds.",
            (install_compiler(fitting_extra(driver, nvml, pci)), "python -m numba -s"),
        ),
    )
