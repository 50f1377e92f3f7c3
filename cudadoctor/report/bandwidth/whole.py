"""All parts of a measurement, in the order in which they are read. What was not measured leaves no trace."""

from __future__ import annotations

from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.facts.base import Missing
from cudadoctor.report.bandwidth.curves import curve_lines
from cudadoctor.report.bandwidth.link import link_lines
from cudadoctor.report.bandwidth.names import apart, kind, wrapped
from cudadoctor.report.bandwidth.peers import peer_lines
from cudadoctor.report.bandwidth.side_by_side import latency_lines, numa_lines, together_lines
from cudadoctor.report.bandwidth.table import table_lines
from cudadoctor.text import printable

_NOT_COMPARED = "what arrived was not compared with what was sent"


def bandwidth_lines(bandwidth: Bandwidth | Missing, width: int = 80) -> list[str]:
    """Return a measurement as lines of at most that width, or no lines if there is none."""
    if isinstance(bandwidth, Missing):
        return []
    blocks = [
        [printable(f"{bandwidth.device_name}, GPU {bandwidth.device}, {bandwidth.pci_address}")],
        table_lines(bandwidth, width),
        curve_lines(bandwidth.curves, width),
        latency_lines(bandwidth.latencies),
        peer_lines(bandwidth.peers, width),
        together_lines(bandwidth),
        numa_lines(bandwidth),
        _left_out_lines(bandwidth, width),
        link_lines(bandwidth, width),
    ]
    return apart(blocks)


def left_out(bandwidth: Bandwidth) -> dict[str, list[str]]:
    """Return what was left out, by the reason why."""
    reasons: dict[str, list[str]] = {}
    for item in bandwidth.skipped:
        name = kind(item.key) if item.device == bandwidth.device else f"{kind(item.key)}, GPU {item.device}"
        reasons.setdefault(item.reason, []).append(name)
    copies = (*bandwidth.results, *bandwidth.alone, *bandwidth.together, *bandwidth.near, *bandwidth.far)
    unverified = [copy.key for copy in copies if not copy.verified]
    unverified += [peer.key for peer in bandwidth.peers if not peer.verified]
    for key in unverified:
        reasons.setdefault(_NOT_COMPARED, []).append(kind(key))
    return {reason: list(dict.fromkeys(names)) for reason, names in reasons.items()}


def _left_out_lines(bandwidth: Bandwidth, width: int) -> list[str]:
    reasons = left_out(bandwidth)
    lines = ["NOT REPORTED"] if reasons else []
    for reason, names in reasons.items():
        lines += wrapped(f"{'; '.join(names)}: {reason}", width, indent="  ")
    return lines
