"""How a fleet, a node and a figure are put into words; shared by all formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cudadoctor.facts.fleet import Fleet, Node, NodeStatus, SkippedFile, Spread, Trait
from cudadoctor.report.bandwidth.names import kind
from cudadoctor.units import format_seconds

STATES: tuple[NodeStatus, ...] = ("error", "warning", "unknown", "ok")
_WORDS = {"error": "with errors", "warning": "with warnings", "unknown": "of which nothing is proven", "ok": "well"}
SILENT = {"died": "died", "hung": "hung", "failed": "failed", "not alive": "dead before"}
"""What is said of a node that gave no facts."""


def fleet_sentence(fleet: Fleet) -> str:
    """Return the answer: how many nodes are how, and what is not known."""
    counts = Counter(node.verdict for node in fleet.nodes)
    parts = [f"{counts[state]:,} {_WORDS[state]}" for state in STATES if counts[state]]
    parts += [f"{count:,} {SILENT[state]}" for state, count in Counter(node.state for node in fleet.silent).items()]
    total = len(fleet.nodes) + len(fleet.silent)
    text = f"{total:,} node{'' if total == 1 else 's'}: {', '.join(parts)}." if total else "No node can be judged."
    if fleet.skipped:
        kinds = Counter(item.kind for item in fleet.skipped)
        told = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
        text += f" {len(fleet.skipped):,} of {fleet.files:,} files left out: {told}."
    if len(fleet.nodes) == 1:
        text += " One node has no peers to be held against."
    return text


def what_of(node: Node) -> str:
    """Return what is worst of a node, in some words; "" where nothing is."""
    serious = [finding for finding in node.findings if finding.severity != "note"]
    unexplained = [outlier for outlier in node.outliers if not outlier.explained_by]
    parts = []
    if serious:
        more = len(serious) - 1
        parts.append(serious[0].id + (f" and {more} more" if more else ""))
    if unexplained:
        worst = unexplained[0]
        parts.append(f"slow: {worst.key} {_short(worst.value, worst.unit)} of {_short(worst.median, worst.unit)}")
    if node.unsteady:
        parts.append("unsteady")
    if node.drifts:
        parts.append(f"differs in {', '.join(drift.trait for drift in node.drifts[:4])}")
    return "; ".join(parts)


def figure_name(key: str) -> str:
    """Return what a figure is called in a table."""
    return f"{key.removeprefix('race ')}, an epoch" if key.startswith("race ") else kind(key)


def figure(value: float, unit: str) -> str:
    """Return a figure with its unit."""
    return f"{value:.2f} GB/s" if unit == "GB/s" else format_seconds(value)


def rates(node: Node) -> tuple[str, str, str]:
    """Return pinned copies to the device and back in GB/s, and the lesser part of the link; "-" where not measured."""
    by_key = {each.key: each for each in node.figures}
    copies = [by_key.get(key) for key in ("h2d_pinned", "d2h_pinned")]
    shares = [each.link_share for each in copies if each is not None and each.link_share is not None]
    there, back = ("-" if each is None else f"{each.value:.1f}" for each in copies)
    return there, back, f"{100 * min(shares):.0f} %" if shares else "-"


def measured(fleet: Fleet) -> bool:
    """Say whether any node holds a bandwidth measurement."""
    return any(each.key == "h2d_pinned" for each in fleet.spreads)


def spread_cells(spread: Spread) -> tuple[str, ...]:
    """Return nodes, median, median absolute deviation, lowest and highest."""
    unit = spread.unit
    deviation = f"{100 * spread.deviation / spread.median:.1f} %" if spread.median > 0 else "-"
    return (
        f"{spread.nodes:,}",
        figure(spread.median, unit),
        deviation if spread.nodes > 1 else "-",
        _short(spread.lowest, unit),
        _short(spread.highest, unit),
    )


def _short(value: float, unit: str) -> str:
    return f"{value:.4g}" if unit == "GB/s" else format_seconds(value)


def trait_cells(trait: Trait) -> tuple[str, str]:
    """Return what most nodes have, and what others have."""
    counts = [f"{value} ({count:,})" for value, count in trait.values[:5] if value != trait.majority]
    hidden = trait.more + max(0, len(trait.values) - 5)
    return trait.majority or "no majority", ", ".join(counts) + (f", {hidden} more" if hidden else "")


def skipped_text(item: SkippedFile) -> str:
    """Return why a file was left out."""
    return f"{item.reason} {item.other}" if item.other else item.reason


def disagreeing(traits: Sequence[Trait]) -> list[Trait]:
    """Return the traits in which not all nodes of a group are alike."""
    return [trait for trait in traits if not trait.agreed]
