"""# The GPU waits for data

## What it checks
Whether the GPU is idle for a quarter of a step of a profiled program or more while the thread that launches work waits
(CPU time over wall time at most 0.3): for another thread or process, a queue, the network, or a plain sleep.
Also whether it makes the batches itself meanwhile, because its data loader has no workers (`num_workers=0`): half of
the Python that runs there or more is then called by the loader.

## Why it matters
A step begins when its data is there.
Where loading takes longer than computing, a faster GPU changes nothing.

## How to fix it
Prepare the next batches in the background: with PyTorch `DataLoader(num_workers=..., prefetch_factor=...,
persistent_workers=True)`, elsewhere a thread or a process pool with a queue.
If the workers are too slow as well, do less per sample, or do it once and keep the result.

```sh
cudadoctor profile train.py
```

## Limits
The saving is an upper bound: it supposes that the data is always there in time.
That a thread waits is seen; what for is read off its line.
Without the thread's CPU time, waiting and working are not told apart, and the confidence is lower.
What does not save 5 % of the time and twice its own error is not reported, and nothing is predicted if the replay
misses the untimed run by more than 5 %.

## Sources
CPU time of the thread by the system, samples of its stack, and replay of the steps without the waiting.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.profile import Profile
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import rule
from cudadoctor.rules.profile.explained import program_finding


@rule(
    id="dataloader-bound",
    title="The GPU waits for data",
    severity=Severity.WARNING,
    shows={"gpu-use-low num-workers": 7, "slow num-workers": 4, "gpu-use-low slow": 3, "waits-for-data": 7},
    confirm=Confirm("cudadoctor profile train.py", "the lines at which the host waits while the GPU is idle"),
)
def dataloader_bound(profile: Profile) -> Iterator[Finding]:
    """Fire where that costs at least 5 % of a step and more than twice the error of that figure."""
    yield from program_finding(
        dataloader_bound,
        profile,
        seen="lets the GPU wait for data",
        cause="The next batch is not ready: the thread that launches work waits for it, or makes it itself.",
        fix=Fix("Prepare the next batches in the background, in other threads or processes."),
    )
