"""How rules of a fleet name nodes."""

from __future__ import annotations

from cudadoctor.facts.fleet import Fleet, SilentNode
from cudadoctor.findings import Evidence, together


def nodes(count: int) -> str:
    """Return `1 node` or `12 nodes`."""
    return f"{count:,} node{'' if count == 1 else 's'}"


def engine(fleet: Fleet) -> str:
    """Return what asked the nodes, as a source."""
    return "saved files" if fleet.run is None else fleet.run.engine


def silent(fleet: Fleet, *states: str) -> list[SilentNode]:
    """Return the nodes that gave no facts for one of these reasons."""
    return [node for node in fleet.silent if node.state in states]


def said_of(found: list[SilentNode], fleet: Fleet) -> tuple[Evidence, ...]:
    """Return what became of each, as evidence."""
    return together((node.name, node.reason, engine(fleet)) for node in found)
