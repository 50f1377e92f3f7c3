"""# MIG is on, but no instance exists

## What it checks
Whether the driver API sees no device (100) while NVML sees GPUs in MIG mode on which there is no instance: all of
them, or some beside GPUs that are not in MIG mode.

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
Where NVML does not tell the instances, a container or job that was given none of them looks the same, and so does one
whose instances are all in other hands.
With GPUs beside them that are not in MIG mode, the finding is `possible`: those alone should have been enough.

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
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
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
        "mig-enabled not-available": 5,
        "mig-enabled init-failed": 5,
        "mig cuda:100": 3,
        "cuda:100": 4,
        "mig-uuid": -2,
        "partitioned cuda:100": 3,
        "mig-list": -3,
        "mig-enabled !mig-list !mig-uuid": 3,
        "container-cli-device mig": 6,
    },
    confirm=Confirm(
        "nvidia-smi --query-gpu=index,mig.mode.current --format=csv; nvidia-smi -L",
        '"Enabled", and no line that begins with MIG',
    ),
)
def mig_without_instance(ladder: Ladder, nvml: Nvml) -> Iterator[Finding]:
    """Fire on 100 where GPUs are in MIG mode and no instance is known to be on them."""
    step = cuda_error(ladder, 100)
    parted = tuple(device for device in nvml.devices if known(device.mig_enabled) is True)
    if step is None or not parted:
        return
    count, every = len(parted), len(parted) == len(nvml.devices)
    empty = all(known(device.mig_instances) == 0 for device in parted)
    if not every and not empty:
        return
    modes: tuple[Evidence, ...] = ()
    for device in nvml.devices[:8]:
        modes += seen(f"MIG mode of GPU {device.index}", device.mig_enabled)
        modes += seen(f"MIG instances of GPU {device.index}", device.mig_instances)
    name = known(parted[0].name) or "the GPU"
    who = f"All {count} GPUs are" if every and count > 1 else f"{count} of {len(nvml.devices)} GPUs are"
    found = sum(known(device.mig_instances) or 0 for device in parted)
    yield finding(
        mig_without_instance,
        summary=f"{f'{name} is' if len(nvml.devices) == 1 else who} in MIG mode"
        f"{' without any instance' if empty else ''}, and CUDA sees no "
        f"{'device' if empty else 'instance'} to run on.",
        cause="A GPU in MIG mode offers only the instances that were created on it; here there are none."
        if empty
        else "A GPU in MIG mode offers only the instances that were created on it; here there are none for this "
        f"process{f', though NVML counts {found}' if found else ''}.",
        confidence="proven" if every and empty else "supported" if every else "possible",
        evidence=(said(step), *modes),
        fix=Fix(
            "Create instances; or turn MIG off while the GPU is idle (nvidia-smi -mig 0). In a job or container, ask "
            "for an instance.",
            ("nvidia-smi -L && nvidia-smi mig -lgip", "sudo nvidia-smi mig -cgi 0 -C"),
        ),
    )
