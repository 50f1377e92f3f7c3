"""A fleet as parts of the page: its nodes, how their figures scatter, what they share, and what was left out."""

from __future__ import annotations

from cudadoctor.facts.fleet import Fleet, Spread
from cudadoctor.report.fleet.words import (
    SILENT,
    figure_name,
    measured,
    rates,
    skipped_text,
    spread_cells,
    trait_cells,
    what_of,
)
from cudadoctor.report.html.bandwidth import RATES
from cudadoctor.report.html.charts import Bar, Scale, bars_with_intervals
from cudadoctor.report.html.parts import Cell, Figure, Part, Row, charts, group, numbers
from cudadoctor.units import format_seconds

MOST_ROWS = 600
"""Rows of a table, so that a page stays below 2 MB; the JSON report has all."""

_MOST_BARS = 16


def fleet_parts(fleet: Fleet) -> list[Part]:
    """Return the parts of a fleet."""
    return [*_nodes(fleet), *_figures(fleet), *_traits(fleet), *_skipped(fleet)]


def _nodes(fleet: Fleet) -> list[Part]:
    if not fleet.nodes and not fleet.silent:
        return []
    with_rates = measured(fleet)
    heads = ("node", "status", "what", *(("to device", "from device", "of link") if with_rates else ()))
    rows: list[Row] = []
    for silent in fleet.silent[:MOST_ROWS]:
        state = "unknown" if silent.state == "not alive" else "error"
        told = f"{SILENT[silent.state]}: {silent.reason}"
        rows.append(Row((Cell(silent.name), Cell(state, state=state), Cell(told, span=len(heads) - 2))))
    for node in fleet.nodes[: MOST_ROWS - len(rows)]:
        cells = [Cell(node.name), Cell(node.verdict, state=node.verdict), Cell(what_of(node) or "-")]
        rows.append(Row((*cells, *(Cell(text) for text in rates(node) if with_rates))))
    left = len(fleet.nodes) + len(fleet.silent) - len(rows)
    notes = ["Worst first. Copies are with pinned memory, in GB/s."] if with_rates else ["Worst first."]
    if left:
        notes.append(f"{left:,} more nodes are left out here, none worse than the last; --format json has all.")
    lead = tuple(f"{each.nodes:,} with {each.name}." for each in fleet.groups[:12])
    table = numbers("Nodes", heads, rows, texts=3)
    return [Part(title="Nodes", lead=lead, figures=(Figure(title="", notes=tuple(notes), tables=(table,)),))]


def _figures(fleet: Fleet) -> list[Part]:
    if not fleet.spreads:
        return []
    heads = ("figure", "nodes", "median", "MAD", "lowest", "highest")
    rows: list[Row] = []
    peers = None
    for spread in fleet.spreads[:MOST_ROWS]:
        if spread.peers != peers:
            peers = spread.peers
            rows.append(group(peers, len(heads)))
        name = figure_name(spread.key) + ("" if spread.judged else " (too few to judge)")
        rows.append(Row(tuple(Cell(text) for text in (name, *spread_cells(spread)))))
    time = Scale(label="time of an epoch", show=format_seconds)
    # Copies within a device are a hundred times as fast as those on a link, and would hide them.
    link = [each for each in fleet.spreads if each.unit == "GB/s" and each.key != "d2d_local"]
    local = [each for each in fleet.spreads if each.key == "d2d_local"]
    lanes = [each for each in fleet.spreads if each.unit == "s"]
    drawn = charts(
        bars_with_intervals("Copies between host and device", _bars(link), RATES),
        bars_with_intervals("Copies within the device", _bars(local), RATES),
        bars_with_intervals("Time of an epoch", _bars(lanes), time),
    )
    note = (
        "Median over the nodes, with the lowest and the highest. MAD is the median absolute deviation, as a share of "
        "the median; 1 % is the least that counts. A node is an outlier beyond 5.2 MAD, a robust z of 3.5."
    )
    table = numbers("Figures", heads, rows)
    figure = Figure(title="", charts=drawn, notes=(note,), tables=(table,))
    return [Part(title="How figures scatter", figures=(figure,))]


def _bars(spreads: list[Spread]) -> list[Bar]:
    several = len({each.peers for each in spreads}) > 1
    return [
        Bar(
            label=f"{figure_name(each.key)}, {each.peers}" if several else figure_name(each.key),
            value=each.median,
            interval=(each.lowest, each.highest),
            style=1 if "d2h" in each.key else 0,
        )
        for each in sorted(spreads, key=lambda each: -each.nodes)[:_MOST_BARS]
    ]


def _traits(fleet: Fleet) -> list[Part]:
    if not fleet.traits:
        return []
    heads = ("what", "most have", "others")
    rows: list[Row] = []
    name = None
    for trait in fleet.traits[:MOST_ROWS]:
        if trait.group != name:
            name = trait.group
            rows.append(group(name, len(heads)))
        most, others = trait_cells(trait)
        state = "" if trait.agreed or trait.weight == "note" else "warning"
        rows.append(Row((Cell(trait.name), Cell(most), Cell(others, state=state) if others else Cell(""))))
    table = numbers("What nodes share", heads, rows, texts=3)
    return [Part(title="What nodes share", figures=(Figure(title="", tables=(table,)),))]


def _skipped(fleet: Fleet) -> list[Part]:
    if not fleet.skipped:
        return []
    rows = [(item.file, item.kind, skipped_text(item)) for item in fleet.skipped[:MOST_ROWS]]
    left = len(fleet.skipped) - len(rows)
    notes = (f"{left:,} more are left out here; --format json has all.",) if left else ()
    table = numbers("Files that were left out", ("file", "kind", "why"), rows, texts=3)
    return [Part(title="Left out", figures=(Figure(title="", notes=notes, tables=(table,)),))]
