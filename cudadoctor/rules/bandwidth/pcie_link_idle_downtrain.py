"""# The PCIe link is slow only because the GPU is idle

## What it checks
In a pasted text: whether a monitor shows a link of generation 1 (2.5 GT/s) for a GPU that does nothing, which is often
taken for a fault.

## Why it matters
An idle GPU trains its link down to save power, and up again as soon as something is copied.
Readings at rest say nothing of the link; `lspci` then writes "downgraded" too.

## How to fix it
Nothing is wrong, as long as the link rises under load: read it while copies run.

```sh
cudadoctor bandwidth
nvidia-smi --query-gpu=index,pcie.link.gen.current,pcie.link.gen.max,pcie.link.width.current,pstate --format=csv
```

## Limits
Told from texts alone: facts of a machine never lead to it, since a low reading at rest is healthy.
A link that stays low while copies run is pcie-link-degraded.
The width does not change at rest: fewer lanes than the maximum are not explained by idling.

## Sources
nvmlDeviceGetCurrPcieLinkGeneration (nvml.h); an idle H100 that reads Gen1 and rises to Gen5 in copies was measured.
Met by users in:
- <https://github.com/Syllo/nvtop/issues/6>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.findings import Confirm, Finding, Severity
from cudadoctor.rules.base import rule


@rule(
    id="pcie-link-idle-downtrain",
    title="The PCIe link is slow only because the GPU is idle",
    severity=Severity.NOTE,
    shows={
        "idle pcie-gen1": 8,
        "idle pcie-downgraded": 7,
        "idle pcie-gen1-monitor": 3,
        "pcie-gen1-monitor": 5,
        "pcie-stays-low": -6,
        "xid:79": -6,
        "off-bus": -4,
        "pcie-aer": -4,
    },
    confirm=Confirm(
        "nvidia-smi --query-gpu=pcie.link.gen.current,pcie.link.gen.max,pstate --format=csv",
        "the maximum as soon as something copies, and less at rest in P8",
    ),
)
def pcie_link_idle_downtrain() -> Iterator[Finding]:
    """Find nothing on any machine: only a text can ask this."""
    return iter(())
