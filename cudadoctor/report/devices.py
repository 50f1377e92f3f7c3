"""GPUs as a table of plain lines, several side by side, and the comparison of two. Pure: facts in, lines out."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.devices import Comparison, Device, Devices, Difference, DriverView, NvmlView, Peer
from cudadoctor.findings import Finding, Severity
from cudadoctor.report.device_rows import rows_of
from cudadoctor.report.device_words import Row, short_source
from cudadoctor.text import printable

_LABEL, _SOURCE, _GAP, _NARROWEST, _WIDEST = 28, 24, 2, 22, 46
LEGEND = (
    "Sources: CUDA n: cuDeviceGetAttribute, attribute n of cuda.h; NVML X: nvmlDeviceGetX or nvmlSystemGetX; "
    "sysfs: below /sys. What is unknown has its reason there. Computed: two transfers a memory clock, two operations "
    "(one multiply-add) a lane and clock."
)


def device_lines(
    devices: Devices | Missing, *, width: int, only: Device | None = None, everything: bool = False
) -> list[str]:
    """Return the table of all GPUs, or of one.

    Args:
        devices: The section.
        width: Columns.
        only: The one GPU to show.
        everything: Also every attribute of the driver API that has no row of its own.
    """
    if isinstance(devices, Missing) or not (devices.devices or devices.comparison):
        return []
    if devices.comparison is not None:
        return comparison_lines(devices.comparison, width=width)
    shown = [only] if only is not None else list(devices.devices)
    columns = [rows_of(device, devices, everything=everything) for device in shown]
    heads = [device_title(device) for device in shown]
    fit = max(1, (width - _LABEL - _SOURCE - _GAP) // (_NARROWEST + _GAP))
    lines: list[str] = []
    if len(shown) <= fit:
        lines += _table(heads, columns, width)
    else:
        # What is equal in all is shown once, and only the rest GPU by GPU.
        equal = _equal_rows(columns)
        common = [row for index, row in enumerate(columns[0]) if index in equal]
        lines += _table([f"all {len(shown)} GPUs"], [common], width)
        rest = [[row for index, row in enumerate(rows) if index not in equal] for rows in columns]
        for start in range(0, len(shown), fit):
            lines += ["", *_table(heads[start : start + fit], rest[start : start + fit], width)]
    lines += _peer_lines(devices, width) if only is None else []
    return [*lines, "", *textwrap.wrap(LEGEND, width)]


def device_title(device: Device) -> str:
    """Return `GPU 0`, or `NVML 1` for a GPU that only NVML shows."""
    if isinstance(device.driver, DriverView):
        return f"GPU {device.driver.index}"
    return f"NVML {device.nvml.index}" if isinstance(device.nvml, NvmlView) else "GPU"


def device_name(device: Device) -> str:
    """Return the GPU's name, from whichever source has it."""
    for view in (device.driver, device.nvml):
        if not isinstance(view, Missing) and isinstance(view.name, Known):
            return printable(view.name.value)
    return "name unknown"


def _equal_rows(columns: Sequence[Sequence[Row]]) -> set[int]:
    if len({tuple((row.group, row.name) for row in rows) for rows in columns}) > 1:
        return set()  # a GPU has other rows than the rest: its path has more hops
    return {
        index
        for index, row in enumerate(columns[0])
        if all(rows[index].text == row.text for rows in columns) and (row.text is not None or row.sources)
    }


