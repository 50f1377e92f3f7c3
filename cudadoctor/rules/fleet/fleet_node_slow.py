"""# A node is slower than its peers

## What it checks
Whether a measured figure of a node (copies on the link, copies within the GPU, seconds an epoch of the race) lies far
from the median of nodes with the same GPU and the same kind of link, to the bad side: robust z beyond 3.5.
Nodes whose own report says why (such as pcie-link-degraded) are not named again.

## Why it matters
A job on many nodes goes at the pace of the slowest.
A node can be slower than its peers and still within what its link should carry.

## How to fix it
Measure again on that node while nothing else runs on it, then look for what differs from its peers.

```sh
cudadoctor bandwidth
nvidia-smi -q -d CLOCK,PERFORMANCE,TEMPERATURE
nvidia-smi topo -m
```

## Limits
Robust z is 0.6745 (value - median) / MAD.
The MAD counts as 1 % of the median at least, so that in a very even fleet only what is 5.2 % off can be an outlier.
Fewer than four peers are not judged.
A fleet that is slow as a whole has no outliers: what its links should carry is judged on each node for itself.
A figure of one measurement alone makes the finding only possible; `fleet run` measures a suspect a second time.

## Sources
Threshold 3.5 and the factor 0.6745: Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993), section 3.3.
The floor of 1 %: runs of bandwidth on a healthy H100 differ by as much (docs/measurements.md).
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.fleet import Fleet, Node, Outlier
from cudadoctor.findings import Confirm, Finding, Fix, Severity, together
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.fleet.naming import nodes
from cudadoctor.text import listed


@rule(
    id="fleet-node-slow",
    title="A node is slower than its peers",
    severity=Severity.WARNING,
    confirm=Confirm("cudadoctor bandwidth", "the same low figure a second time, with nothing else running"),
)
def fleet_node_slow(fleet: Fleet) -> Iterator[Finding]:
    """Fire for nodes with an outlier that their own findings do not explain."""
    slow = [(node, outlier) for node in fleet.nodes if (outlier := _worst(node)) is not None]
    if not slow:
        return
    node, outlier = slow[0]
    twice = all(each.runs > 1 for each, _ in slow)
    yield finding(
        fleet_node_slow,
        summary=f"{len(slow):,} of {nodes(len(fleet.nodes))} {'is' if len(slow) == 1 else 'are'} slower than "
        f"{'its' if len(slow) == 1 else 'their'} peers: {listed([each.name for each, _ in slow])}. "
        f"{node.name}: {_told(outlier)}.",
        cause="Nodes of the same hardware reach more, so something on this node takes it: other work, its clocks, its "
        "path to memory, or its card."
        + (" It was measured twice." if twice else " It was measured once: something else may have run meanwhile."),
        confidence="supported" if twice else "possible",
        evidence=together((each.name, _told(worst), each.file) for each, worst in slow),
        fix=Fix(
            "Measure again on this node while nothing else runs on it, and compare its clocks and its path with those "
            "of a peer.",
            ("cudadoctor bandwidth", "nvidia-smi -q -d CLOCK,PERFORMANCE,TEMPERATURE", "nvidia-smi topo -m"),
        ),
    )


def _worst(node: Node) -> Outlier | None:
    return next((outlier for outlier in node.outliers if not outlier.explained_by), None)


def _told(outlier: Outlier) -> str:
    per_epoch = " an epoch" if outlier.unit == "s" else ""
    return (
        f"{outlier.key} {outlier.value:.4g} {outlier.unit}{per_epoch}, where the median of {outlier.nodes:,} nodes is "
        f"{outlier.median:.4g} (z = {outlier.z:.1f})"
    )
