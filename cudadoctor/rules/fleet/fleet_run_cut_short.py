"""# The cluster was lost while it was asked

## What it checks
Whether the process that talks to the cluster ended before all nodes had answered or the deadline had passed.

## Why it matters
The nodes that are then missing are not known to be ill: nobody could ask them any more.
What had come in before stands.

## How to fix it
See whether the cluster's head still answers, and run again.

```sh
ray status
cudadoctor fleet run
```

## Limits
Why the connection broke stands in the logs of Ray on the head, not here.

## Sources
A driver of Ray ends itself once the head's control store does not answer any more:
- <https://docs.ray.io/en/latest/ray-core/fault_tolerance/gcs.html>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.fleet import Fleet
from cudadoctor.findings import Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule


@rule(
    id="fleet-run-cut-short",
    title="The cluster was lost while it was asked",
    severity=Severity.ERROR,
)
def fleet_run_cut_short(fleet: Fleet) -> Iterator[Finding]:
    """Fire where the engine ended early."""
    run = fleet.run
    if run is None or not run.cut_short:
        return
    yield finding(
        fleet_run_cut_short,
        summary=f"{run.answered:,} of {run.asked:,} nodes had answered after {run.seconds:.0f} s, when the connection "
        f"to the cluster ended: {run.cut_short}",
        cause="The head of the cluster, or the way to it, went away; the nodes themselves may be well.",
        confidence="proven",
        evidence=(Evidence("how it ended", run.cut_short, run.engine),),
        fix=Fix("See whether the head still answers, and run again.", ("ray status", "cudadoctor fleet run")),
    )
