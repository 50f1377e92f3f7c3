"""# Kernels leave most of the GPU empty

## What it checks
Whether half of the kernel time of a profiled program's steps lies in grids of fewer than two blocks a multiprocessor,
and how much faster the steps would be if the work of those with less than one were spread over all.

## Why it matters
A block runs on one multiprocessor, and an H100 has 132 of them.
A grid of one block uses one, and the others stand still.

## How to fix it
Launch more and smaller blocks, one thread an element: `blocks = (n + threads - 1) // threads`.
Where the work is one long loop or a scan, split it: partial results by block, and a second kernel that joins them.

```sh
cudadoctor profile train.py
```

## Limits
The saving is an upper bound: it supposes that the work can be spread, and scales.
Kernels shorter than 20 µs are not judged by their grid: they have too little work for a GPU.
A persistent kernel with a block a multiprocessor is not reported.
What does not save 5 % of the time and twice its own error is not reported, and nothing is judged if the replay misses
the untimed run by more than 5 %.

## Sources
CUDA C++ Best Practices Guide, thread and block heuristics: more blocks than multiprocessors.
Two blocks a multiprocessor is this project's own line.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.profile import Profile
from cudadoctor.findings import Finding, Fix, Severity
from cudadoctor.rules.base import rule
from cudadoctor.rules.profile.explained import program_finding


@rule(id="low-occupancy-grid", title="Kernels leave most of the GPU empty", severity=Severity.WARNING)
def low_occupancy_grid(profile: Profile) -> Iterator[Finding]:
    """Fire where that costs at least 5 % of a step and more than twice the error of that figure."""
    yield from program_finding(
        low_occupancy_grid,
        profile,
        seen="runs kernels of a few blocks",
        cause="Each block runs on one multiprocessor; the others have nothing to do.",
        fix=Fix("Launch enough blocks for all multiprocessors."),
    )
