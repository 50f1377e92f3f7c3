"""# WSL2 lets little memory be pinned

## What it checks
Whether an allocation of page-locked memory failed in WSL2.

## Why it matters
Under WDDM and WSL2 only a part of the memory can be page-locked. Beyond it the call fails with CUDA error 2, out of
memory, while the device has plenty.

## How to fix it
Pin less (`pin_memory=False`), or give WSL2 more memory in .wslconfig.

```sh
wsl --shutdown
```

## Limits
Outside of WSL2 a limit of the host (`ulimit -l`, full memory) looks the same.

## Sources
- <https://docs.nvidia.com/cuda/wsl-user-guide/>
"""

from __future__ import annotations

from cudadoctor.findings import Severity
from cudadoctor.rules.base import cause

wsl_pinned_memory_limit = cause(
    id="wsl-pinned-memory-limit",
    title="WSL2 lets little memory be pinned",
    page=__doc__,
    severity=Severity.WARNING,
    shows={"cuda:2 pinned": 6, "raw-oom": 4, "cuda:2 pinned wsl": 3, "wsl cuda:2": 4, "pinned wsl": 3},
)
