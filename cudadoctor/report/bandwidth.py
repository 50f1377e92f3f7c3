"""A bandwidth measurement as lines of plain text. Pure: facts in, lines out."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.facts.bandwidth import Bandwidth, ExpectedLink
from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.findings import Finding, Severity
from cudadoctor.units import format_size

_KIND = {
    "h2d_pinned": "host to device, pinned",
    "d2h_pinned": "device to host, pinned",
    "h2d_pageable": "host to device, pageable",
    "d2h_pageable": "device to host, pageable",
    "d2d_local": "device to device, copied",
}


def bandwidth_progress(key: str) -> str:
    """Return the line that is shown while one kind of copy is measured."""
    return f"measuring {_KIND.get(key, key)} ..."


def bandwidth_lines(bandwidth: Bandwidth | Missing) -> list[str]:
    """Return the table of a bandwidth measurement, or no lines if there is none."""
    if isinstance(bandwidth, Missing):
        return []
    lines = [f"{bandwidth.device_name}, GPU {bandwidth.device}, {bandwidth.pci_address}", ""]
    lines.append(f"{'':26}{'GB/s':>9}  {'lowest':>9} {'highest':>9}  of link")
    expected = bandwidth.expected
    for result in bandwidth.results:
        share = ""
        if isinstance(expected, ExpectedLink) and result.key != "d2d_local":
            share = f"{100 * result.gb_per_s / expected.gb_per_s:5.0f} %"
        name = _KIND.get(result.key, result.key)
        low, high = min(result.samples_gb_per_s), max(result.samples_gb_per_s)
        lines.append(f"{name:26}{result.gb_per_s:9.2f}  {low:9.2f} {high:9.2f}  {share}".rstrip())
        if result.key == "d2d_local":
            lines.append(f"{'  read + written':26}{2 * result.gb_per_s:9.2f}")
    lines += [f"{_KIND.get(item.key, item.key):26} not reported: {item.reason}" for item in bandwidth.skipped]
    lines.append("")
    if bandwidth.results:
        samples = min(len(result.samples_gb_per_s) for result in bandwidth.results)
        sizes = sorted({format_size(result.size_bytes) for result in bandwidth.results})
        lines.append(
            f"Median of {samples} samples or more, copies of {' and '.join(sizes)}; "
            "what arrived was compared every time."
        )
        lines += sorted({f"Note: {result.note}" for result in bandwidth.results if result.note})
    link = bandwidth.link_under_load
    if link is not None:
        lines.append(
            f"Link while copying: {_link(link.generation, link.width)} "
            f"(at most {_link(link.generation_max, link.width_max)}); "
            f"performance state {_number(link.performance_state, 'P')}; SM clock {_number(link.sm_clock_mhz)} MHz"
        )
    if isinstance(expected, ExpectedLink):
        lines.append(
            f"Narrowest hop: {expected.hop}, Gen{expected.generation} x{expected.width}, "
            f"line rate {expected.gb_per_s:.1f} GB/s in each direction ({expected.source})"
        )
    else:
        lines.append(f"Not judged against a link: {expected.reason}")
    return lines


def _link(generation: Fact[int], width: Fact[int]) -> str:
    return f"Gen{_number(generation)} x{_number(width)}"


def _number(fact: Fact[int], prefix: str = "") -> str:
    return f"{prefix}{fact.value}" if isinstance(fact, Known) else "?"


def bandwidth_sentence(bandwidth: Bandwidth, findings: Sequence[Finding]) -> str:
    """Return the answer: whether the link carries what it should."""
    worst = findings[0] if findings else None
    if worst is not None and worst.severity is not Severity.NOTE:
        return f"{worst.title}."
    copies = [bandwidth.result("h2d_pinned"), bandwidth.result("d2h_pinned")]
    speeds = " and ".join(
        f"{result.gb_per_s:.1f} GB/s {'to' if result.key.startswith('h2d') else 'from'} the device"
        for result in copies
        if result is not None
    )
    if not speeds:
        return "No pinned copy could be reported, so the link is not judged."
    if isinstance(bandwidth.expected, Missing):
        return f"Pinned copies reach {speeds}; not judged, because {bandwidth.expected.reason}."
    share = min(result.gb_per_s for result in copies if result is not None) / bandwidth.expected.gb_per_s
    return (
        f"The link carries what it should: pinned copies reach {speeds}, "
        f"{100 * share:.0f} % or more of the {bandwidth.expected.gb_per_s:.1f} GB/s line rate of the narrowest hop."
    )
