"""# One GPU is in two nodes

## What it checks
Whether two nodes, of which neither sees all that the other sees, show a GPU with the same UUID.

## Why it matters
Either the two files are of one machine of which each job saw a part, and nodes are counted twice; or a card was moved
between the two, and the older file is out of date.

## How to fix it
Save the facts of both nodes again, outside of jobs that hide GPUs.

```sh
nvidia-smi -L
```

## Limits
Where one node shows all GPUs of the other, the older file is left out without a finding.

## Sources
The UUIDs that NVML tells: they belong to the card, not to the machine.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.fleet import Fleet
from cudadoctor.findings import Finding, Fix, Severity, together
from cudadoctor.rules.base import finding, rule
from cudadoctor.text import listed


@rule(
    id="fleet-gpu-twice",
    title="One GPU is in two nodes",
    severity=Severity.NOTE,
)
def fleet_gpu_twice(fleet: Fleet) -> Iterator[Finding]:
    """Fire once for all GPUs that two nodes show."""
    if not fleet.shared_gpus:
        return
    first = fleet.shared_gpus[0]
    count = len(fleet.shared_gpus)
    yield finding(
        fleet_gpu_twice,
        summary=f"{count} GPU{' is' if count == 1 else 's are'} in two nodes or more: {first.uuid} in "
        f"{listed(first.nodes)}.",
        cause="The files are of one machine of which each saw a part, or a card was moved between two.",
        confidence="supported",
        evidence=together((each.uuid, listed(each.nodes), "GPU UUID") for each in fleet.shared_gpus),
        fix=Fix("Save the facts of these nodes again, outside of jobs that hide GPUs.", ("nvidia-smi -L",)),
    )
