"""# Kernels read memory in a slow order

## What it checks
Whether neighbouring threads of a kernel reach far apart in memory, by its PTX where that is known (32 bytes or more,
or a factor that is known at run time only), and whether kernels of such code that does not loop move their bytes at a
quarter of this device's bandwidth or less. Where the code loops, whether its loops read like that and compute little:
at most four sums or products for each number read. Then the finding is *possible*.

## Why it matters
A warp of 32 threads gets its memory in pieces of 32 bytes or more.
Where neighbouring threads read elements that lie far apart, each piece is fetched for a few bytes of use.

## How to fix it
Let neighbouring threads take neighbouring elements: the last index of a C-ordered array belongs to `threadIdx.x`.
Transpose once, or go through shared memory, where both orders are needed.
Nsight Compute counts the pieces:

```sh
ncu --section MemoryWorkloadAnalysis --launch-count 1 python train.py
```

## Limits
A kernel whose code loops moves a number of bytes that nobody knows, and a cache may keep what neighbours do not use
until it is asked for; so there the saving is what the bytes alone would say. Of a stencil whose neighbours in y read
what a thread reads in x, each element counts once. A kernel whose code is not known is not
judged (numba keeps its PTX, other libraries do not).
The saving is an upper bound.
What does not save 5 % of the time and twice its own error is not reported, and nothing is predicted if the replay
misses the untimed run by more than 5 %.

## Sources
CUDA C++ Best Practices Guide, coalesced access to global memory.
PTX ISA.
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
        seen="reads with neighbouring threads far apart in memory, slowly or in a loop that does little else",
        cause="Neighbouring threads read elements that lie far apart, so most of what is fetched is thrown away.",
        fix=Fix("Let neighbouring threads read neighbouring elements."),
    )
