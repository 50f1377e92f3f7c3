"""# The virtual GPU has no licence

## What it checks
Whether this is a virtual GPU (vGPU) whose licence NVML calls unlicensed; or a virtual GPU of whose licence NVML does
not tell, in the default compute mode and with no process on it, that is refused with 46 (busy or unavailable).

## Why it matters
Without a licence the driver of the guest slows the GPU down step by step and then refuses CUDA ("busy or
unavailable"), while `nvidia-smi` shows a free GPU.

## How to fix it
Let the guest reach its licence server: client token, network, clock.
In a cloud only the provider can restore it; restarting containers does not help.

```sh
ls -l /etc/nvidia/ClientConfigToken /etc/nvidia/gridd.conf
sudo systemctl restart nvidia-gridd
```

## Limits
In the first minutes after boot a licence may not be acquired yet.

## Sources
nvmlDeviceGetGridLicensableFeatures, nvmlDeviceGetVirtualizationMode (nvml.h); NVIDIA vGPU Client Licensing User Guide.
Met by users in:
- <https://github.com/DDMAL/Rodan/issues/1332>
- <https://github.com/microsoft/Bringing-Old-Photos-Back-to-Life/issues/28>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.kernel_log.events import nothing_failed
from cudadoctor.rules.reading import cuda_error, said, seen, text_of


@rule(
    id="vgpu-unlicensed",
    title="The virtual GPU has no licence",
    severity=Severity.ERROR,
    explains=("exclusive-compute-mode", "memory-held-by-other-process", "driver-call-failed", "race-lane-failed"),
    shows={
        "unlicensed": 7,
        "unlicensed vgpu": 3,
        "cuda:102": 9,
        "vgpu cuda:46": 9,
        "cuda:46": 4,
        "vgpu": 3,
        "vgpu-host-driver": -3,
        "vgpu nvml:999": 2,
        "licensed": -9,
    },
    confirm=Confirm(
        "nvidia-smi -q | grep -iE 'virtualization mode|license status'",
        'VGPU and "Unlicensed"',
    ),
    confirm_on_windows=Confirm(
        "nvidia-smi -q",
        '"Virtualization Mode: VGPU" and "License Status: Unlicensed"',
    ),
)
def vgpu_unlicensed(nvml: Nvml, ladder: Ladder) -> Iterator[Finding]:
    """Fire where a virtual GPU is unlicensed: a warning while all works."""
    virtual = tuple(d for d in nvml.devices if known(d.virtualization) == "vgpu")
    concerned = tuple(d for d in virtual if known(d.vgpu_licence) == "unlicensed")
    # 46: devices unavailable; 3 and 999 were seen with drivers that refuse outright.
    step = cuda_error(ladder, 46, 3, 999)
    untold = not concerned
    if untold and step is not None and step.code == 46:
        # Nobody else can be to blame for 46 on these.
        free = (d for d in virtual if known(d.compute_mode) == 0 and not known(d.compute_processes))
        concerned = tuple(d for d in free if isinstance(d.vgpu_licence, Missing))
    if not concerned:
        return
    first = concerned[0]
    refused = f", and {step.call} fails with {step.code}" if step is not None else ""
    yield finding(
        vgpu_unlicensed,
        summary=f"{text_of(first.name) or 'The GPU'} is a virtual GPU "
        f"{'whose licence is not known' if untold else 'without a licence'}{refused}.",
        cause="The guest has no valid licence for this vGPU: no client token, no way to the licence server, or none "
        "left there.",
        confidence="possible" if untold else "proven" if step is None else "supported",
        severity=Severity.WARNING if nothing_failed(ladder) else Severity.ERROR,
        evidence=(
            *((said(step),) if step is not None else ()),
            *(item for d in concerned[:4] for item in seen(f"licence of GPU {d.index}", d.vgpu_licence)),
            *(item for d in concerned[:4] for item in seen(f"compute mode of GPU {d.index}", d.compute_mode)),
            *(item for d in concerned[:4] for item in seen(f"virtualization of GPU {d.index}", d.virtualization)),
        ),
        fix=Fix(
            "Renew the licence: client token in /etc/nvidia/ClientConfigToken, a way to the licence server, a right "
            "clock. In a cloud, ask the provider.",
            (
                "nvidia-smi -q | grep -iA2 licen",
                "ls -l /etc/nvidia/ClientConfigToken /etc/nvidia/gridd.conf",
                "sudo systemctl restart nvidia-gridd",
            ),
        ),
    )
