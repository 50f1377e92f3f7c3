"""# Nodes of the same hardware do not agree

## What it checks
Whether nodes with the same GPUs have several values of what they should share, none of which more than half of them
have.

## Why it matters
It is not known which nodes are as they should be, so none is accused.
A job that runs on all of them may still fail or wait on some.

## How to fix it
Decide which value is the right one, and bring the other nodes to it.

```sh
nvidia-smi --query-gpu=index,name,driver_version,vbios_version,ecc.mode.current,power.limit,compute_mode --format=csv
```

## Limits
Two nodes that differ never have a majority.

## Sources
What differs is read from each node's own facts.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.fleet import Fleet, Trait
from cudadoctor.findings import Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.text import listed


@rule(
    id="fleet-no-majority",
    title="Nodes of the same hardware do not agree",
    severity=Severity.NOTE,
)
def fleet_no_majority(fleet: Fleet) -> Iterator[Finding]:
    """Fire once for all that is undecided."""
    undecided = [trait for trait in fleet.traits if trait.majority is None]
    if not undecided:
        return
    first = undecided[0]
    names = list(dict.fromkeys(trait.name for trait in undecided))
    yield finding(
        fleet_no_majority,
        summary=f"No value has a majority in: {listed(names, 6)}. Of the nodes with {first.group}, {first.name} is "
        f"{_counts(first)}.",
        cause="The nodes were installed or set in several ways, and none of them is the usual one.",
        confidence="proven",
        evidence=tuple(
            Evidence(f"{trait.name}, {trait.group}", _counts(trait), "each node's facts") for trait in undecided
        ),
        fix=Fix(
            "Decide which is right, and bring the other nodes to it.",
            (
                "nvidia-smi --query-gpu=index,name,driver_version,vbios_version,ecc.mode.current,power.limit,"
                "compute_mode --format=csv",
            ),
        ),
    )


def _counts(trait: Trait) -> str:
    shown = [f"{value} on {count:,}" for value, count in trait.values[:4]]
    hidden = len(trait.values) - len(shown) + trait.more
    return ", ".join(shown) + (f", and {hidden} other value{'s' if hidden > 1 else ''}" if hidden else "")
