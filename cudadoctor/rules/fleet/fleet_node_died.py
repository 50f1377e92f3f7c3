"""# A node left the cluster

## What it checks
Whether a node that was alive when it was asked was gone before it answered, or the worker on it was killed.
A node that the cluster already knew as dead is a note of its own.

## Why it matters
A node that dies under a check of some seconds dies under a job too.
The check runs in a process of its own, so a driver that crashes does not look like this; a machine that restarts, a
kernel that kills for want of memory, or a network that drops the node does.

## How to fix it
Look on the node for what ended it.

```sh
last -x reboot shutdown | head
sudo journalctl -k -b -1 --no-pager | tail -50
sudo dmesg | grep -iE 'out of memory|oom|xid|nvrm'
```

## Limits
A cluster that shrinks on purpose looks the same from outside, so nodes that were dead before are only noted.

## Sources
A task that is pinned to a node that dies fails, and is not moved:
- <https://docs.ray.io/en/latest/ray-core/scheduling/index.html#nodeaffinityschedulingstrategy>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.fleet import Fleet
from cudadoctor.findings import Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.fleet.naming import nodes, said_of, silent
from cudadoctor.text import listed

_LOOK = (
    "last -x reboot shutdown | head",
    "sudo journalctl -k -b -1 --no-pager | tail -50",
    "sudo dmesg | grep -iE 'out of memory|oom|xid|nvrm'",
)


@rule(
    id="fleet-node-died",
    title="A node left the cluster",
    severity=Severity.ERROR,
)
def fleet_node_died(fleet: Fleet) -> Iterator[Finding]:
    """Fire for nodes that died while they were asked; note those that were dead before."""
    died, before = silent(fleet, "died"), silent(fleet, "not alive")
    if died:
        yield finding(
            fleet_node_died,
            summary=f"{nodes(len(died))} died before the answer: {listed([node.name for node in died])}.",
            cause="The node was alive when it was asked, and left the cluster, or its worker was killed, during a "
            "check of some seconds.",
            confidence="proven",
            evidence=said_of(died, fleet),
            fix=Fix("Look on the node for a restart, a kill for want of memory, or a network that went away.", _LOOK),
        )
    if before:
        yield finding(
            fleet_node_died,
            severity=Severity.NOTE,
            summary=f"The cluster knows {nodes(len(before))} as dead: {listed([node.name for node in before])}. "
            f"{'It was' if len(before) == 1 else 'They were'} not asked.",
            cause="The node left the cluster earlier: it was taken out, or it failed.",
            confidence="proven",
            evidence=said_of(before, fleet),
            fix=Fix("If it should be there, look at why it left, and start Ray on it again.", _LOOK),
        )
