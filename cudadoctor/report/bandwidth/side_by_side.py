"""Figures that stand beside another one: latencies, all GPUs at once against each alone, near and far memory."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.facts.bandwidth import Bandwidth, BandwidthResult, Latency
from cudadoctor.report.bandwidth.names import LABEL, duration, extremes, kind, row, shown


def latency_lines(latencies: Sequence[Latency]) -> list[str]:
    """Return each latency with its lowest and highest sample."""
    if not latencies:
        return []
    lines = [f"{'LATENCIES':{LABEL}}{'median':>10}{'lowest':>10}{'highest':>10}"]
    for latency in latencies:
        figures = (latency.seconds, *extremes(latency.samples_seconds, latency.seconds))
        lines.append(row(kind(latency.key), *(f"{duration(seconds):>10}" for seconds in figures)))
    return lines


def together_lines(bandwidth: Bandwidth) -> list[str]:
    """Return what each GPU reaches alone and while all copy at once, and the sums."""
    together = shown(bandwidth.together)
    if not together:
        return []
    alone = {(result.key, result.device): result.gb_per_s for result in reversed(shown(bandwidth.results))}
    lines = [f"{'ALL GPUS AT ONCE, GB/s':{LABEL}}{'alone':>10}{'at once':>10}{'kept':>8}"]
    for key in dict.fromkeys(result.key for result in together):
        same = [result for result in together if result.key == key]
        lines.append(row(kind(key)))
        lines += [_pair(f"  GPU {one.device}", alone.get((key, one.device)), one.gb_per_s) for one in same]
        before = [alone.get((key, result.device)) for result in same]
        known = [rate for rate in before if rate is not None]
        total = sum(known) if len(known) == len(before) else None
        lines.append(_pair("  sum", total, sum(result.gb_per_s for result in same)))
    return lines


def numa_lines(bandwidth: Bandwidth) -> list[str]:
    """Return the copies with host memory near the GPU and on another NUMA node."""
    near, far = shown(bandwidth.near), shown(bandwidth.far)
    if not near and not far:
        return []
    rates = [_by_key(near), _by_key(far)]
    heads = f"{_head('near', near):>10}{_head('far', far):>10}{'kept':>8}"
    lines = [f"{'NUMA NODE OF THE MEMORY, GB/s':{LABEL}}{heads}"]
    return lines + [
        _pair(kind(key), rates[0].get(key), rates[1].get(key)) for key in dict.fromkeys([*rates[0], *rates[1]])
    ]


def _head(where: str, results: Sequence[BandwidthResult]) -> str:
    """Return `near (0)` where the number of the node is known."""
    nodes = {result.numa_node for result in results}
    return f"{where} ({node})" if len(nodes) == 1 and (node := nodes.pop()) is not None else where


def _by_key(results: Sequence[BandwidthResult]) -> dict[str, float]:
    return {result.key: result.gb_per_s for result in results}


def _pair(name: str, first: float | None, second: float | None) -> str:
    cells = [f"{'-' if rate is None else f'{rate:.2f}':>10}" for rate in (first, second)]
    if first and second is not None:
        cells.append(f"{f'{100 * second / first:.0f} %':>8}")
    return row(name, *cells)
