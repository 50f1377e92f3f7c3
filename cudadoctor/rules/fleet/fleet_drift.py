"""# Nodes of the same hardware differ

## What it checks
Whether nodes with the same GPUs differ from the majority of them in what they should share: the number of GPUs, driver
release and libcuda, kind of kernel module, ECC, MIG, compute mode, power limit, memory, link; and as notes in VBIOS,
firmware, persistence mode, clocks, kernel, distribution, processor, toolkit and Python packages.

## Why it matters
A job fails on the node with the older driver, or waits for the one with the lower power limit, and only there.
A GPU that is missing from a node is seen in no other way if the node itself works.

## How to fix it
Bring the nodes to what the others have, or set them apart until they are.

```sh
nvidia-smi --query-gpu=index,name,driver_version,vbios_version,ecc.mode.current,power.limit,compute_mode --format=csv
cat /proc/driver/nvidia/version; uname -r
```

## Limits
The majority is more than half of the nodes that tell the value; where no value has that, nobody is accused (see
fleet-no-majority). A majority may be wrong: a fleet that is half way through an update has one all the same.
What a node does not tell is no difference.

## Sources
What differs is read from each node's own facts. Which differences are warnings was chosen: those that change whether
a job runs, or how fast.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from cudadoctor.facts.fleet import Fleet, Node, Trait
from cudadoctor.findings import Finding, Fix, Severity, together
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.fleet.naming import nodes
from cudadoctor.text import listed


@rule(
    id="fleet-drift",
    title="Nodes of the same hardware differ",
    severity=Severity.WARNING,
)
def fleet_drift(fleet: Fleet) -> Iterator[Finding]:
    """Fire once for each set of nodes that differ, in whatever they differ."""
    known = {(trait.group, trait.name): trait for trait in fleet.traits}
    differing: dict[tuple[str, str], list[Node]] = defaultdict(list)
    for node in fleet.nodes:
        for drift in node.drifts:
            differing[node.group, drift.trait].append(node)
    together: dict[tuple[str, tuple[str, ...]], list[Trait]] = defaultdict(list)
    members: dict[tuple[str, tuple[str, ...]], list[Node]] = {}
    for (group, name), found in differing.items():
        key = (group, tuple(node.name for node in found))
        together[key].append(known[group, name])
        members[key] = found
    made = [_finding(members[key], sorted(traits, key=_rank), fleet) for key, traits in together.items()]
    yield from sorted(made, key=lambda each: each.severity.rank)


def _rank(trait: Trait) -> int:
    return Severity(trait.weight).rank


def _finding(found: list[Node], traits: list[Trait], fleet: Fleet) -> Finding:
    group = traits[0].group
    size = next((each.nodes for each in fleet.groups if each.name == group), len(found))
    told = "; ".join(_told(trait, found) for trait in traits[:6])
    more = f"; and {len(traits) - 6} more" if len(traits) > 6 else ""
    names = {trait.name for trait in traits}
    return finding(
        fleet_drift,
        severity=Severity(traits[0].weight),
        summary=f"{len(found):,} of {nodes(size)} with {group} {'differs' if len(found) == 1 else 'differ'} from the "
        f"majority: {listed([node.name for node in found])}. {told}{more}.",
        cause="These nodes were installed, updated or set differently, or hardware in them differs or is missing.",
        confidence="proven",
        evidence=together(
            (
                node.name,
                "; ".join(f"{each.trait}: {each.value}" for each in node.drifts if each.trait in names),
                node.file,
            )
            for node in found
        ),
        fix=Fix(
            "Bring these nodes to what the others have, or set them apart until they are. On one of each:",
            (
                "nvidia-smi --query-gpu=index,name,driver_version,vbios_version,ecc.mode.current,power.limit,"
                "compute_mode --format=csv",
                "cat /proc/driver/nvidia/version; uname -r",
            ),
        ),
    )


def _told(trait: Trait, found: list[Node]) -> str:
    values = sorted({each.value for node in found for each in node.drifts if each.trait == trait.name})
    return f"{trait.name}: {listed(values, 3)}, elsewhere {trait.majority}"
