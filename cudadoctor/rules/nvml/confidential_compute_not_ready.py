"""# The GPU's confidential-compute mode is not ready

## What it checks
Whether the driver API answers 802 while NVML says that confidential computing is on and the GPUs' ready state is not
set; or, where NVML does not tell, 802 on one GPU that takes part in no fabric, on a machine without NVSwitch.

## Why it matters
A GPU in confidential-compute mode takes no work before the guest has verified it and said so.
Until then `nvidia-smi` lists the GPU and every CUDA program fails with 802, the code of a fabric that is not ready.

## How to fix it
Attest the GPU, then set the ready state.

```sh
sudo nvidia-smi conf-compute -srs 1
nvidia-smi conf-compute -grs
```

## Limits
Where the driver does not tell, and a fabric cannot be ruled out, `fabric-manager-not-running` is reported.

## Sources
nvmlSystemGetConfComputeState, nvmlSystemGetConfComputeGpusReadyState (nvml.h); NVIDIA Trusted Computing Solutions.
Met by users in:
- <https://github.com/NVIDIA/nvtrust/issues/56>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import cuda_error, said, seen


@rule(
    id="confidential-compute-not-ready",
    title="The GPU's confidential-compute mode is not ready",
    severity=Severity.ERROR,
    explains=("fabric-manager-not-running", "mig-without-instance", "driver-call-failed", "race-lane-failed"),
    shows={
        "confidential": 6,
        "cuda:802 confidential": 6,
        "cuda:802": 4,
        "fabric": -1,
        "confidential not-available": 5,
    },
    confirm=Confirm(
        "nvidia-smi conf-compute -f; nvidia-smi conf-compute -grs",
        '"CC status: ON" and "not-ready"',
    ),
)
def confidential_compute_not_ready(ladder: Ladder, nvml: Nvml, pci: Pci | Missing) -> Iterator[Finding]:
    """Fire on 802 where confidential computing is on and not ready, or nothing else can be."""
    step = cuda_error(ladder, 802)
    if step is None or known(nvml.confidential_compute) is False or known(nvml.confidential_compute_ready) is True:
        return
    told = known(nvml.confidential_compute) is True and known(nvml.confidential_compute_ready) is False
    if not told and not _alone(nvml, pci):
        return
    fabric = nvml.devices[0].fabric_state if nvml.devices else Missing("there is no device")
    yield finding(
        confidential_compute_not_ready,
        summary=f"The GPU is in confidential-compute mode and its ready state is not set, so {step.call} fails with "
        "802."
        if told
        else f"{step.call} fails with 802 on one GPU that waits for no fabric: most likely it is in "
        "confidential-compute mode, and its ready state is not set.",
        cause="A GPU in this mode takes no work before the guest has attested it and set the ready state.",
        confidence="proven" if told else "possible",
        evidence=(
            said(step),
            *seen("confidential computing", nvml.confidential_compute),
            *seen("GPUs ready", nvml.confidential_compute_ready),
            *((*seen("fabric state", fabric), *_switches(pci)) if not told else ()),
        ),
        fix=Fix(
            "Attest the GPU, then set the ready state.",
            ("nvidia-smi conf-compute -grs", "sudo nvidia-smi conf-compute -srs 1"),
        ),
    )


def _alone(nvml: Nvml, pci: Pci | Missing) -> bool:
    """Say whether this is one GPU that the driver knows to be in no fabric, on a machine without NVSwitch."""
    if len(nvml.devices) != 1 or known(nvml.devices[0].fabric_state) != "not supported":
        return False
    return isinstance(pci, Pci) and known(pci.nvswitches) == 0


def _switches(pci: Pci | Missing) -> tuple[Evidence, ...]:
    return seen("NVSwitches on the PCI bus", pci.nvswitches) if isinstance(pci, Pci) else ()
