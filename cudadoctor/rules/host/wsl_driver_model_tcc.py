"""# The card is in a driver model that Windows does not pass to WSL2

## What it checks
Whether NVML answers in WSL2 that the operating system blocks the GPU (17).
In a pasted text: whether it shows a card in TCC mode, or an NVML that is blocked by the operating system.

## Why it matters
WSL2 sees GPUs through the display driver model WDDM. A card in TCC mode, the default of many data-centre cards, is
not passed on.

## How to fix it
On Windows, as administrator, switch the card to WDDM and start again; some cards need a licence for it.

```powershell
nvidia-smi -g 0 -dm 0
wsl --shutdown
```

## Limits
From inside WSL2 the driver model itself cannot be seen, and a Windows without support for GPUs in WSL2 looks the same,
so the finding is `possible`.
On Windows itself TCC is no fault.

## Sources
- <https://docs.nvidia.com/cuda/wsl-user-guide/>
Met by users in:
- <https://github.com/microsoft/WSL/issues/11865>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import known
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import nvml_error, passed, said, seen


@rule(
    id="wsl-driver-model-tcc",
    title="The card is in a driver model that Windows does not pass to WSL2",
    severity=Severity.WARNING,
    explains=("driver-call-failed",),
    shows={"tcc": 4, "tcc wsl": 5, "nvml:17": 6, "nvml:17 wsl": 2, "mcdm": 3},
    confirm=Confirm(
        "nvidia-smi.exe --query-gpu=name,driver_model.current --format=csv",
        "TCC or MCDM",
    ),
)
def wsl_driver_model_tcc(host: Host, ladder: Ladder) -> Iterator[Finding]:
    """Fire in WSL2 where NVML says that the operating system blocks the GPU."""
    step = nvml_error(ladder, 17)
    if step is None or known(host.wsl) is not True:
        return
    works = passed(ladder, "context")
    yield finding(
        wsl_driver_model_tcc,
        severity=Severity.WARNING if works else Severity.ERROR,
        summary=f"In WSL2, {step.call} answers that the operating system blocks the GPU (17)"
        f"{', though CUDA works' if works else ''}: Windows does not pass the card on.",
        cause="Windows passes on cards in the driver model WDDM only; TCC and MCDM, the defaults of data-centre cards, "
        "are not.",
        confidence="possible",
        evidence=(said(step), *seen("WSL2", host.wsl)),
        fix=Fix(
            "In Windows, look at the driver model, and as administrator switch the card to WDDM; then start WSL again.",
            (
                "nvidia-smi.exe --query-gpu=name,driver_model.current --format=csv",
                "nvidia-smi.exe -g 0 -dm 0",
                "wsl.exe --shutdown",
            ),
        ),
    )
