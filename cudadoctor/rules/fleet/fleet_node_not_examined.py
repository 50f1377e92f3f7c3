"""# cudadoctor did not run on a node

## What it checks
Whether a node answered, but not with facts: cudadoctor is not installed for the Python that the cluster's workers use,
or it ended without writing them.

## Why it matters
Nothing is known of such a node: it is neither well nor ill.

## How to fix it
Install cudadoctor from a checkout for the Python of the workers, on every node, in the version that asks.

```sh
python -m pip install .
python -m cudadoctor --version
```

## Limits
What the program printed last is all that is known of why it ended.

## Sources
The exit code and the last lines of the program on that node.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.fleet import Fleet
from cudadoctor.findings import Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.fleet.naming import nodes, said_of, silent
from cudadoctor.text import listed


@rule(
    id="fleet-node-not-examined",
    title="cudadoctor did not run on a node",
    severity=Severity.ERROR,
)
def fleet_node_not_examined(fleet: Fleet) -> Iterator[Finding]:
    """Fire for nodes whose program gave no facts."""
    failed = silent(fleet, "failed")
    if not failed:
        return
    yield finding(
        fleet_node_not_examined,
        summary=f"{nodes(len(failed))} gave no facts: {listed([node.name for node in failed])}. "
        f"{failed[0].name}: {failed[0].reason}",
        cause="The cluster started the program there, and it ended without facts.",
        confidence="proven",
        evidence=said_of(failed, fleet),
        fix=Fix(
            "Install cudadoctor from a checkout for the Python of the workers on these nodes.",
            ("python -m pip install .", "python -m cudadoctor --version"),
        ),
    )
