"""Figures against those of equal hardware: who lies far off to the bad side."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from cudadoctor.attribution.statistics import median, median_deviation, robust_z
from cudadoctor.facts.fleet import Measured, Node, Outlier, Spread

FEWEST = 4
"""Nodes from which on a median says what is normal: of three, two that are ill outvote the third."""

FAR = 3.5
"""Robust z from which on a figure is an outlier (Iglewicz and Hoaglin, 1993)."""

FLOOR = 0.01
"""The least spread, as a part of the median: runs of a healthy machine differ by as much. With it, only what is 5.2 %
off (3.5 / 0.6745 x 1 %) can be an outlier, however even the fleet is."""

EXPLAINING = frozenset(
    {
        "bandwidth-below-link",
        "bandwidth-not-verified",
        "battery-power-limit",
        "far-numa-node",
        "gpu-lost-while-measured",
        "gpu-shared-with-others",
        "link-flapping",
        "low-power-state",
        "pcie-bus-errors",
        "pcie-chipset-lanes",
        "pcie-link-degraded",
        "power-cap",
        "thermal-throttle",
        "wsl-pinned-memory-limit",
    }
)
"""Findings of a node that say themselves why it is slow."""


def compare(nodes: Iterable[Node]) -> tuple[list[Node], tuple[Spread, ...]]:
    """Return the nodes with their outliers, and how each figure is spread over the nodes that compare."""
    kept = list(nodes)
    values: dict[tuple[str, str, str], list[Measured]] = defaultdict(list)
    for node in kept:
        for figure in node.figures:
            values[figure.peers, figure.key, figure.unit].append(figure)
    spreads = {key: _spread(figures) for key, figures in sorted(values.items(), key=_order)}
    return [_held_against(node, spreads) for node in kept], tuple(spreads.values())


def _order(item: tuple[tuple[str, str, str], list[Measured]]) -> tuple[str, int, str, str]:
    """Return the place of a figure in a report: copies before lanes of a race, the usual hardware first."""
    (peers, key, unit), figures = item
    return unit, -len(figures), peers, key


def _spread(figures: list[Measured]) -> Spread:
    first = figures[0]
    numbers = [figure.value for figure in figures]
    shares = [figure.link_share for figure in figures if figure.link_share is not None]
    return Spread(
        peers=first.peers,
        key=first.key,
        unit=first.unit,
        nodes=len(numbers),
        median=median(numbers),
        deviation=median_deviation(numbers),
        lowest=min(numbers),
        highest=max(numbers),
        median_link_share=median(shares) if shares else None,
        judged=len(numbers) >= FEWEST,
    )


def _held_against(node: Node, spreads: dict[tuple[str, str, str], Spread]) -> Node:
    outliers = []
    for figure in node.figures:
        spread = spreads[figure.peers, figure.key, figure.unit]
        if not spread.judged:
            continue
        least = max(spread.deviation, FLOOR * spread.median)
        z = robust_z(figure.value, spread.median, least)
        if (-z if figure.unit == "GB/s" else z) > FAR:
            outliers.append(
                Outlier(
                    key=figure.key,
                    value=figure.value,
                    unit=figure.unit,
                    median=spread.median,
                    spread=least,
                    z=z,
                    peers=figure.peers,
                    nodes=spread.nodes,
                    explained_by=_explanation(node),
                )
            )
    # Of figures that are about as far off the first counts: what slows a link slows all copies on it.
    outliers.sort(key=lambda outlier: -round(math.log2(abs(outlier.z))))
    return msgspec.structs.replace(node, outliers=tuple(outliers)) if outliers else node


def _explanation(node: Node) -> str:
    return next((finding.id for finding in node.findings if finding.id in EXPLAINING), "")
