"""# Kernels read memory in a slow order

## What it checks
Whether neighbouring threads of a kernel reach far apart in memory, by its PTX where that is known (32 bytes and more,
or a factor that is known at run time only), and whether kernels of such code that does not loop move their bytes at a
quarter of this device's bandwidth and less.
Of other kernels: whether they keep the device's memory busy (by NVML's counters, Hopper and newer) while the bytes that
their threads can use, taken at 16 a thread, are a tenth of what it could carry and less.

## Why it matters
A warp of 32 threads gets its memory in pieces of 32 bytes and more.
Where neighbouring threads read elements that lie far apart, each piece is fetched for a few bytes of use.

## How to fix it
Let neighbouring threads take neighbouring elements: the last index of a C-ordered array belongs to `threadIdx.x`.
Transpose once, or go through shared memory, where both orders are needed.
Nsight Compute counts the pieces:

```sh
ncu --section MemoryWorkloadAnalysis --launch-count 1 python train.py
```

## Limits
A kernel whose code loops moves a number of bytes that nobody knows, and is judged by the counters alone; there, reading
the same data again and again looks the same, so that it is possible at most.
Without the code or NVML's counters nothing is said.
The saving is an upper bound.
What does not save 5 % of the time and twice its own error is not reported, and nothing is judged if the replay misses
the untimed run by more than 5 %.

## Sources
CUDA C++ Best Practices Guide, coalesced access to global memory.
nvmlGpmMetricsGet, NVML_GPM_METRIC_DRAM_BW_UTIL (nvml.h).
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.profile import Profile
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import rule
from cudadoctor.rules.profile.explained import program_finding


@rule(
    id="uncoalesced-access",
    title="Kernels read memory in a slow order",
    severity=Severity.WARNING,
    confirm=Confirm("cudadoctor profile train.py", "kernels whose neighbouring threads reach far apart, by their PTX"),
)
def uncoalesced_access(profile: Profile) -> Iterator[Finding]:
    """Fire where that costs at least 5 % of a step and more than twice the error of that figure."""
    yield from program_finding(
        uncoalesced_access,
        profile,
        seen="keeps the device's memory busy with far more bytes than its threads can use",
        cause="Neighbouring threads may read elements that lie far apart: most of what is fetched is thrown away.",
        fix=Fix("Let neighbouring threads read neighbouring elements."),
    )