def _table(heads: Sequence[str], columns: Sequence[Sequence[Row]], width: int) -> list[str]:
    count = len(heads)
    room = (width - _LABEL - _SOURCE - _GAP * (count + 1)) // count
    value = max(12, min(_WIDEST, room))
    source = max(12, width - _LABEL - count * (value + _GAP) - _GAP)
    widths = [_LABEL, *[value] * count, source]
    lines = _cells(["", *heads, "source"], widths)
    group = ""
    by_key = [_by_key(rows) for rows in columns]
    for key in keys_of(columns):
        if key[0] != group:
            group = key[0]
            lines += ["", printable(group).upper()]
        rows = [found.get(key) for found in by_key]
        texts = [_text(row) for row in rows]
        sources = dict.fromkeys(short_source(source) for row in rows if row is not None for source in row.sources)
        told = "; ".join(sources)
        if count == 1 and value < len(texts[0]) <= value + _GAP + source and " " not in texts[0]:
            lines += _cells([key[1], texts[0]], [_LABEL, len(texts[0])])  # a UUID is copied whole
            key, texts = ("", ""), [""]
        lines += _cells([key[1], *texts, told], widths)
    return lines


def keys_of(columns: Sequence[Sequence[Row]]) -> list[tuple[str, str]]:
    """Return group and name of the rows of all columns; a row that only one GPU has stands at the end of its group."""
    keys = dict.fromkeys((row.group, row.name) for rows in columns for row in rows)
    groups = list(dict.fromkeys(group for group, _ in keys))
    return sorted(keys, key=lambda key: groups.index(key[0]))


def _by_key(rows: Sequence[Row]) -> dict[tuple[str, str], Row]:
    return {(row.group, row.name): row for row in rows}


def _text(row: Row | None) -> str:
    if row is None:
        return "-"
    return "unknown" if row.text is None else printable(row.text)


