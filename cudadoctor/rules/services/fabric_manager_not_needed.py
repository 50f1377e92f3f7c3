"""# Fabric manager failed on a machine without NVSwitch, which is harmless

## What it checks
Whether fabric manager itself says that there is nothing for it to do.

## Why it matters
The fabric manager sets up NVSwitches. Without any it ends with an error, and the service is shown as failed; GPUs do
not need it then.

## How to fix it
Disable the service; look elsewhere for the cause of any other trouble.

```sh
sudo systemctl disable --now nvidia-fabricmanager
```

## Limits
On a machine with NVSwitch the same failure is the cause: its switches must then have been missing on the bus.

## Sources
- <https://docs.nvidia.com/datacenter/tesla/fabric-manager-user-guide/>
"""

from __future__ import annotations

from cudadoctor.findings import Severity
from cudadoctor.rules.base import cause

fabric_manager_not_needed = cause(
    id="fabric-manager-not-needed",
    title="Fabric manager failed on a machine without NVSwitch, which is harmless",
    page=__doc__,
    severity=Severity.NOTE,
    shows={"fabric-nothing": 10, "cuda:802": -6},
)
