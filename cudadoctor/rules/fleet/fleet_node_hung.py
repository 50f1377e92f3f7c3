"""# A node did not answer in time

## What it checks
Whether a node that the cluster counts as alive gave no answer before the deadline.

## Why it matters
A check takes seconds, and its own driver calls are limited.
A node that is silent for the whole deadline is stuck below that: its disk does not answer, its memory is full and it
swaps, its processes were stopped, or nothing can be started on it any more.
Jobs that are sent to it hang, and with them all others of their group.

## How to fix it
Ask the node outside of the cluster's software.
If it does not answer there either, drain it and restart it.

```sh
uptime; free -g; ps -eo state,pid,wchan:30,cmd | grep '^D'
sudo dmesg | grep -iE 'blocked for more than|hung task|xid|nvrm' | tail
```

## Limits
A deadline that is too short accuses slow nodes: the default leaves a check many times what it takes.
A measurement (`--run bandwidth`) on a node that is full of other work may take longer.

## Sources
Chosen: a check ends in about 2 s on a healthy node, and a hung driver call in it is cut off after 8 s.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.fleet import Fleet
from cudadoctor.findings import Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.fleet.naming import nodes, said_of, silent
from cudadoctor.text import listed


@rule(
    id="fleet-node-hung",
    title="A node did not answer in time",
    severity=Severity.ERROR,
)
def fleet_node_hung(fleet: Fleet) -> Iterator[Finding]:
    """Fire for nodes that were alive and silent until the deadline."""
    hung = silent(fleet, "hung")
    if not hung:
        return
    limit = f" within {fleet.run.deadline_s:g} s" if fleet.run is not None else ""
    yield finding(
        fleet_node_hung,
        summary=f"{nodes(len(hung))} gave no answer{limit}: {listed([node.name for node in hung])}.",
        cause="The cluster counts the node as alive, but what was started on it did not come to an end, or nothing "
        "could be started there at all.",
        confidence="proven",
        evidence=said_of(hung, fleet),
        fix=Fix(
            "Ask the node outside of the cluster's software; if it does not answer there either, drain and restart it.",
            (
                "uptime; free -g; ps -eo state,pid,wchan:30,cmd | grep '^D'",
                "sudo dmesg | grep -iE 'blocked for more than|hung task|xid|nvrm' | tail",
            ),
        ),
    )