def _cells(texts: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Return one row as lines, each cell wrapped in its column."""
    cells = []
    for text, width in zip(texts, widths, strict=True):
        cells.append(_wrapped(printable(text), width))
    height = max(len(cell) for cell in cells)
    lines = []
    for number in range(height):
        parts = [cell[number] if number < len(cell) else "" for cell in cells]
        lines.append((" " * _GAP).join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip())
    return lines


_SEAMS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[/,(-])")


def _wrapped(text: str, width: int) -> list[str]:
    """Return a cell's lines; a word that is too long is broken where a name of C or a path has a seam."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
            continue
        if lines[-1]:
            lines.append("")
        pieces = [word] if len(word) <= width else [part for piece in _SEAMS.split(word) for part in _cut(piece, width)]
        for piece in pieces:
            if lines[-1] and len(lines[-1]) + len(piece) > width:
                lines.append("")
            lines[-1] += piece
    return lines


def _cut(piece: str, width: int) -> list[str]:
    return [piece[start : start + width] for start in range(0, len(piece), width)]


def _peer_lines(devices: Devices, width: int) -> list[str]:
    if not devices.peers:
        return []
    indexes = sorted({peer.device for peer in devices.peers} | {peer.peer for peer in devices.peers})
    found = {(peer.device, peer.peer): peer for peer in devices.peers}
    lines = ["", "PEER ACCESS (from the GPU of the row to the memory of the GPU of the column)"]
    per_block = max(1, (width - 8) // 8)
    for start in range(0, len(indexes), per_block):
        block = indexes[start : start + per_block]
        lines.append(" " * 8 + "".join(f"{f'GPU {index}':<8}" for index in block).rstrip())
        for row in indexes:
            cells = "".join(f"{'-' if row == column else peer_word(found.get((row, column))):<8}" for column in block)
            lines.append(f"GPU {row:<4}{cells}".rstrip())
    return lines + textwrap.wrap(peer_notes(devices), width)


def peer_notes(devices: Devices) -> str:
    """Return what the matrix does not show, and its source."""
    ranks = {known(peer.performance_rank) for peer in devices.peers}
    ranked = ", ".join(str(rank) for rank in sorted(rank for rank in ranks if rank is not None))
    atomics = {known(peer.native_atomics) for peer in devices.peers if known(peer.can_access)}
    notes = [f"Performance ranks (lower is better): {ranked or 'unknown'}."]
    if atomics:
        word = "yes" if atomics == {True} else "no" if atomics == {False} else "not between all, or unknown"
        notes.append(f"Native atomics: {word}.")
    notes.append("Source: cuDeviceCanAccessPeer, cuDeviceGetP2PAttribute.")
    return " ".join(notes)


def peer_word(peer: Peer | None) -> str:
    """Return whether one GPU reaches the memory of another: yes, no, or a question mark."""
    access = None if peer is None else known(peer.can_access)
    return "?" if access is None else "yes" if access else "no"


def devices_sentence(devices: Devices, findings: Sequence[Finding]) -> str:
    """Return the answer: how many GPUs there are, and whether what is told of them agrees."""
    serious = [finding for finding in findings if finding.severity is not Severity.NOTE]
    usable = [device for device in devices.devices if isinstance(device.driver, DriverView)]
    if devices.comparison is not None:
        return comparison_sentence(devices.comparison)
    others = [device.nvml for device in devices.devices if not isinstance(device.driver, DriverView)]
    hidden = sum(isinstance(view, NvmlView) and isinstance(view.uuid, Known) for view in others)
    names = list(dict.fromkeys(device_name(device) for device in usable))
    count = f"{len(usable)} {'GPU' if len(usable) == 1 else 'GPUs'}: {', '.join(names[:4])}"
    also = f"; {hidden} more that only NVML sees" if hidden else ""
    lost = len(others) - hidden
    also += f"; NVML lists {lost} of which it cannot tell anything" if lost else ""
    trouble = f" {serious[0].title}." if serious else ""
    return f"{count}{also}.{trouble}"


def compare(first: tuple[str, Device, Devices], second: tuple[str, Device, Devices]) -> Comparison:
    """Compare two GPUs row by row.

    Args:
        first: What the user called it, the GPU, and the section that it is from.
        second: The same of the other.
    """
    one = _by_key(rows_of(first[1], first[2], everything=True))
    other = _by_key(rows_of(second[1], second[2], everything=True))
    differences = []
    for key in dict.fromkeys([*one, *other]):
        pair = one.get(key), other.get(key)
        texts = tuple("not there" if row is None else _with_reason(row) for row in pair)
        # Unknown on both sides is no difference, whatever the reasons.
        if texts[0] == texts[1] or all(row is None or row.text is None for row in pair):
            continue
        lasting = all(row.lasting for row in pair if row is not None)
        differences.append(Difference(group=key[0], row=key[1], first=texts[0], second=texts[1], lasting=lasting))
    compared = sum(1 for key, row in one.items() if row.text is not None and key in other and other[key].text)
    return Comparison(first=first[0], second=second[0], compared=compared, differences=tuple(differences))


def _with_reason(row: Row) -> str:
    return row.text if row.text is not None else f"unknown: {'; '.join(map(short_source, row.sources))}"


def comparison_lines(comparison: Comparison, *, width: int) -> list[str]:
    """Return the rows that differ, two columns."""
    if not comparison.differences:
        return []
    value = max(16, (width - _LABEL - 2 * _GAP) // 2)
    widths = [_LABEL, value, value]
    lines = _cells(["", comparison.first, comparison.second], widths)
    group = ""
    for item in comparison.differences:
        if item.group != group:
            group = item.group
            lines += ["", printable(group).upper()]
        lines += _cells([item.row, item.first, item.second], widths)
    return lines


def comparison_sentence(comparison: Comparison) -> str:
    """Return the answer: in how many rows they differ, and how many of these last."""
    pair = f"{printable(comparison.first)} and {printable(comparison.second)}"
    lasting = sum(item.lasting for item in comparison.differences)
    passing = len(comparison.differences) - lasting
    if not comparison.differences:
        return f"{pair} do not differ in any of {comparison.compared} rows that both have."
    rows = "row" if lasting == 1 else "rows"
    moment = f", and in {passing} that may change at any moment" if passing else ""
    return f"{pair} differ in {lasting} {rows} that last{moment}; {comparison.compared} rows were known of both."
