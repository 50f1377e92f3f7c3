"""# A process sees one MIG instance only

## What it checks
Whether a text shows several MIG instances, or a device number above 0, where one process wants more than one.

## Why it matters
With MIG on, CUDA enumerates a single instance for each process, whatever the count that NVML tells; the instance must
be named by its UUID.

## How to fix it
Start one process for each instance and name it.

```sh
nvidia-smi -L
export CUDA_VISIBLE_DEVICES=MIG-<uuid>
```

## Limits
The same assertion comes from frameworks that count devices wrongly for other reasons.

## Sources
- <https://docs.nvidia.com/datacenter/tesla/mig-user-guide/>
"""

from __future__ import annotations

from cudadoctor.rules.base import cause

mig_single_instance_limit = cause(
    id="mig-single-instance-limit",
    title="A process sees one MIG instance only",
    page=__doc__,
    shows={
        "count-assert": 5,
        "count-assert cvd": 2,
        "mig-uuid": 3,
        "mig count-assert": 3,
        "mig-uuid cuda:101": 5,
        "mig cuda:101": 3,
    },
)
