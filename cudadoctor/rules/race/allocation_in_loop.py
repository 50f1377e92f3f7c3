"""# Device memory is allocated in each step

## What it checks
Whether a minibatch allocates or frees device memory, and would be faster without that.
In a program of your own: the same of a step, where these calls take 5 % of its time.

## Why it matters
An allocation is a call into the driver that takes tens of microseconds or more, and a free may wait for the GPU.
The same buffers could be used again.

## How to fix it
Make the buffers once before the loop and pass them as outputs (`out=`), or use a pool: CuPy and PyTorch have one, for
numba `cuda.device_array` outside of the loop is the way.
Rungs R1 and R4 of the race show both ways:

```sh
cudadoctor dbn-race
```

## Limits
Judged by playing the recorded calls again without this cause, in a race those of the lane that most people would write
(R1), in `cudadoctor profile` those of the program's steady steps: what does not save 5 % of the time and twice its own
error is not reported, whatever the calls look like.
If the replay misses the untimed run by more than 5 %, nothing is judged.

## Sources
CUDA C++ Best Practices Guide, allocation: cudaMalloc and cudaFree are expensive, reuse memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Race
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import rule
from cudadoctor.rules.profile.explained import NOT_PROFILED, needs_one, program_finding
from cudadoctor.rules.race.explained import cause_finding


@rule(
    id="allocation-in-loop",
    title="Device memory is allocated in each step",
    severity=Severity.WARNING,
    confirm=Confirm("cudadoctor dbn-race", "rung R4, which allocates nothing in its loop, faster than R1"),
)
def allocation_in_loop(race: Race | Missing, profile: Profile | Missing = NOT_PROFILED) -> Iterator[Finding]:
    """Fire where that costs at least 5 % of a minibatch or step and more than twice the error of that figure."""
    needs_one(race, profile)
    yield from program_finding(
        allocation_in_loop,
        profile,
        seen="allocates or frees device memory in each step",
        cause="An allocation costs the host more than a small kernel takes, and a free may wait for the GPU.",
        fix=Fix("Make the buffers once, before the loop, and use them again."),
    )
    if isinstance(race, Race):
        yield from cause_finding(
            allocation_in_loop,
            race,
            seen="allocates device memory in each minibatch",
            cause="Allocating and freeing are driver calls that cost the host more than a small kernel takes.",
            fix=Fix("Make the buffers once, before the loop, and use them again."),
        )
