"""# Kernels of few blocks leave most of the GPU idle

## What it checks
Whether kernels take at least a quarter of a minibatch, and at least half of their time passes in grids of fewer blocks
than twice the GPU's multiprocessors.
In a program of your own: whether half of the kernel time of its steps does, and what they would take if the work of
those with less than a block a multiprocessor were spread over all.

## Why it matters
A block runs on one multiprocessor.
A grid of 76 blocks leaves 56 of an H100's 132 with nothing to do, and none has a second block to work on while the
first waits for memory: the kernel takes as long as on a GPU of half the size.

## How to fix it
Give a kernel more blocks: larger minibatches, smaller tiles, or a long sum split over several blocks (split-k).
One thread an element is the usual way: `blocks = (n + threads - 1) // threads`.
Several small kernels that do not depend on each other can run at once on streams of their own.
Where the work is that small, one kernel for the whole step is faster than any division of it, as rung R7 of the race
shows:

```sh
cudadoctor dbn-race
```

## Limits
What it saves is what it saves at best, with time in proportion to the multiprocessors that are idle, so the finding is
`possible` and never more.
Not said where launches, copies or Python take the time: kernels that the host cannot keep coming are no cause.
A program's kernels shorter than 20 µs are not judged by their grid, and a persistent kernel with a block a
multiprocessor is not reported.
Judged by playing the recorded calls again without this cause, in a race those of the lane that most people would write
(R1), in `cudadoctor profile` those of the program's steady steps: what does not save 5 % of the time and twice its own
error is not reported, whatever the calls look like.
If the replay misses the untimed run by more than 5 %, nothing is judged.

## Sources
CUDA C++ Best Practices Guide, thread and block heuristics: more blocks than multiprocessors, and several for each.
The grids of the race's own kernels, and the device's count of multiprocessors.
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
    id="low-occupancy-grid",
    title="Kernels of few blocks leave most of the GPU idle",
    severity=Severity.WARNING,
    confirm=Confirm("cudadoctor dbn-race --batch-size 1024", "the same network, and more rows a second"),
)
def low_occupancy_grid(race: Race | Missing, profile: Profile | Missing = NOT_PROFILED) -> Iterator[Finding]:
    """Fire where that costs at least 5 % of a minibatch or step and more than twice the error of that figure."""
    needs_one(race, profile)
    why = "A block runs on one multiprocessor, and there are fewer than two blocks for each."
    yield from program_finding(
        low_occupancy_grid,
        profile,
        seen="runs kernels of a few blocks",
        cause=why,
        fix=Fix("Launch enough blocks for all multiprocessors."),
    )
    if isinstance(race, Race):
        yield from cause_finding(
            low_occupancy_grid,
            race,
            seen="runs kernels whose grids have too few blocks for this GPU",
            cause=why,
            fix=Fix(
                "Use a larger minibatch, smaller tiles, or split long sums over several blocks.",
                ("cudadoctor dbn-race --batch-size 1024",),
            ),
        )
