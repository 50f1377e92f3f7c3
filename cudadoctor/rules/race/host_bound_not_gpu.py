"""# The GPU waits for Python

## What it checks
Whether the GPU is idle for at least a quarter of a minibatch while the host is at work of its own: neither launching
nor copying nor waiting.
In a program of your own: whether it is idle for a quarter of a step while Python is at work, by the CPU time of the
thread that launches.

## Why it matters
Time in which the host gathers rows, converts numbers or runs the interpreter is time in which the GPU has nothing to
do; a faster GPU changes nothing.

## How to fix it
Move that work to the GPU (keep the data there and gather rows there), do it for a whole epoch at once, or prepare the
next minibatch in another thread or process while the GPU works.
Where a Python program spends its time:

```sh
python -m cProfile -s tottime train.py
```

## Limits
What a saving would be is an upper bound: some of that Python is needed.
Launches from Python are launch-bound-small-work, which is another matter.
Judged by playing the recorded calls again without this cause, in a race those of the lane that most people would write
(R1), in `cudadoctor profile` those of the program's steady steps: what does not save 5 % of the time and twice its own
error is not reported, whatever the calls look like.
If the replay misses the untimed run by more than 5 %, nothing is judged.

## Sources
The decomposition of the race: what the host did while the GPU was idle.
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
    id="host-bound-not-gpu",
    title="The GPU waits for Python",
    severity=Severity.WARNING,
    confirm=Confirm("cudadoctor dbn-race", "a quarter of the time in which the GPU waits for Python"),
)
def host_bound_not_gpu(race: Race | Missing, profile: Profile | Missing = NOT_PROFILED) -> Iterator[Finding]:
    """Fire where that costs at least 5 % of a minibatch or step and more than twice the error of that figure."""
    needs_one(race, profile)
    yield from program_finding(
        host_bound_not_gpu,
        profile,
        seen="keeps the GPU waiting while Python works",
        cause="The host does by itself what the GPU waits for.",
        fix=Fix(
            "Do that work on the GPU, once before the loop, or beside the GPU's work in another thread or process."
        ),
    )
    if isinstance(race, Race):
        yield from cause_finding(
            host_bound_not_gpu,
            race,
            seen="keeps the GPU waiting while Python prepares the next piece of work",
            cause="The host does by itself what the GPU waits for.",
            fix=Fix("Do that work on the GPU, once an epoch, or beside the training in another thread."),
        )
