"""# The CPU is used well

## What it checks
Whether the CPU lane reaches at least 60 % of the best matrix product that was measured in the same run, where the GPU
lost.

## Why it matters
A GPU is often said to be many times faster than a CPU that runs unoptimised code.
Against one that works near its peak, with a good BLAS on all cores, the difference is smaller, and for small work it
can be negative.

## How to fix it
Nothing is to be fixed: this is what the CPU can do.
Compare a GPU with a CPU that is used well, and say on how many threads it ran.
Which BLAS a program uses:

```sh
python -m threadpoolctl -i numpy
```

## Limits
The peak is that of a large matrix product on as many threads, not what a data sheet says.

## Sources
Both figures are measured in the race; the dense work of the network is 61.4 Mflop a minibatch of 64.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.attribution.causes import judge
from cudadoctor.attribution.circumstances import near_peak
from cudadoctor.facts.race import Race
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule


@rule(
    id="cpu-baseline-blas",
    title="The CPU is used well",
    severity=Severity.NOTE,
    confirm=Confirm("python -m threadpoolctl -i numpy", "a BLAS with as many threads as the machine has cores"),
)
def cpu_baseline_blas(race: Race) -> Iterator[Finding]:
    """Note a CPU near its peak where the GPU lost."""
    judgement = judge(race)
    effort = race.explanation.cpu if race.explanation is not None else None
    part = near_peak(effort) if effort is not None else None
    if judgement is None or not judgement.lost or effort is None or part is None:
        return
    yield finding(
        cpu_baseline_blas,
        summary=f"{effort.lane} computes {effort.gflop_per_s:.0f} GFLOP/s, {100 * part:.0f} % of the best "
        f"matrix product on {effort.threads} threads here: the GPU lost against a CPU that is used well.",
        cause="A good BLAS on all cores leaves a GPU less to win than the usual comparison with plain code.",
        confidence="proven",
        evidence=(
            Evidence(f"{effort.lane}, GFLOP/s", round(effort.gflop_per_s, 1), "race"),
            Evidence("best matrix product, GFLOP/s", round(effort.sgemm_gflop_per_s, 1), "race"),
            Evidence("threads", effort.threads, "race"),
        ),
        fix=Fix("Nothing is wrong with the CPU side; the comparison is fair.", ("python -m threadpoolctl -i numpy",)),
    )
