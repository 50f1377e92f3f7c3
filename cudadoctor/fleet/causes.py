"""What nodes' own reports say, once for all nodes that say it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import msgspec

from cudadoctor.facts.fleet import Fleet, Node, NodeFinding
from cudadoctor.findings import Finding, Fix, Severity, together
from cudadoctor.text import listed


def causes(fleet: Fleet, details: Mapping[str, tuple[str, Finding]]) -> tuple[Finding, ...]:
    """Return one finding for each cause that nodes have, the most frequent of equally bad ones first.

    Args:
        fleet: The nodes, worst first.
        details: Of each cause one finding in full, as `merge` returns it.
    """
    having: dict[str, list[tuple[Node, NodeFinding]]] = defaultdict(list)
    for node in fleet.nodes:
        seen: set[str] = set()
        for finding in node.findings:
            if finding.id not in seen:  # a node may have one of a kind for each of its GPUs
                seen.add(finding.id)
                having[finding.id].append((node, finding))
    made = [_merged(fleet, *details[id], nodes) for id, nodes in having.items() if id in details]
    return tuple(sorted(made, key=lambda finding: (finding.severity.rank, -len(having[finding.id]), finding.id)))


def _merged(fleet: Fleet, of: str, detail: Finding, nodes: list[tuple[Node, NodeFinding]]) -> Finding:
    severity = min((Severity(finding.severity) for _, finding in nodes), key=lambda each: each.rank)
    # The node whose finding is shown in full speaks for the others: its words and its fix belong together.
    example, own = next(
        (pair for pair in nodes if pair[0].name == of),
        next(pair for pair in nodes if pair[1].severity == severity.value),
    )
    answered = " that answered" if fleet.silent else ""
    many = len(fleet.nodes) > 1
    which = f"{len(nodes):,} of {len(fleet.nodes):,} nodes{answered}" if many else f"the only node{answered}"
    if len(nodes) == 1:
        summary = f"On {example.name}, {which}: {own.summary}"
        text = detail.fix.text
    else:
        summary = f"On {which}: {listed([node.name for node, _ in nodes])}. On {example.name}: {own.summary}"
        text = f"On each of these nodes (as for {example.name}): {detail.fix.text}"
    return msgspec.structs.replace(
        detail,
        severity=severity,
        summary=summary,
        evidence=together((node.name, finding.summary, node.file) for node, finding in nodes),
        fix=Fix(text, detail.fix.commands),
        consequences=(),
    )
