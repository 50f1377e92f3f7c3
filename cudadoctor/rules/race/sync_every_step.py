"""# The host waits for the GPU in each step

## What it checks
Whether the host calls a synchronisation in each minibatch, and the minibatch would be faster without it.
In a program of your own: the same of a step.

## Why it matters
While the host waits, it launches nothing; when it goes on, the GPU has nothing to do.
So the two take turns where they could work at the same time.

## How to fix it
Leave out `cuda.synchronize()`, `torch.cuda.synchronize()` and the like in the loop; one at the end is enough for a
timing.
Work in one stream is done in order without it.
What a loop looks like with and without it, the race shows as rungs R3 and R4:

```sh
cudadoctor dbn-race
```

## Limits
A wait costs nothing where the GPU is the slower one: then it is not reported, however often it is called.
Judged by playing the recorded calls again without this cause, in a race those of the lane that most people would write
(R1), in `cudadoctor profile` those of the program's steady steps: what does not save 5 % of the time and twice its own
error is not reported, whatever the calls look like.
If the replay misses the untimed run by more than 5 %, nothing is judged.

## Sources
CUDA C++ Programming Guide, asynchronous concurrent execution.
A public case in which removing the waits gained 4 %: so they are never judged by their number.
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
    id="sync-every-step",
    title="The host waits for the GPU in each step",
    severity=Severity.WARNING,
    confirm=Confirm("cudadoctor dbn-race", "rung R4 faster than R3 by what waiting costs"),
)
def sync_every_step(race: Race | Missing, profile: Profile | Missing = NOT_PROFILED) -> Iterator[Finding]:
    """Fire where that costs at least 5 % of a minibatch or step and more than twice the error of that figure."""
    needs_one(race, profile)
    yield from program_finding(
        sync_every_step,
        profile,
        seen="waits for the GPU in each step",
        cause="Host and GPU take turns, since the host launches nothing while it waits.",
        fix=Fix("Leave out the synchronisation in the loop; keep one where a time is taken."),
    )
    if isinstance(race, Race):
        yield from cause_finding(
            sync_every_step,
            race,
            seen="waits for the GPU in each minibatch",
            cause="Host and GPU take turns, since the host launches nothing while it waits.",
            fix=Fix("Leave out the synchronisation in the loop; keep one where a time is taken."),
        )
