"""# Many small copies in each step

## What it checks
Whether a minibatch makes more than three copies, whose median is 64 kB or less, and whether it would be faster with one
copy each way.
In a program of your own: the same of a step.

## Why it matters
A copy costs the host and the link some microseconds whatever its size; a few kB take no longer than a few bytes.
So the number of copies counts, not the bytes.

## How to fix it
Put small arrays into one buffer and copy that; keep on the device what is used again; copy what an epoch needs once
before it, such as the numbers of its rows.
This says what a small copy costs on this machine:

```sh
cudadoctor bandwidth --full
```

## Limits
Judged by playing the recorded calls again without this cause, in a race those of the lane that most people would write
(R1), in `cudadoctor profile` those of the program's steady steps: what does not save 5 % of the time and twice its own
error is not reported, whatever the calls look like.
If the replay misses the untimed run by more than 5 %, nothing is judged.

## Sources
CUDA C++ Best Practices Guide, data transfer between host and device: batch many small transfers into one.
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
    id="small-transfers",
    title="Many small copies in each step",
    severity=Severity.WARNING,
    confirm=Confirm("cudadoctor dbn-race", "rung R3, with the data on the device, faster than R2"),
)
def small_transfers(race: Race | Missing, profile: Profile | Missing = NOT_PROFILED) -> Iterator[Finding]:
    """Fire where that costs at least 5 % of a minibatch or step and more than twice the error of that figure."""
    needs_one(race, profile)
    yield from program_finding(
        small_transfers,
        profile,
        seen="makes many copies of a few kB in each step",
        cause="Each copy has a fixed cost, and that outweighs the bytes.",
        fix=Fix("Put what is copied together into one buffer, or keep it on the device."),
    )
    if isinstance(race, Race):
        yield from cause_finding(
            small_transfers,
            race,
            seen="makes many copies of a few kB in each minibatch",
            cause="Each copy has a fixed cost, and that outweighs the bytes.",
            fix=Fix(
                "Put what is copied together into one buffer, or keep it on the device.",
                ("cudadoctor bandwidth --full",),
            ),
        )
