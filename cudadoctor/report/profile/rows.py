"""What the tables of a profile hold, as text: kernels, copies, calls, lines and what-ifs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from cudadoctor.facts.profile import Analysis, CallRow, CopyRow, KernelRow, LineRow, WhatIf
from cudadoctor.report.profile.words import copy_name, ms, place, seconds, span
from cudadoctor.text import printable, shortened
from cudadoctor.units import format_percent, format_size

T = TypeVar("T")

_PLACES = 3


class Listed(NamedTuple):
    """A table: its title, the heads of its other columns, its rows, and what is said of the rows left out."""

    title: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    left_out: str = ""


def kernels(analysis: Analysis, most: int) -> Listed:
    """Return the kernels by total time."""
    kept, left = _cut(analysis.kernels, most)
    heads = ("launches", "total", "median", "share", "blocks x threads", "registers", "shared", "local")
    more = f"and {_count(len(left), 'kernel')} more: {ms(sum(row.total_ms for row in left))}" if left else ""
    return Listed("kernels", heads, [_kernel(row) for row in kept], more)


def _kernel(row: KernelRow) -> tuple[str, ...]:
    return (
        row.name,
        f"{row.count:,}",
        ms(row.total_ms),
        seconds(row.median_us / 1e6),
        format_percent(row.share),
        f"{row.blocks:,} x {row.threads:,}",
        str(row.registers) if row.registers else "-",
        format_size(row.shared_bytes) if row.shared_bytes else "-",
        format_size(row.local_bytes) if row.local_bytes else "-",
    )


def copies(analysis: Analysis, most: int) -> Listed:
    """Return the copies by kind, with what this machine reaches from pinned memory beside their rate."""
    kept, left = _cut(analysis.copies, most)
    heads = ("count", "total", "not hidden", "GB/s", "pinned here", "bytes", "median size")
    more = f"and {_count(len(left), 'kind')} more: {ms(sum(row.total_ms for row in left))}" if left else ""
    return Listed("copies", heads, [_copy(row) for row in kept], more)


def _copy(row: CopyRow) -> tuple[str, ...]:
    return (
        copy_name(row.direction, row.memory),
        f"{row.count:,}",
        ms(row.total_ms),
        ms(row.exposed_ms),
        _rate(row.gb_per_s),
        _rate(row.peak_gb_per_s),
        format_size(row.bytes),
        format_size(round(row.median_bytes)),
    )


def _rate(gb_per_s: float | None) -> str:
    return "-" if gb_per_s is None else f"{gb_per_s:.3g}" if gb_per_s < 1000 else f"{gb_per_s:.0f}"


def calls(analysis: Analysis, most: int) -> Listed:
    """Return the calls of driver and runtime by total time."""
    kept, left = _cut(analysis.calls, most)
    more = f"and {_count(len(left), 'name')} more: {ms(sum(row.total_ms for row in left))}" if left else ""
    return Listed("calls (traced)", ("count", "total", "median", "for"), [_call(row) for row in kept], more)


def _call(row: CallRow) -> tuple[str, ...]:
    return row.name, f"{row.count:,}", ms(row.total_ms), seconds(row.median_us / 1e6), row.kind


def lines(analysis: Analysis, most: int) -> Listed:
    """Return the user's own lines at which the host was found."""
    kept, left = _cut(analysis.lines, most)
    share = format_percent(sum(row.share for row in left))
    more = f"and {_count(len(left), 'line')} more: {share} of all" if left else ""
    heads = ("in", "doing", "samples", "of all", "GPU idle")
    return Listed("your lines", heads, [_line(row) for row in kept], more)


def _line(row: LineRow) -> tuple[str, ...]:
    return (
        place(row.file, row.line),
        shortened(printable(row.function), 20),
        row.doing,
        f"{row.samples:,}",
        format_percent(row.share),
        format_percent(row.idle_share),
    )


def what_ifs(analysis: Analysis) -> Listed:
    """Return what each cause costs; those whose signs are there come first."""
    heads = ("now", "without", "saved", "range", "in all")
    return Listed("what if", heads, [_what_if(each) for each in ordered(analysis)])


def ordered(analysis: Analysis) -> list[WhatIf]:
    """Return the what-ifs, first those whose signs were seen."""
    return sorted(analysis.what_ifs, key=lambda each: not each.fits)


def _what_if(each: WhatIf) -> tuple[str, ...]:
    most = "<= " if each.bound else ""
    return (
        each.cause,
        ms(each.now_ms),
        ms(each.predicted_ms),
        f"{most}{ms(each.saved_ms)}",
        span(each.low_ms, each.high_ms),
        seconds(each.run_saved_s),
    )


def what_if_notes(analysis: Analysis) -> list[str]:
    """Return, for each what-if, what it assumes and where it applies."""
    told = []
    for each in ordered(analysis):
        what = "the whole run" if each.scope == "run" else "a step"
        text = f"{each.cause}, {what}: {each.assumes}"
        if each.where:
            more = f" and {len(each.where) - _PLACES} more" if len(each.where) > _PLACES else ""
            text += f"; at {', '.join(each.where[:_PLACES])}{more}"
        told.append(text + ("" if each.fits else "; not all signs of it were seen"))
    return told


def _cut(rows: Sequence[T], most: int) -> tuple[Sequence[T], Sequence[T]]:
    """Return the rows to show and the others; a single one is not worth leaving out."""
    return (rows, ()) if len(rows) <= most + 1 else (rows[:most], rows[most:])


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
