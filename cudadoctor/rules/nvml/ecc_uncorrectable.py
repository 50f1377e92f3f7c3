"""# GPU memory has uncorrectable errors

## What it checks
Whether CUDA answers 214, NVML counts uncorrectable ECC errors since the driver was loaded, or, for a card whose
counter cannot be read, the kernel log has Xid 48, 94 or 95.

## Why it matters
The memory returned something that error correction could not repair.
The program that read it is stopped; without a reset more may follow, and results that were computed near it deserve
doubt.

## How to fix it
Reset the GPU or reboot once: rows with errors are then replaced by spare ones.
If the counter grows again, the board must be replaced.
For GPU 0:

```sh
nvidia-smi -q -d ECC,ROW_REMAPPER
sudo nvidia-smi --gpu-reset -i 0
```

## Limits
Errors from before the driver was loaded are history that a reset has dealt with, and are shown but not reported.
Cards without ECC, or with ECC turned off, cannot tell.

## Sources
nvmlDeviceGetTotalEccErrors (nvml.h); NVIDIA Xid catalogue, Xid 48, 94 and 95; NVIDIA GPU Memory Error Management.
Met by users in:
- <https://github.com/vllm-project/vllm/issues/5222>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.kernel_log import KernelLog
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml, NvmlDevice
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG
from cudadoctor.rules.kernel_log.events import nothing_failed, shown, xids
from cudadoctor.rules.reading import cuda_error, said, seen, text_of


@rule(
    id="ecc-uncorrectable",
    title="GPU memory has uncorrectable errors",
    severity=Severity.ERROR,
    explains=("row-remap-pending", "gpu-needs-reset", "kernel-result-wrong", "driver-call-failed", "race-lane-failed"),
    shows={
        "cuda:214": 9,
        "xid:48": 9,
        "xid:94": 8,
        "xid:95": 8,
        "ecc": 8,
        "xid:63": 2,
        "xid:64": 3,
    },
    confirm=Confirm(
        "nvidia-smi --query-gpu=index,ecc.errors.uncorrected.volatile.total --format=csv; journalctl -k -b | "
        "grep -E 'Xid.*: (48|94|95),'",
        "a count above 0, or such an Xid",
    ),
    confirm_on_windows=Confirm(
        "nvidia-smi --query-gpu=index,ecc.errors.uncorrected.volatile.total --format=csv",
        "a count above 0",
    ),
)
def ecc_uncorrectable(ladder: Ladder, nvml: Nvml | Missing, kernel_log: KernelLog | Missing) -> Iterator[Finding]:
    """Fire on 214, on a count since the driver was loaded, or on Xids of a card that cannot count."""
    devices = nvml.devices if isinstance(nvml, Nvml) else ()
    step = cuda_error(ladder, 214)
    counted = tuple(device for device in devices if _count(device) > 0)
    can_count = {text_of(d.pci_address) for d in devices if isinstance(d.ecc_uncorrectable_volatile, Known)}
    events = xids(kernel_log, 48, 94, 95)
    uncounted = tuple(event for event in events if event.pci_address not in can_count)
    if step is None and not counted and not uncounted:
        return
    if counted:
        first = counted[0]
        told = (
            f"{_name(first)} (GPU {first.index}) counts {_count(first)} uncorrectable memory errors since the driver "
        )
        told += "was loaded"
    elif step is not None:
        told = f"{step.call} failed with 214, an uncorrectable memory error"
    else:
        told = f"The kernel saw uncorrectable memory errors of the GPU at {uncounted[0].pci_address}"
        told += f" (Xid {uncounted[0].xid})"
    works = nothing_failed(ladder)
    evidence: tuple[Evidence, ...] = (said(step),) if step is not None else ()
    for device in counted[:4]:
        evidence += seen(f"uncorrectable errors of GPU {device.index}", device.ecc_uncorrectable_volatile)
        evidence += seen(f"over the life of GPU {device.index}", device.ecc_uncorrectable_aggregate)
        evidence += seen(f"uncorrectable rows remapped on GPU {device.index}", device.remapped_rows_uncorrectable)
        evidence += seen(f"remapping pending on GPU {device.index}", device.remap_pending)
        evidence += seen(f"recovery action for GPU {device.index}", device.recovery_action)
    yield finding(
        ecc_uncorrectable,
        summary=f"{told}.",
        cause="A cell of the GPU's memory failed so that error correction could not repair what was read.",
        confidence="proven" if counted or step is not None else "supported",
        severity=Severity.WARNING if works else Severity.ERROR,
        evidence=(*evidence, *shown(events, kernel_log)),
        fix=Fix(
            "End the programs on this GPU and reset it, or reboot. If the errors come back, have the board replaced.",
            ("nvidia-smi -q -d ECC,ROW_REMAPPER", LOOK_AT_DRIVER_LOG, *_reset(counted)),
        ),
    )


def _count(device: NvmlDevice) -> int:
    return known(device.ecc_uncorrectable_volatile) or 0


def _name(device: NvmlDevice) -> str:
    return text_of(device.name) or "A GPU"


def _reset(counted: tuple[NvmlDevice, ...]) -> tuple[str, ...]:
    return tuple(f"sudo nvidia-smi --gpu-reset -i {device.index}" for device in counted[:1]) or ("sudo reboot",)
