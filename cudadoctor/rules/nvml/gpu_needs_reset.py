"""# The driver asks for a reset of the GPU

## What it checks
Whether NVML's recovery action for a GPU is something else than none, or NVML itself answers that a reset is required
(16); an error where a call fails too.

## Why it matters
After some errors the driver knows that the GPU must be reset, drained or rebooted before it can be relied on, and says
so here; programs may run all the same, or fail later.

## How to fix it
Do what it asks for, while no program uses the GPU.
For GPU 0:

```sh
sudo nvidia-smi --gpu-reset -i 0
```

## Limits
Older drivers do not tell, nor do cards without support.

## Sources
NVML_FI_DEV_GET_GPU_RECOVERY_ACTION and nvmlDeviceGpuRecoveryAction_t (nvml.h).
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.ladder import Ladder, Step
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG
from cudadoctor.rules.kernel_log.events import nothing_failed
from cudadoctor.rules.reading import nvml_error, said, seen, text_of


@rule(
    id="gpu-needs-reset",
    title="The driver asks for a reset of the GPU",
    severity=Severity.WARNING,
    explains=("driver-call-failed", "race-lane-failed"),
    shows={
        "nvml:16": 9,
        "xid:154": 7,
        "xid:45": 1,
        "cuda:46": 2,
        "gpu-lost-column": 3,
        "gsp-dead": -4,
        "xid:61": 5,
        "xid:62": 5,
    },
    confirm=Confirm(
        "nvidia-smi -q | grep -i 'recovery action'",
        "another action than None",
    ),
)
def gpu_needs_reset(nvml: Nvml | Missing, ladder: Ladder | Missing) -> Iterator[Finding]:
    """Fire where the recovery action of a GPU is not none, or NVML answers that a reset is required."""
    devices = nvml.devices if isinstance(nvml, Nvml) else ()
    concerned = tuple(d for d in devices if known(d.recovery_action) not in (None, "none"))
    required = nvml_error(ladder, 16)
    if required is not None and not concerned:
        yield _required(required)
    if not concerned:
        return
    first = concerned[0]
    action = known(first.recovery_action) or ""
    reboot = "reboot" in action
    yield finding(
        gpu_needs_reset,
        summary=f"The driver's recovery action for {text_of(first.name) or 'a GPU'} (GPU {first.index}) is: {action}.",
        cause="An error left the GPU in a state that only this ends; the kernel log says which.",
        confidence="proven",
        severity=Severity.WARNING if nothing_failed(ladder) else Severity.ERROR,
        evidence=tuple(
            item for d in concerned[:8] for item in seen(f"recovery action for GPU {d.index}", d.recovery_action)
        ),
        fix=Fix(
            "End the programs on this GPU, then do what the driver asks for.",
            ("sudo reboot",) if reboot else (f"sudo nvidia-smi --gpu-reset -i {first.index}",),
        ),
    )


def _required(step: Step) -> Finding:
    return finding(
        gpu_needs_reset,
        severity=Severity.ERROR,
        summary=f"{step.call} answers that a GPU must be reset before it can be used (16).",
        cause="An error left the GPU in a state that only a reset ends; the kernel log says which.",
        confidence="proven",
        evidence=(said(step),),
        fix=Fix(
            "End the programs on this GPU and reset it, or reboot.", (LOOK_AT_DRIVER_LOG, "sudo nvidia-smi --gpu-reset")
        ),
    )
