"""# Copies run at the limit of the link

## What it checks
Whether copies that no kernel hides take 15 % of a step of a profiled program or more, mostly from and to pinned
memory, at 0.8 of what this machine was measured to reach.

## Why it matters
The link between host and device carries some tens of GB/s, the GPU's own memory some thousands.
A copy at the limit of the link cannot be made faster, only smaller, rarer, or hidden.

## How to fix it
Keep on the device what is used again.
Send less: `uint8` instead of `float32`, decoded or gathered on the device.
Copy the next batch on a second stream while the kernels work on this one.

```sh
cudadoctor profile train.py
```

## Limits
The saving is an upper bound: it is what the program would take with no such copy.
Judged by replay of the recorded steps without these copies.
What does not save 5 % of the time and twice its own error is not reported, and nothing is predicted if the replay
misses the untimed run by more than 5 %.

## Sources
CUDA C++ Best Practices Guide, data transfer between host and device.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.profile import Profile
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import rule
from cudadoctor.rules.profile.explained import program_finding


@rule(
    id="transfer-bound",
    title="Copies run at the limit of the link",
    severity=Severity.WARNING,
    confirm=Confirm("cudadoctor profile train.py", "copies at what the link carries, with no kernel beside them"),
)
def transfer_bound(profile: Profile) -> Iterator[Finding]:
    """Fire where that costs at least 5 % of a step and more than twice the error of that figure."""
    yield from program_finding(
        transfer_bound,
        profile,
        seen="copies in each step as fast as the link allows, while no kernel runs",
        cause="What the link carries is the limit, and the kernels wait for it.",
        fix=Fix("Keep the data on the device, send fewer bytes, or copy on a second stream while kernels run."),
    )
