"""# The GPU is in exclusive mode and in use

## What it checks
Whether creating a context answers 46 (device unavailable) and that GPU is not in the default compute mode.

## Why it matters
In exclusive-process mode one process at a time may use the GPU; in prohibited mode none may.
A second process is refused even when the first does nothing.

## How to fix it
Use another GPU, end the process that holds this one, or let an administrator set the default mode.

```sh
sudo nvidia-smi -c DEFAULT
```

## Limits
46 in default mode has other causes, for example a vGPU without a licence: it is then reported as driver-call-failed.

## Sources
CUDA_ERROR_DEVICE_UNAVAILABLE (cuda.h); nvmlDeviceGetComputeMode.
Met by users in:
- <https://github.com/NVIDIA/DIGITS/issues/2005>
- <https://github.com/pytorch/pytorch/issues/3871>
- <https://github.com/microsoft/Bringing-Old-Photos-Back-to-Life/issues/28>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import cuda_error, said, seen, tried_in_nvml

_MODES = {1: "exclusive thread", 2: "prohibited", 3: "exclusive process"}


@rule(
    id="exclusive-compute-mode",
    title="The GPU is in exclusive mode and in use",
    severity=Severity.ERROR,
    explains=("driver-call-failed", "kernel-compile-failed", "race-lane-failed"),
    shows={
        "cuda:46": 7,
        "exclusive": 3,
        "exclusive cuda:46": 4,
        "vgpu": -2,
        "cuda:46 mig": -1,
        "slurm cuda:46": 1,
        "cuda:46 nvml:999": -2,
        "context-refused": 8,
        "device-taken": 4,
    },
    confirm=Confirm(
        "nvidia-smi --query-gpu=index,compute_mode --format=csv; nvidia-smi --query-compute-apps=pid,name --format=csv",
        "Exclusive_Process with a process below, or Prohibited",
    ),
)
def exclusive_compute_mode(ladder: Ladder, nvml: Nvml, driver: Driver | Missing) -> Iterator[Finding]:
    """Fire on 46 where the GPU that was tried is in a mode other than the default."""
    step = cuda_error(ladder, 46)
    tried = tried_in_nvml(ladder, driver, nvml)
    candidates = nvml.devices if tried is None else (tried,)
    closed = tuple(device for device in candidates if (known(device.compute_mode) or 0) in _MODES)
    if step is None or not closed:
        return
    device = closed[0]
    mode = _MODES[known(device.compute_mode) or 3]
    processes = known(device.compute_processes)
    holders = f", and {processes} process{'es use' if processes != 1 else ' uses'} it" if processes else ""
    evidence: tuple[Evidence, ...] = (said(step),)
    for each in closed[:8]:
        evidence += (*seen(f"compute mode of GPU {each.index}", each.compute_mode),)
        evidence += (*seen(f"compute processes on GPU {each.index}", each.compute_processes),)
    yield finding(
        exclusive_compute_mode,
        summary=f"GPU {device.index} is in {mode} mode{holders}: {step.call} was refused with 46.",
        cause="The compute mode allows no further process on this GPU.",
        evidence=evidence,
        fix=Fix(
            "Use another GPU, end the process that holds this one, or ask an administrator for the default mode.",
            ("nvidia-smi -q -d COMPUTE,PIDS", f"sudo nvidia-smi -i {device.index} -c DEFAULT"),
        ),
    )
