"""# MIG is on, but no instance exists

## What it checks
Whether the driver API sees no device (100) while NVML sees GPUs that are all in MIG mode.

## Why it matters
In MIG mode a GPU offers only the instances that an administrator created on it.
With none, or none for this job, CUDA has nothing to enumerate, though `nvidia-smi` lists the GPU.

## How to fix it
Create instances, or turn MIG off while the GPU is idle.
Profile 0 makes the whole GPU one instance:

```sh
nvidia-smi mig -lgip
sudo nvidia-smi mig -cgi 0 -C
nvidia-smi -L
```

## Limits
Instances themselves are not read; a container or job that was given none of them looks the same.

## Sources
NVIDIA Multi-Instance GPU User Guide.
Met by users in:
- <https://github.com/wilicc/gpu-burn/issues/36>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import known
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import cuda_error, said, seen


@rule(
    id="mig-without-instance",
    title="MIG is on, but no instance exists",
    severity=Severity.ERROR,
    explains=("driver-call-failed",),
    shows={
        "mig-no-devices": 9,
        "mig-enabled": 3,
        "mig-enabled cuda:100": 5,
        "mig-enabled init-failed": 5,
        "mig cuda:100": 3,
        "cuda:100": 4,
        "mig-uuid": -2,
    },
    confirm=Confirm(
        "nvidia-smi --query-gpu=index,mig.mode.current --format=csv; nvidia-smi -L",
        '"Enabled", and no line that begins with MIG',
    ),
)
def mig_without_instance(ladder: Ladder, nvml: Nvml) -> Iterator[Finding]:
    """Fire on 100 where every GPU that NVML sees is in MIG mode."""
    step = cuda_error(ladder, 100)
    if step is None or not nvml.devices or not all(known(device.mig_enabled) is True for device in nvml.devices):
        return
    modes = tuple(
        item for device in nvml.devices[:8] for item in seen(f"MIG mode of GPU {device.index}", device.mig_enabled)
    )
    name = known(nvml.devices[0].name) or "the GPU"
    count = len(nvml.devices)
    yield finding(
        mig_without_instance,
        summary=f"{f'All {count} GPUs are' if count > 1 else f'{name} is'} in MIG mode, and CUDA sees no instance to "
        "run on.",
        cause="A GPU in MIG mode offers only the instances that were created on it; here there are none for this "
        "process.",
        evidence=(said(step), *modes),
        fix=Fix(
            "Create instances, or turn MIG off while the GPU is idle. In a job or container, ask for an instance.",
            ("nvidia-smi -L && nvidia-smi mig -lgip", "sudo nvidia-smi mig -cgi 0 -C", "sudo nvidia-smi -mig 0"),
        ),
    )
