"""# This GPU is not faster than this CPU at this work

## What it checks
Whether the best rung of the race (fused kernels, a graph or one kernel for everything) is still slower than the CPU.

## Why it matters
With copies, waits and launches taken away, what is left is the GPU's own speed at work of this size: no change of the
program will make it win, only larger work or another GPU.

## How to fix it
Use the CPU for work of this size, or make the work larger: the break-even of the race says from which minibatch or
which number of hidden units on the GPU wins.

```sh
cudadoctor dbn-race
```

## Limits
Said only where the rungs with fused kernels or a graph were measured.
A network of this size keeps a large GPU mostly idle, so a fast GPU can lose too: that says nothing of larger work.

## Sources
The race: its best rung on the GPU and its CPU lane, both measured.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.attribution.circumstances import low_end
from cudadoctor.facts.race import Race
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule


@rule(
    id="low-end-gpu",
    title="This GPU is not faster than this CPU at this work",
    severity=Severity.NOTE,
    confirm=Confirm("cudadoctor dbn-race", "a best rung on the GPU that is slower than the CPU"),
)
def low_end_gpu(race: Race) -> Iterator[Finding]:
    """Note that the CPU wins even against the best rung."""
    found = low_end(race)
    if found is None or race.explanation is None:
        return
    best, cpu = found
    wins = [each for each in race.explanation.break_even if each.at is not None and each.cpu.each_us > each.gpu.each_us]
    from_where = "".join(
        f" {each.gpu_lane} wins from about {each.at:.0f} {each.variable.replace('_', ' ')} on (fitted)."
        for each in wins[:2]
    )
    yield finding(
        low_end_gpu,
        summary=f"The best rung ({best.id}, {best.lane}) takes {best.median_us:.0f} µs a minibatch, and the CPU "
        f"{cpu:.0f} µs: with everything removed that can be, this GPU still loses.{from_where}",
        cause="The GPU's own work at this size takes longer than all of it takes the CPU.",
        confidence="proven",
        evidence=(
            Evidence(f"a minibatch in {best.id}, µs", round(best.median_us or 0.0, 1), "measured"),
            Evidence("a minibatch on the CPU, µs", round(cpu, 1), "measured"),
            *(Evidence(f"break-even, {each.variable}", round(each.at or 0.0, 1), "fitted lines") for each in wins[:2]),
        ),
        fix=Fix("Use the CPU for work of this size, or make the work larger.", ("cudadoctor dbn-race",)),
    )
