"""# The GPU waits for files

## What it checks
Whether the GPU is idle for a quarter of a step of a profiled program or more while the thread that launches work reads
or writes files, by samples of its stack.

## Why it matters
A file that is read in each step costs the step the time of the disk, or of the network behind it, and then that of
decoding it.

## How to fix it
Read once and keep it in memory, map the file, put many small files into a few large ones, or read ahead in the
background.
A copy on a local disk helps where the files lie on the network.

```sh
cudadoctor profile train.py
```

## Limits
The saving is an upper bound: it supposes that the data is always there in time.
Reading is recognised by the functions on the stack; a file that is read by compiled code looks like waiting
(dataloader-bound) or like Python (host-bound-not-gpu).
What does not save 5 % of the time and twice its own error is not reported, and nothing is predicted if the replay
misses the untimed run by more than 5 %.

## Sources
Samples of the stack, CPU time of the thread, and replay of the steps without the reading.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.profile import Profile
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import rule
from cudadoctor.rules.profile.explained import program_finding


@rule(
    id="storage-bound",
    title="The GPU waits for files",
    severity=Severity.WARNING,
    confirm=Confirm("cudadoctor profile train.py", "the lines at which the host reads files while the GPU is idle"),
)
def storage_bound(profile: Profile) -> Iterator[Finding]:
    """Fire where that costs at least 5 % of a step and more than twice the error of that figure."""
    yield from program_finding(
        storage_bound,
        profile,
        seen="reads files while the GPU waits",
        cause="Reading lies between the steps instead of beside them.",
        fix=Fix("Read the files once, or ahead of time in the background."),
    )
