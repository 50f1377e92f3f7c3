"""# A result is read back in each step

## What it checks
Whether a small result (a loss, a count) is copied to the host and waited for in each minibatch, and the minibatch would
be faster without that.
In a program of your own: the same of a step, for results of up to 64 kB.

## Why it matters
`.item()`, `float(loss)`, `print(loss)` and `copy_to_host()` wait until the GPU has done all before; only then does the
host go on to launch, and the GPU is idle meanwhile.

## How to fix it
Add the losses up on the device, and read the sum once an epoch (or every hundred steps).
With PyTorch keep `total += loss.detach()` and call `.item()` at the end.
What reading back costs here, the race shows as rungs R3 and R4:

```sh
cudadoctor dbn-race
```

## Limits
A read-back costs nothing where the GPU is the slower one: then it is not reported.
Judged by playing the recorded calls again without this cause, in a race those of the lane that most people would write
(R1), in `cudadoctor profile` those of the program's steady steps: what does not save 5 % of the time and twice its own
error is not reported, whatever the calls look like.
If the replay misses the untimed run by more than 5 %, nothing is judged.

## Sources
PyTorch performance tuning guide, avoid unnecessary CPU-GPU synchronization.
2014: gnumpy read four results back in each minibatch of the same network (docs/the-2014-mystery.md).
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
    id="readback-every-step",
    title="A result is read back in each step",
    severity=Severity.WARNING,
    confirm=Confirm("cudadoctor dbn-race", "rung R4 faster than R3 by what reading back costs"),
)
def readback_every_step(race: Race | Missing, profile: Profile | Missing = NOT_PROFILED) -> Iterator[Finding]:
    """Fire where that costs at least 5 % of a minibatch or step and more than twice the error of that figure."""
    needs_one(race, profile)
    yield from program_finding(
        readback_every_step,
        profile,
        seen="reads a result back in each step and waits for it",
        cause="A read-back waits for all work before it, so host and GPU take turns.",
        fix=Fix("Add results up on the device, and read them back now and then, or at the end."),
    )
    if isinstance(race, Race):
        yield from cause_finding(
            readback_every_step,
            race,
            seen="reads a result back in each minibatch and waits for it",
            cause="A read-back waits for all work before it, so host and GPU take turns.",
            fix=Fix("Add results up on the device, and read them back once an epoch (as rung R4 of the ladder does)."),
        )
