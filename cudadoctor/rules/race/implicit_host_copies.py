"""# Host arrays are copied in and out around launches

## What it checks
Whether a minibatch holds copies that nobody wrote: those that a library makes when a NumPy array is passed to a kernel,
and whether the minibatch would be faster without them.
In a program of your own: whether arrays go in before most launches and arrays of exactly these sizes come back after
them, from and to pageable memory.

## Why it matters
numba copies a host array to the device before the launch and back after it, changed or not, and waits for that.
With several kernels that use the same array, the same bytes go to and fro again and again.

## How to fix it
Copy the arrays to the device once with `cuda.to_device`, pass the device arrays to the kernels, and bring back only
results with `copy_to_host`.
numba names the arguments that are host arrays if it is asked to warn:

```sh
NUMBA_CUDA_WARN_ON_IMPLICIT_COPY=1 python train.py
```

## Limits
Only copies that were recorded as implicit count.
Judged by playing the recorded calls again without this cause, in a race those of the lane that most people would write
(R1), in `cudadoctor profile` those of the program's steady steps: what does not save 5 % of the time and twice its own
error is not reported, whatever the calls look like.
If the replay misses the untimed run by more than 5 %, nothing is judged.

## Sources
numba-cuda documentation, NumbaPerformanceWarning "Host array used in CUDA kernel will incur copy overhead".
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
    id="implicit-host-copies",
    title="Host arrays are copied in and out around launches",
    severity=Severity.WARNING,
    confirm=Confirm("cudadoctor dbn-race", "rung R1 faster than R0 by what the copies cost"),
)
def implicit_host_copies(race: Race | Missing, profile: Profile | Missing = NOT_PROFILED) -> Iterator[Finding]:
    """Fire where that costs at least 5 % of a minibatch or step and more than twice the error of that figure."""
    needs_one(race, profile)
    yield from program_finding(
        implicit_host_copies,
        profile,
        seen="passes host arrays to kernels, so that they are copied in and out around each launch",
        cause="A kernel cannot read a NumPy array; the library copies it to the device and back at each launch.",
        fix=Fix(
            "Copy the arrays to the device once, pass the device arrays to the kernels, and copy back only results."
        ),
    )
    if isinstance(race, Race):
        yield from cause_finding(
            implicit_host_copies,
            race,
            seen="passes host arrays to kernels, so that they are copied in and out around each launch",
            cause="A kernel cannot read a NumPy array; the library copies it to the device and back at each launch.",
            fix=Fix(
                "Copy arrays to the device once, and pass the device arrays to the kernels.",
                ("NUMBA_CUDA_WARN_ON_IMPLICIT_COPY=1 python train.py",),
            ),
        )
