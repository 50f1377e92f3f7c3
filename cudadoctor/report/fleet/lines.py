"""The fleet as plain lines for a terminal or a block of Markdown: the worst nodes first, ended where it gets long."""

from __future__ import annotations

import textwrap

from cudadoctor.facts.fleet import Fleet
from cudadoctor.report.fleet.words import (
    SILENT,
    disagreeing,
    figure_name,
    measured,
    rates,
    skipped_text,
    spread_cells,
    trait_cells,
    what_of,
)
from cudadoctor.text import printable

_MOST_NODES, _MOST_OTHERS = 24, 8
_LONGEST_NAME = 28


def fleet_lines(fleet: Fleet, width: int, *, everything: bool = False) -> list[str]:
    """Return the lines.

    Args:
        fleet: The nodes, worst first.
        width: Columns.
        everything: All nodes, traits and files, however many.
    """
    lines = [
        *_nodes(fleet, width, everything),
        *_spreads(fleet, width, everything),
        *_traits(fleet, width, everything),
        *_skipped(fleet, width, everything),
    ]
    return lines[:-1]  # without the blank line behind the last part


def _nodes(fleet: Fleet, width: int, everything: bool) -> list[str]:
    if not fleet.nodes and not fleet.silent:
        return []
    shown = list(fleet.nodes if everything else fleet.nodes[:_MOST_NODES])
    silent = list(fleet.silent if everything else fleet.silent[:_MOST_NODES])
    names = [*(node.name for node in shown), *(node.name for node in silent), "NODE"]
    name_width = min(_LONGEST_NAME, max(len(name) for name in names))
    with_rates = measured(fleet)
    heads = f"{'H2D':>6} {'D2H':>6} {'of link':>7}  " if with_rates else ""
    lines = [f"{'NODE':{name_width}}  {'STATUS':8} {heads}WHAT".rstrip()]
    blank = f"{'-':>6} {'-':>6} {'-':>7}  " if with_rates else ""
    for node in silent:
        state = "note" if node.state == "not alive" else "error"
        lines.append(
            _cut(f"{_named(node.name, name_width)}  {state:8} {blank}{SILENT[node.state]}: {node.reason}", width)
        )
    for each in shown:
        there, back, share = rates(each)
        cells = f"{there:>6} {back:>6} {share:>7}  " if with_rates else ""
        lines.append(_cut(f"{_named(each.name, name_width)}  {each.verdict:8} {cells}{what_of(each)}", width))
    left = len(fleet.nodes) - len(shown) + len(fleet.silent) - len(silent)
    if left:
        worst = fleet.nodes[len(shown)].verdict if len(shown) < len(fleet.nodes) else "error"
        lines.append(f"and {left:,} more, none worse than {worst}; -v shows all")
    return [*lines, ""]


def _spreads(fleet: Fleet, width: int, everything: bool) -> list[str]:
    if not fleet.spreads:
        return []
    lines = [f"{'FIGURE':32} {'nodes':>6} {'median':>12} {'MAD':>6} {'lowest':>8} {'highest':>8}"]
    peers = ""
    shown = fleet.spreads if everything else fleet.spreads[:_MOST_NODES]
    for spread in shown:
        if spread.peers != peers:
            peers = spread.peers
            lines.append(_cut(printable(peers), width))
        nodes, median, deviation, lowest, highest = spread_cells(spread)
        few = "" if spread.judged else "  *"
        name = printable(figure_name(spread.key))
        lines.append(f"  {name[:30]:30} {nodes:>6} {median:>12} {deviation:>6} {lowest:>8} {highest:>8}{few}")
    if not all(spread.judged for spread in shown):
        lines.append("  * fewer than four nodes: too few to say what is normal")
    return [*lines, *_left(len(fleet.spreads) - len(shown)), ""]


def _traits(fleet: Fleet, width: int, everything: bool) -> list[str]:
    odd = disagreeing(fleet.traits)
    wanted = list(fleet.traits) if everything else odd
    if not wanted:
        return []
    lines = [f"{'DIFFERENCES' if not everything else 'COMPARED':20} {'most have':24} others"]
    group = ""
    shown = wanted if everything else wanted[:_MOST_NODES]
    for trait in shown:
        if trait.group != group:
            group = trait.group
            lines.append(_cut(printable(group), width))
        most, others = trait_cells(trait)
        lines.append(_cut(f"  {trait.name:18} {printable(most)[:40]:24} {printable(others)}".rstrip(), width))
    return [*lines, *_left(len(wanted) - len(shown)), ""]


def _skipped(fleet: Fleet, width: int, everything: bool) -> list[str]:
    if not fleet.skipped:
        return []
    shown = fleet.skipped if everything else fleet.skipped[:_MOST_OTHERS]
    lines = [
        line
        for item in shown
        for line in textwrap.wrap(
            f"{printable(item.file)} ({item.kind}): {printable(skipped_text(item))}",
            width,
            initial_indent="  ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]
    return ["LEFT OUT", *lines, *_left(len(fleet.skipped) - len(shown)), ""]


def _left(count: int) -> list[str]:
    return [f"  and {count:,} more; -v shows all"] if count > 0 else []


def _named(name: str, width: int) -> str:
    name = printable(name)
    return f"{name if len(name) <= width else name[: width - 3] + '...':{width}}"


def _cut(line: str, width: int) -> str:
    line = printable(line).rstrip()
    return line if len(line) <= width else line[: width - 3] + "..."
