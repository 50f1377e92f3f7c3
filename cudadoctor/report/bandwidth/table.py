"""The table of copies in groups: GB/s, lowest and highest sample, and the share of the narrowest hop."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.facts.bandwidth import Bandwidth, BandwidthResult, ExpectedLink
from cudadoctor.report.bandwidth.names import LABEL, extremes, kind, row, shown, wrapped
from cudadoctor.units import format_size

_GROUPS = (
    ("PINNED HOST MEMORY", ("pinned",)),
    ("PAGEABLE HOST MEMORY", ("pageable", "pageable_fresh")),
    ("OTHER HOST MEMORY", ("write_combined", "mapped", "managed", "registered")),
    ("BOTH DIRECTIONS AT ONCE", ("bidirectional",)),
    ("WITHIN THE DEVICE", ("local",)),
    ("BY NUMBA'S CALLS, AND WITH THEIR COST", ("h2d", "d2h", "h2d_pinned", "d2h_pinned")),
)
_REST = "OTHER COPIES"
ON_THE_LINK = ("h2d_", "d2h_", "numba_")
"""How the keys of copies between host and device begin."""


def table_lines(bandwidth: Bandwidth, width: int) -> list[str]:
    """Return the results in groups, and what is true of all of them."""
    results = shown(bandwidth.results)
    if not results:
        return []
    link = bandwidth.expected.gb_per_s if isinstance(bandwidth.expected, ExpectedLink) else 0.0
    kernels = any(result.mover == "kernel" for result in results)
    heads = f"{'GB/s':>9}{'lowest':>11}{'highest':>10}{'of link' if link > 0 else '':>9}{'  by' if kernels else ''}"
    lines = [f"{'':{LABEL}}{heads}".rstrip()]
    for title, group in grouped(results):
        lines.append(title)
        lines += [line for result in group for line in _rows(result, link, bandwidth.device)]
        lines += _sums(group, link)
    return [*lines, "", *(line for text in how_sentences(results) for line in wrapped(text, width))]


def grouped(results: Sequence[BandwidthResult]) -> list[tuple[str, list[BandwidthResult]]]:
    """Return the results by the kind of memory, each group with its title, in capitals."""
    titles = {memory: title for title, memories in _GROUPS for memory in memories}
    groups: dict[str, list[BandwidthResult]] = {title: [] for title in (*(title for title, _ in _GROUPS), _REST)}
    for result in results:
        groups[titles.get(result.key.partition("_")[2], _REST)].append(result)
    return [(title, group) for title, group in groups.items() if group]


def _rows(result: BandwidthResult, link: float, device: int) -> list[str]:
    low, high = extremes(result.samples_gb_per_s, result.gb_per_s)
    share = _share(result.gb_per_s, link) if result.key.startswith(ON_THE_LINK) else ""
    mover = "  kernel" if result.mover == "kernel" else ""
    name = kind(result.key) if result.device == device else f"{kind(result.key)}, GPU {result.device}"
    lines = [row(name, f"{result.gb_per_s:9.2f}{low:11.2f}{high:10.2f}{share:>9}{mover}")]
    if result.key == "d2d_local":
        lines.append(row("  read + written", f"{2 * result.gb_per_s:9.2f}"))
    return lines


def _sums(group: Sequence[BandwidthResult], link: float) -> list[str]:
    """Return the sum of both directions, for each mover that was measured in both."""
    lines = []
    for mover in dict.fromkeys(result.mover for result in group):
        both = {result.key: result.gb_per_s for result in group if result.mover == mover}
        if {"h2d_bidirectional", "d2h_bidirectional"} <= set(both):
            total = both["h2d_bidirectional"] + both["d2h_bidirectional"]
            cells = f"{total:9.2f}{'':21}{_share(total, 2 * link):>9}{'  kernel' if mover == 'kernel' else ''}"
            lines.append(row("  sum of both directions", cells))
    return lines


def interval_percent(samples: int) -> float:
    """Return how surely the median of what is sampled lies between the lowest and the highest of independent samples.

    Each sample is below it with probability 1/2, so all of them are on one side of it with 2 / 2^n.
    """
    return 100 - 200 / float(2**samples)


def _share(rate: float, link: float) -> str:
    return f"{100 * rate / link:.0f} %" if link > 0 else ""


def how_sentences(results: Sequence[BandwidthResult]) -> list[str]:
    """Return how the figures were measured, and what is to be said of some of them."""
    samples = min(len(result.samples_gb_per_s) for result in results)
    sizes = [format_size(size) for size in sorted({result.size_bytes for result in results}, reverse=True)]
    listed = " and ".join(sizes) if len(sizes) < 4 else f"{sizes[-1]} to {sizes[0]}"
    how = f"Median of {samples} samples or more, copies of {listed}; what arrived was compared every time."
    if samples > 1:
        how += f" From lowest to highest is the {interval_percent(samples):.0f} % interval of the median, or more."
    if any(result.key.endswith("_bidirectional") for result in results):
        how += " Of a sum, the share is that of the link's rate in both directions."
    if any(result.mover == "kernel" for result in results):
        how += " By kernel: threads of the GPU moved the bytes; elsewhere a copy engine did."
    if any(result.key.startswith("numba_") for result in results):
        how += " By numba: numba.cuda's to_device takes device memory anew for each copy."
    told = [how]
    notes: dict[str, list[str]] = {}
    for result in results:
        if result.note:
            notes.setdefault(result.note, []).append(kind(result.key))
    for note, names in notes.items():
        whose = "" if len(names) == len(results) else f" ({'; '.join(dict.fromkeys(names))})"
        told.append(f"Note{whose}: {note}")
    return told
