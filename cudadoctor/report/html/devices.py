"""GPUs as a part of the page: a table with a column for each, peer access, or what two of them differ in."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.facts.devices import Comparison, Device, Devices
from cudadoctor.report.device_rows import rows_of
from cudadoctor.report.device_words import Row as DeviceRow
from cudadoctor.report.device_words import short_source
from cudadoctor.report.devices import LEGEND, device_title, keys_of, peer_notes, peer_word
from cudadoctor.report.html.parts import Cell, Figure, Part, Row, Table, group, numbers


def devices_parts(
    devices: Devices, *, only: Device | None = None, everything: bool = False, folded: bool = False
) -> list[Part]:
    """Return the table of all GPUs, or of one; or the comparison, where one was asked for."""
    if devices.comparison is not None:
        return _comparison(devices.comparison)
    shown = [only] if only is not None else list(devices.devices)
    if not shown:
        return []
    figures = [Figure(title="Properties", notes=(LEGEND,), tables=(_table(shown, devices, everything, folded),))]
    if only is None and devices.peers:
        figures.append(_peers(devices))
    return [Part(title="Devices", figures=tuple(figures))]


def _table(shown: Sequence[Device], devices: Devices, everything: bool, folded: bool) -> Table:
    columns = [rows_of(device, devices, everything=everything) for device in shown]
    found = [{(row.group, row.name): row for row in rows} for rows in columns]
    heads = ("", *(device_title(device) for device in shown), "source")
    rows: list[Row | Sequence[str]] = []
    title = ""
    for key in keys_of(columns):
        if key[0] != title:
            title = key[0]
            rows.append(group(title[:1].upper() + title[1:], len(heads)))
        of_all = [each.get(key) for each in found]
        texts = [_text(row) for row in of_all]
        sources = dict.fromkeys(short_source(source) for row in of_all if row is not None for source in row.sources)
        # What is equal in all GPUs is said once, across their columns.
        alike = len(set(texts)) == 1
        cells = [Cell(texts[0], span=len(texts))] if alike else [Cell(text) for text in texts]
        rows.append(Row((Cell(key[1]), *cells, Cell("; ".join(sources)))))
    return numbers("Properties of each GPU", heads, rows, texts=len(heads), folds=folded, sourced=True)


def _text(row: DeviceRow | None) -> str:
    if row is None:
        return "-"
    return "unknown" if row.text is None else row.text


def _peers(devices: Devices) -> Figure:
    indexes = sorted({peer.device for peer in devices.peers} | {peer.peer for peer in devices.peers})
    found = {(peer.device, peer.peer): peer for peer in devices.peers}
    rows = [
        (f"GPU {row}", *("-" if row == column else peer_word(found.get((row, column))) for column in indexes))
        for row in indexes
    ]
    heads = ("from, to", *(f"GPU {index}" for index in indexes))
    table = numbers("From the GPU of the row to the memory of the GPU of the column", heads, rows, texts=len(heads))
    return Figure(title="Peer access", notes=(peer_notes(devices),), tables=(table,))


def _comparison(comparison: Comparison) -> list[Part]:
    heads = ("", comparison.first, comparison.second)
    rows: list[Row | Sequence[str]] = []
    title = ""
    for item in comparison.differences:
        if item.group != title:
            title = item.group
            rows.append(group(title[:1].upper() + title[1:], len(heads)))
        rows.append((item.row, item.first, item.second))
    if not rows:
        return []
    table = numbers("Differences", heads, rows, texts=len(heads), folds=False)
    return [Part(title="What they differ in", figures=(Figure(title="", tables=(table,)),))]
