"""# A node gave two answers

## What it checks
Whether a node that was suspected was well, or ill in another way, when it was examined a second time.

## Why it matters
A fault that comes and goes is a fault: a link that trains differently at each start, a card that falls off its bus,
work of others that comes and goes.
The second answer is the one that is reported.

## How to fix it
Run it a few more times, and look for errors between the runs.

```sh
for i in 1 2 3 4 5; do cudadoctor check --quiet; done
nvidia-smi -q | grep -iE 'replay|retired|remapped'
```

## Limits
Work of others that ended in between looks the same.

## Sources
Both answers are of the same run, some seconds apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.fleet import Fleet
from cudadoctor.findings import Finding, Fix, Severity, together
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.fleet.naming import engine, nodes
from cudadoctor.text import listed


@rule(
    id="fleet-node-unsteady",
    title="A node gave two answers",
    severity=Severity.WARNING,
)
def fleet_node_unsteady(fleet: Fleet) -> Iterator[Finding]:
    """Fire for nodes whose second answer differs from the first."""
    unsteady = [node for node in fleet.nodes if node.unsteady]
    if not unsteady:
        return
    yield finding(
        fleet_node_unsteady,
        summary=f"{nodes(len(unsteady))} answered differently the second time: "
        f"{listed([node.name for node in unsteady])}. {unsteady[0].name}: {unsteady[0].unsteady}.",
        cause="The fault comes and goes, or work of others did.",
        confidence="supported",
        evidence=together((node.name, node.unsteady, engine(fleet)) for node in unsteady),
        fix=Fix(
            "Run it a few more times, and look for errors between the runs.",
            (
                "for i in 1 2 3 4 5; do cudadoctor check --quiet; done",
                "nvidia-smi -q | grep -iE 'replay|retired|remapped'",
            ),
        ),
    )
