"""# Pageable memory is as fast as pinned: the link is coherent

## What it checks
In a pasted text: whether pageable and pinned copies are alike, at rates that no PCIe link has, or on a GPU that is
joined to its processor by NVLink-C2C (GH200, GB200).

## Why it matters
On a coherent link the GPU reads host memory by the host's own page tables, so nothing is staged and pinning gains
nothing.
Write-combined memory is even slower there, by about half.

## How to fix it
Nothing is wrong.
Leave memory pageable, and keep the allocation of device memory out of what is timed.

```sh
cudadoctor bandwidth
nvidia-smi -q | grep -i c2c
```

## Limits
Told from texts alone: no machine is reported for being healthy.

## Sources
CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES (CUDA driver API).
Met by users in:
- <https://github.com/vortex-data/vortex/pull/7815>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.findings import Confirm, Finding, Severity
from cudadoctor.rules.base import rule


@rule(
    id="no-problem-coherent-link",
    title="Pageable memory is as fast as pinned: the link is coherent",
    severity=Severity.NOTE,
    shows={"pageable-fast": 8, "coherent-gpu pageable": 5, "coherent-gpu pinned rate-gbs": 4},
    confirm=Confirm("nvidia-smi -q | grep -i c2c", "C2C mode enabled"),
)
def no_problem_coherent_link() -> Iterator[Finding]:
    """Find nothing on any machine: only a text can ask this."""
    return iter(())
