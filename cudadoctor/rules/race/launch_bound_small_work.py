"""# The GPU waits for launches

## What it checks
Whether the GPU is idle for at least a quarter of a minibatch because the host is launching kernels, the median kernel
is shorter than what one launch costs the host, and at least half of the launches find the GPU idle.
In a program of your own: the same, by its trace.
The time in which Python is on its way into a launch counts as part of it.

## Why it matters
A kernel cannot start before the host has launched it.
Where kernels take 3 µs and a launch 30 µs, the GPU works for a tenth of the time, and no faster GPU would help: this is
how a GPU loses against a CPU on a small network.

## How to fix it
Launch less: give each launch more to do (larger minibatches), fuse operations, or record the launches once and replay
them as a CUDA graph.
With PyTorch, `torch.compile(model, mode="reduce-overhead")` does both; with JAX put the whole step under `jax.jit` and
the loop into `lax.scan`; with numba write one kernel for what is now several.
The race tries this as rungs R5 (fused kernels), R6 (a graph) and R7 (one kernel for everything):

```sh
cudadoctor dbn-race
```

## Limits
Judged by playing the recorded calls again without this cause, in a race those of the lane that most people would write
(R1), in `cudadoctor profile` those of the program's steady steps: what does not save 5 % of the time and twice its own
error is not reported, whatever the calls look like.
If the replay misses the untimed run by more than 5 %, nothing is judged.

## Sources
CUDA C++ Best Practices Guide, CUDA graphs.
Measured on an H100: a launch from Python with numba 31 to 65 µs; PyTorch 564 µs a minibatch eager, 88 µs as a graph.
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
    id="launch-bound-small-work",
    title="The GPU waits for launches",
    severity=Severity.WARNING,
    confirm=Confirm("cudadoctor dbn-race", "rung R5 or R6 faster by what the launches cost"),
)
def launch_bound_small_work(race: Race | Missing, profile: Profile | Missing = NOT_PROFILED) -> Iterator[Finding]:
    """Fire where that costs at least 5 % of a minibatch or step and more than twice the error of that figure."""
    needs_one(race, profile)
    yield from program_finding(
        launch_bound_small_work,
        profile,
        seen="launches one small kernel after another, and the GPU is done before the next one comes",
        cause="Each launch costs the host more time than the GPU needs for the kernel.",
        fix=Fix("Fuse kernels, give each launch more to do, or record the step once as a CUDA graph and launch that."),
    )
    if isinstance(race, Race):
        yield from cause_finding(
            launch_bound_small_work,
            race,
            seen="launches one small kernel after another, and the GPU is done before the next one comes",
            cause="Each launch costs the host more time than the GPU needs for the kernel.",
            fix=Fix(
                "Fuse kernels (as rung R5 of the race's ladder does), use a larger minibatch (R8), or record the step "
                "once as a CUDA graph and launch that (R6)."
            ),
        )
