"""# numba's CUDA simulator is switched on

## What it checks
Whether `NUMBA_ENABLE_CUDASIM` is set to anything but 0.

## Why it matters
In the simulator numba says that a GPU is available and runs kernels as Python threads on the CPU, thousands of times
slower.
Nothing reaches the GPU, and every time that is measured is meaningless.

## How to fix it
Unset the variable before Python starts.
On Linux:

```sh
unset NUMBA_ENABLE_CUDASIM
```

On Windows:

```powershell
Remove-Item Env:NUMBA_ENABLE_CUDASIM
```

## Limits
A program can switch the simulator on by itself before it imports numba; that is not seen here.

## Sources
numba documentation, Debugging CUDA Python with the CUDA simulator.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.host import Host
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import system_of

_VARIABLE = "NUMBA_ENABLE_CUDASIM"


@rule(
    id="cuda-simulator-enabled",
    title="numba's CUDA simulator is switched on",
    severity=Severity.ERROR,
    explains=("nvvm-not-found", "kernel-compile-failed"),
    shows={
        "cudasim": 9,
    },
    confirm=Confirm(
        "python -c \"import os; print(os.environ.get('NUMBA_ENABLE_CUDASIM'))\"",
        "1 in place of None or 0",
    ),
)
def cuda_simulator_enabled(environment: Environment, host: Host | Missing) -> Iterator[Finding]:
    """Fire where the variable switches the simulator on."""
    value = environment.variables.get(_VARIABLE)
    if value is None or value.strip() in ("", "0"):
        return
    windows = system_of(host) == "Windows"
    yield finding(
        cuda_simulator_enabled,
        summary=f"{_VARIABLE}={value[:40]}: numba runs CUDA kernels in Python on the CPU, and no kernel reaches a GPU.",
        cause="The variable switches on numba's simulator, which is meant for debugging without a GPU.",
        confidence="proven",
        evidence=(Evidence(_VARIABLE, value[:200], environment.source),),
        fix=Fix(
            "Unset the variable, here and where it is set for good.",
            (f"Remove-Item Env:{_VARIABLE}",) if windows else (f"unset {_VARIABLE}",),
        ),
    )
