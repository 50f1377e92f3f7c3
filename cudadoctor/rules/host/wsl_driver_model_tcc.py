"""# The card is in a driver model that Windows does not pass to WSL2

## What it checks
Whether, under WSL2, NVML answers 17 ("GPU access blocked by the operating system"); or whether a text shows a card in
TCC mode.

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
On Windows itself TCC is no fault, and nothing is said of it there.
WSL2 sees the answer, not the driver model: Windows must tell that.
In another Linux guest the same answer has another cause: see hyperv-gpupv-files-missing.

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

_BLOCKED = 17  # NVML_ERROR_OPERATING_SYSTEM


@rule(
    id="wsl-driver-model-tcc",
    title="The card is in a driver model that Windows does not pass to WSL2",
    severity=Severity.ERROR,
    explains=("libcuda-missing", "driver-call-failed"),
    shows={
        "tcc": 4,
        "tcc wsl": 5,
        "nvml:17": 7,
        "nvml:17 wsl": 2,
        "mcdm": 3,
        "hyperv-card": -4,
        "wsl datacenter-card": 4,
        "wsl nvml:15": 9,
        "wsl smi-fails-said": 3,
        "wsl smi-no-devices": 4,
        "hyper-v nvml:17": -3,
        "wsl nvml:4": 2,
        "wsl-no-adapters": 5,
        "wsl-no-adapters card-named": 3,
    },
    confirm=Confirm(
        "nvidia-smi.exe --query-gpu=name,driver_model.current --format=csv",
        "TCC or MCDM",
    ),
)
def wsl_driver_model_tcc(ladder: Ladder, host: Host) -> Iterator[Finding]:
    """Fire where WSL2's NVML says that the operating system blocks the GPU, and CUDA does not work."""
    blocked = nvml_error(ladder, _BLOCKED)
    if blocked is None or known(host.wsl) is not True or passed(ladder, "context"):
        return
    yield finding(
        wsl_driver_model_tcc,
        summary="Windows blocks the GPU for WSL2, as it does with a card in TCC or MCDM mode.",
        cause="WSL2 is lent GPUs of the driver model WDDM; data-centre cards are in TCC mode by default.",
        confidence="possible",
        evidence=(said(blocked), *seen("kernel release", host.kernel_release)),
        fix=Fix(
            "On Windows, as administrator: look at the driver model, and set a card that can be set to WDDM (0). Then "
            "start Windows again. A card that cannot be set computes under Windows itself, or under Linux alone.",
            (
                "nvidia-smi.exe --query-gpu=index,name,driver_model.current --format=csv",
                "nvidia-smi.exe -i 0 -dm 0",
                "wsl.exe --shutdown",
            ),
        ),
    )
