"""# The driver starts anew for each process, and takes too long

## What it checks
Whether a container hook or a first call timed out while the driver was starting.

## Why it matters
Without persistence mode the driver gives up the state of a GPU when its last user ends. Setting up many large GPUs
again takes tens of seconds, longer than a container hook waits.

## How to fix it
Run the persistence daemon.

```sh
sudo systemctl enable --now nvidia-persistenced
sudo nvidia-smi -pm 1
```

## Limits
A GPU or its firmware that hangs gives the same time-out; the kernel log tells (Xid 119, 79).

## Sources
- <https://docs.nvidia.com/deploy/driver-persistence/>
"""

from __future__ import annotations

from cudadoctor.findings import Severity
from cudadoctor.rules.base import cause

persistence_mode_off = cause(
    id="persistence-mode-off",
    title="The driver starts anew for each process, and takes too long",
    page=__doc__,
    severity=Severity.WARNING,
    shows={"container-cli-timeout": 7, "persistence": 2, "persistence container-cli-timeout": 2},
)
