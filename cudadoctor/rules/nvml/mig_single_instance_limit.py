"""# A process sees one MIG instance only

## What it checks
Whether CUDA_VISIBLE_DEVICES names several MIG instances and CUDA shows fewer, or several GPUs are in MIG mode with
instances, none is named, CUDA shows one device, and PyTorch is installed, which may count by NVML.
In a pasted text: whether there are several MIG instances, or a device number above 0, where one process wants more
than one.

## Why it matters
With MIG on, CUDA enumerates a single instance for each process, whatever the count that NVML tells; the instance must
be named by its UUID.
Frameworks that count by NVML believe in more devices than there are, and fail with an assertion.

## How to fix it
Start one process for each instance and name it; this takes the first:

```sh
nvidia-smi -L
export CUDA_VISIBLE_DEVICES="$(nvidia-smi -L | grep -o 'MIG-[0-9a-f-]*' | head -n 1)"
```

## Limits
A process that wants one instance is content, so this is a note.
The same assertion comes from frameworks that count devices wrongly for other reasons.

## Sources
- <https://docs.nvidia.com/datacenter/tesla/mig-user-guide/>
Met by users in:
- <https://github.com/pytorch/pytorch/issues/131650>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.packages import Packages
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import seen

_VARIABLE = "CUDA_VISIBLE_DEVICES"


@rule(
    id="mig-single-instance-limit",
    title="A process sees one MIG instance only",
    severity=Severity.ERROR,
    explains=("device-ordinal-out-of-range",),
    shows={
        "count-assert": 5,
        "count-assert cvd": 2,
        "mig-uuid": 2,
        "mig count-assert": 3,
        "mig-uuid cuda:101": 5,
        "mig cuda:101": 9,
        "mig-not-an-int": 10,
        "mig device-count-1": 8,
        "mig": 1,
        "mig-no-devices": -6,
        "mig device-missing": 4,
    },
    confirm=Confirm(
        "nvidia-smi -L; env | grep CUDA_VISIBLE_DEVICES",
        "more than one line that begins with MIG",
    ),
)
def mig_single_instance_limit(
    nvml: Nvml, driver: Driver, environment: Environment | Missing, packages: Packages | Missing
) -> Iterator[Finding]:
    """Note where more instances are named, or more GPUs counted, than the one that CUDA shows."""
    instances = sum(known(device.mig_instances) or 0 for device in nvml.devices)
    if known(driver.device_count) != 1 or instances < 2:
        return
    value = environment.variables.get(_VARIABLE) if isinstance(environment, Environment) else None
    named = [entry for entry in (value or "").split(",") if entry.strip().upper().startswith("MIG")]
    torch = packages.version_of("torch") if isinstance(packages, Packages) else None
    parted = tuple(device for device in nvml.devices if known(device.mig_enabled) is True)
    if len(named) > 1:
        wanted = f"{_VARIABLE} names {len(named)} MIG instances"
    elif value is None and torch and len(parted) > 1 and len(parted) == len(nvml.devices):
        wanted = f"NVML counts {len(parted)} GPUs with {instances} MIG instances"
    else:
        return
    yield finding(
        mig_single_instance_limit,
        severity=Severity.NOTE,
        summary=f"{wanted}, and CUDA shows this process one of them.",
        cause="With MIG on, CUDA enumerates a single instance for each process.",
        confidence="proven",
        evidence=(
            *((Evidence(_VARIABLE, value[:200], "environment"),) if value is not None else ()),
            *seen("devices that CUDA shows", driver.device_count),
            *((Evidence("torch", torch, "installed packages"),) if torch else ()),
            *(e for d in parted[:8] for e in seen(f"MIG instances of GPU {d.index}", d.mig_instances)),
        ),
        fix=Fix(
            "Start one process for each instance, and name the instance by its UUID.",
            ("nvidia-smi -L", 'CUDA_VISIBLE_DEVICES="$(nvidia-smi -L | grep -om1 "MIG-[0-9a-f-]*")" cudadoctor check'),
        ),
    )
