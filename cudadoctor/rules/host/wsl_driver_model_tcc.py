"""# The card is in a driver model that Windows does not pass to WSL2

## What it checks
Whether a text shows a card in TCC mode, or an NVML that is blocked by the operating system.

## Why it matters
WSL2 sees GPUs through the display driver model WDDM. A card in TCC mode, the default of many data-centre cards, is
not passed on.

## How to fix it
On Windows, as administrator, switch the card to WDDM and start again; some cards need a licence for it.

```sh
nvidia-smi -g 0 -dm 0
wsl --shutdown
```

## Limits
On Windows itself TCC is no fault.

## Sources
- <https://docs.nvidia.com/cuda/wsl-user-guide/>
"""

from __future__ import annotations

from cudadoctor.findings import Severity
from cudadoctor.rules.base import cause

wsl_driver_model_tcc = cause(
    id="wsl-driver-model-tcc",
    title="The card is in a driver model that Windows does not pass to WSL2",
    page=__doc__,
    severity=Severity.WARNING,
    shows={"tcc": 4, "tcc wsl": 5, "nvml:17": 6, "nvml:17 wsl": 2, "mcdm": 3},
)
