"""# Thread pools fight over the cores

## What it checks
Whether several thread pools, with more threads than the machine has cores, were loaded while the CPU lane reached less
than 40 % of the best matrix product that was measured in the same run.

## Why it matters
Threads of one pool that wait by spinning take the cores from those of the other.
The CPU lane then takes many times as long, and a GPU that wins against it proves nothing.

## How to fix it
Let one pool have the cores, and give the other one thread:

```sh
OPENBLAS_NUM_THREADS=1 NUMBA_THREADING_LAYER=workqueue cudadoctor dbn-race
```

## Limits
Pools that are loaded but idle do no harm, so a CPU lane near its peak is not accused.
Another program that takes the cores looks the same.

## Sources
Measured on two cores: numba's OpenMP pool beside a threaded OpenBLAS 6.2 s an epoch of the network, 0.45 s with
`NUMBA_THREADING_LAYER=workqueue`.
threadpoolctl documentation, known limitations.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.attribution.circumstances import oversubscribed
from cudadoctor.facts.race import Race
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule


@rule(
    id="cpu-threads-oversubscribed",
    title="Thread pools fight over the cores",
    severity=Severity.WARNING,
    confirm=Confirm("python -m threadpoolctl -i numpy scipy numba", "several pools with as many threads as cores each"),
)
def cpu_threads_oversubscribed(race: Race) -> Iterator[Finding]:
    """Fire where pools have more threads than there are cores, and the CPU lane is far from its peak."""
    effort = race.explanation.cpu if race.explanation is not None else None
    pools = oversubscribed(effort) if effort is not None else ()
    if effort is None or not pools:
        return
    part = effort.gflop_per_s / effort.sgemm_gflop_per_s
    yield finding(
        cpu_threads_oversubscribed,
        summary=f"{effort.lane} reaches {100 * part:.0f} % of what this CPU can do, with {len(pools)} thread pools on "
        f"{effort.cores} cores ({', '.join(pools[:4])}).",
        cause="Waiting threads of one pool take the cores from those of the other.",
        confidence="possible",
        evidence=(
            Evidence(f"{effort.lane}, GFLOP/s", round(effort.gflop_per_s, 1), "race"),
            Evidence("best matrix product, GFLOP/s", round(effort.sgemm_gflop_per_s, 1), "race"),
            Evidence("cores", effort.cores, "race"),
            *(Evidence("thread pool", pool, "threadpoolctl") for pool in pools[:8]),
        ),
        fix=Fix(
            "Give one of the pools one thread, and race again.",
            ("OPENBLAS_NUM_THREADS=1 NUMBA_THREADING_LAYER=workqueue cudadoctor dbn-race",),
        ),
    )
