"""# Warm-up in the timing would turn the result

## What it checks
Whether a GPU lane is faster than the CPU by its epochs, and slower if compiling its kernels and the slow start of its
epochs are counted.
In a profiled program: whether compiling and loading before its steady steps, or the slow steps before them, take at
least three times as long as all steady steps.

## Why it matters
Compiling, loading kernels and making a context happen once.
A timing that holds them says of a short run that the GPU is slow, which a longer one would not.

## How to fix it
Time after a warm-up, or say what the time holds.
The race counts compiling apart; a timing of your own should do the same:

```sh
cudadoctor dbn-race --epochs 30
```

## Limits
For a program that runs once and is short, the cost is real: then the CPU is the better choice.

## Sources
The race: `compile_seconds` and the epochs of its lanes.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.attribution.circumstances import one_off_that_turns_the_race
from cudadoctor.facts.base import Missing
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Race
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.profile.explained import NOT_PROFILED, needs_one, program_finding


@rule(
    id="warmup-in-timing",
    title="Warm-up in the timing would turn the result",
    severity=Severity.NOTE,
    confirm=Confirm("cudadoctor dbn-race --epochs 30", "a GPU lane that wins by its epochs and took long to compile"),
)
def warmup_in_timing(race: Race | Missing, profile: Profile | Missing = NOT_PROFILED) -> Iterator[Finding]:
    """Note a GPU that wins, and would lose if its warm-up were counted; or a program that is mostly warm-up."""
    needs_one(race, profile)
    yield from program_finding(
        warmup_in_timing,
        profile,
        seen="spends most of its work on what is done once: compiling, loading, and slow first steps",
        cause="Kernels are compiled or loaded before or in the first step.",
        fix=Fix("Leave the warm-up out of a timing; run longer, or keep what was compiled (a cache) for the next run."),
    )
    found = one_off_that_turns_the_race(race) if isinstance(race, Race) else None
    if found is None:
        return
    yield finding(
        warmup_in_timing,
        summary=f"The epochs of {found.lane} took {found.epochs_s:.2f} s and those of {found.cpu_lane} "
        f"{found.cpu_s:.2f} s; a timing that counts the {found.once_s:.2f} s of warm-up would say that the CPU won.",
        cause="Kernels are compiled or loaded once, before or in the first epoch.",
        confidence="proven",
        evidence=(
            Evidence(f"epochs of {found.lane}, s", round(found.epochs_s, 3), "race"),
            Evidence("compiling, loading and slow start, s", round(found.once_s, 3), "race"),
            Evidence(f"epochs of {found.cpu_lane}, s", round(found.cpu_s, 3), "race"),
        ),
        fix=Fix("Leave the warm-up out of a timing, or train longer.", ("cudadoctor dbn-race --epochs 30",)),
    )
