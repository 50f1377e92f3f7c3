"""Figures that stand beside another one: latencies, all GPUs at once against each alone, near and far memory."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.facts.bandwidth import Bandwidth, BandwidthResult, Latency
from cudadoctor.report.bandwidth.names import LABEL, duration, extremes, kind, row, shown

Pair = tuple[str, float | None, float | None]
"""A name and two rates in GB/s, None where one was not measured."""


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
    pairs = together_pairs(bandwidth)
    lines = [f"{'ALL GPUS AT ONCE, GB/s':{LABEL}}{'alone':>10}{'at once':>10}{'kept':>8}"] if pairs else []
    for key, group in pairs.items():
        lines.append(row(kind(key)))
        lines += [_pair(f"  {name}", first, second) for name, first, second in group]
    return lines


def together_pairs(bandwidth: Bandwidth) -> dict[str, list[Pair]]:
    """Return for each kind of copy what each GPU reaches alone and with the others, and last the sums, in GB/s."""
    together = shown(bandwidth.together)
    # Files of older releases hold no copies of each GPU alone but those of the measured one, at another size.
    before = (*shown(bandwidth.alone), *shown(bandwidth.results))
    alone = {(result.key, result.device): result.gb_per_s for result in reversed(before)}
    pairs: dict[str, list[Pair]] = {}
    for key in dict.fromkeys(result.key for result in together):
        same = [result for result in together if result.key == key]
        rates = [alone.get((key, result.device)) for result in same]
        known = [rate for rate in rates if rate is not None]
        total = sum(known) if len(known) == len(rates) else None
        pairs[key] = [
            *((f"GPU {one.device}", rate, one.gb_per_s) for one, rate in zip(same, rates, strict=True)),
            ("sum", total, sum(result.gb_per_s for result in same)),
        ]
    return pairs


def numa_lines(bandwidth: Bandwidth) -> list[str]:
    """Return the copies with host memory near the GPU and on another NUMA node."""
    pairs = numa_pairs(bandwidth)
    heads = "".join(f"{head:>10}" for head in numa_heads(bandwidth))
    lines = [f"{'NUMA NODE OF THE MEMORY, GB/s':{LABEL}}{heads}{'kept':>8}"] if pairs else []
    return lines + [_pair(*pair) for pair in pairs]


def numa_pairs(bandwidth: Bandwidth) -> list[Pair]:
    """Return for each kind of copy what it reaches with memory near the GPU and with memory far from it, in GB/s."""
    near, far = _by_key(shown(bandwidth.near)), _by_key(shown(bandwidth.far))
    return [(kind(key), near.get(key), far.get(key)) for key in dict.fromkeys([*near, *far])]


def numa_heads(bandwidth: Bandwidth) -> tuple[str, str]:
    """Return what the two columns are called: near and far, with the numbers of the nodes where they are known."""
    return _head("near", shown(bandwidth.near)), _head("far", shown(bandwidth.far))


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
