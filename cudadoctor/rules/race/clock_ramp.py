"""# The GPU starts at a low clock

## What it checks
Whether the first epoch of a GPU lane is at least a fifth slower than the others, at a cost of 5 % of the lane's time,
while the SM clock was at least a fifth below what it was later.
In a profiled program: whether launches of the same kernel were a fifth slower at first, at a cost of 5 % of the run.

## Why it matters
A GPU that rests lowers its clocks and needs some tenths of a second of work to raise them.
A short measurement that begins with a cold GPU times the rise.

## How to fix it
Warm up before timing: let some hundred minibatches run, then take the time.
How the clock rises while a program runs:

```sh
nvidia-smi --query-gpu=index,clocks.sm,pstate,clocks_event_reasons.active --format=csv -l 1
```

## Limits
A first epoch can be slow for other reasons (lazy loading of kernels), so the clocks must have risen too.
A clock that rises without being felt is not reported.

## Sources
Clocks by NVML while the race ran. NVIDIA GPU Boost: the clock follows load, power and temperature.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.attribution.circumstances import clock_ramp as ramp_of
from cudadoctor.facts.base import Missing
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Race
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.profile.explained import NOT_PROFILED, needs_one, program_finding


@rule(
    id="clock-ramp",
    title="The GPU starts at a low clock",
    severity=Severity.NOTE,
    confirm=Confirm(
        "nvidia-smi --query-gpu=index,clocks.sm,pstate --format=csv -l 1",
        "an SM clock that rises in the first seconds of a program",
    ),
)
def clock_ramp(race: Race | Missing, profile: Profile | Missing = NOT_PROFILED) -> Iterator[Finding]:
    """Note a slow first epoch or slow first launches at a clock that rose later."""
    needs_one(race, profile)
    yield from program_finding(
        clock_ramp,
        profile,
        seen="runs its first kernels on a GPU whose clocks have yet to rise",
        cause="A GPU at rest lowers its clocks, and raises them only once there is work.",
        fix=Fix("Leave the first moments out of a timing; in a longer run they do not count."),
    )
    ramp = ramp_of(race) if isinstance(race, Race) else None
    if ramp is None:
        return
    yield finding(
        clock_ramp,
        summary=f"The first epoch of {ramp.lane} took {ramp.first_s / ramp.later_s:.2f} times as long as the others, "
        f"with the SM clock at {ramp.first_mhz} MHz where it was {ramp.later_mhz} MHz later.",
        cause="A GPU at rest lowers its clocks, and raises them only once there is work.",
        confidence="supported",
        evidence=(
            Evidence("first epoch, s", round(ramp.first_s, 4), "race"),
            Evidence("median of the others, s", round(ramp.later_s, 4), "race"),
            Evidence("SM clock at first, MHz", ramp.first_mhz, "nvmlDeviceGetClockInfo"),
            Evidence("highest SM clock later, MHz", ramp.later_mhz, "nvmlDeviceGetClockInfo"),
        ),
        fix=Fix(
            "Leave the first moments out of a timing, or compare more epochs.",
            ("cudadoctor dbn-race --epochs 20",),
        ),
    )
