"""What the link of a GPU, and the hops above it, could carry."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import msgspec

from cudadoctor.facts.bandwidth import Bandwidth, BandwidthResult, ExpectedLink
from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.pci import Hop, Pci
from cudadoctor.findings import Evidence
from cudadoctor.units import pcie_generation, pcie_line_rate_gb_per_s

PINNED = ("h2d_pinned", "d2h_pinned")


class Degraded(msgspec.Struct, frozen=True, kw_only=True):
    """A link that runs below what both its ends can do; widths in lanes."""

    hop: str
    generation: int
    width: int
    generation_possible: int
    width_possible: int
    source: str

    @property
    def ratio(self) -> float:
        """What is left of the possible line rate, 0 to 1."""
        now = pcie_line_rate_gb_per_s(self.generation, self.width)
        possible = pcie_line_rate_gb_per_s(self.generation_possible, self.width_possible)
        return now / possible if now and possible else 1.0


def degraded(bandwidth: Bandwidth, pci: Pci | Missing) -> Degraded | None:
    """Return the worst link that ran below its ends under load, or None; idle readings are never used."""
    found = tuple(link for link in (_own_link(bandwidth), _upper_hop(bandwidth, pci)) if link is not None)
    fastest = max((result.gb_per_s for key in PINNED for result in _all(bandwidth, key)), default=0.0)
    # A reading that the measured copies exceed is not the link they went over.
    true = [link for link in found if fastest <= (pcie_line_rate_gb_per_s(link.generation, link.width) or 0.0)]
    return min(true, key=lambda link: link.ratio, default=None)


def largest(bandwidth: Bandwidth, key: str) -> BandwidthResult | None:
    """Return the verified result of that key with the largest copies: small ones measure the overhead."""
    return max(_all(bandwidth, key), key=lambda result: result.size_bytes, default=None)


def _all(bandwidth: Bandwidth, key: str) -> Iterable[BandwidthResult]:
    return (result for result in bandwidth.results if result.key == key and result.verified)


def _own_link(bandwidth: Bandwidth) -> Degraded | None:
    load = bandwidth.link_under_load
    if load is None or load.samples < 1:
        return None
    generation, width = known(load.generation), known(load.width)
    generation_possible, width_possible = known(load.generation_max), known(load.width_max)
    if generation is None or width is None or generation_possible is None or width_possible is None:
        return None
    return _below(
        bandwidth.pci_address, (generation, width), (generation_possible, width_possible), "NVML, during the copies"
    )


def _upper_hop(bandwidth: Bandwidth, pci: Pci | Missing) -> Degraded | None:
    expected = bandwidth.expected
    if not isinstance(expected, ExpectedLink) or isinstance(pci, Missing):
        return None
    path = path_of(bandwidth, pci)
    for place, (lower, upper) in enumerate(pairwise(path)):
        if lower.address != expected.hop or place == 0:
            continue
        possible = _both_can(lower, upper)
        if possible is not None and not _built_so(lower, place, pci):
            return _below(lower.address, (expected.generation, expected.width), possible, expected.source)
    return None


def _built_so(port: Hop, place: int, pci: Pci) -> bool:
    """Say whether other GPUs are behind ports of their own at the same place that run just as this one does.

    Ports tell what their chips can do, not how many lanes the board has between them; where each GPU has the same, it
    is the board.
    """
    others = {device.path[place].address: device.path[place] for device in pci.devices if len(device.path) > place}
    others.pop(port.address, None)
    now = (known(port.current_speed_gt_s), known(port.current_width))
    return bool(others) and all(
        (known(other.current_speed_gt_s), known(other.current_width)) == now for other in others.values()
    )


def path_of(bandwidth: Bandwidth, pci: Pci | Missing) -> tuple[Hop, ...]:
    """Return the ports from the measured GPU up, itself first; none where the bus does not show it."""
    devices = pci.devices if isinstance(pci, Pci) else ()
    return next((device.path for device in devices if same_address(device.address, bandwidth.pci_address)), ())


def path_seen(expected: ExpectedLink) -> bool:
    """Say whether the path above the GPU was seen; facts of older versions say it in their source alone."""
    return expected.path_visible and "path above it is not visible" not in expected.source


def same_address(one: str, other: str) -> bool:
    """Compare PCI addresses: NVML writes the domain with eight digits, sysfs with four."""
    return one.lower().lstrip("0") == other.lower().lstrip("0")


def fastest_pinned(bandwidth: Bandwidth) -> BandwidthResult | None:
    """Return the faster direction of pinned copies, each at its largest size."""
    found = [result for key in PINNED if (result := largest(bandwidth, key)) is not None]
    return max(found, key=lambda result: result.gb_per_s, default=None)


def own_line_rate(bandwidth: Bandwidth) -> float | None:
    """Return the line rate of the GPU's own link as NVML read it during copies."""
    load = bandwidth.link_under_load
    generation, width = (known(load.generation), known(load.width)) if load is not None else (None, None)
    return pcie_line_rate_gb_per_s(generation, width) if generation and width else None


def most_of(port: Hop) -> tuple[int, int] | None:
    """Return the generation and width that a port can do, None where it does not tell."""
    speed, width = known(port.max_speed_gt_s), known(port.max_width)
    generation = pcie_generation(speed) if speed is not None else None
    return (generation, width) if generation is not None and width else None


def coherent(bandwidth: Bandwidth) -> bool:
    """Say whether the GPU shares its memory system with the host, so that no PCIe link is between them."""
    return isinstance(bandwidth.expected, Missing) and "coherent" in bandwidth.expected.reason


def measured(result: BandwidthResult) -> Evidence:
    """Return a measurement as evidence, with the range of its samples."""
    samples = sorted(result.samples_gb_per_s)
    spread = f" (samples {samples[0]:.1f} to {samples[-1]:.1f})" if samples else ""
    return Evidence(f"{result.key}, GB/s", f"{result.gb_per_s:.2f}{spread}", result.timer)


def _both_can(lower: Hop, upper: Hop) -> tuple[int, int] | None:
    """Return generation and width that both ends of a link can do, None where either end does not tell."""
    speeds, widths = (
        (known(lower.max_speed_gt_s), known(upper.max_speed_gt_s)),
        (known(lower.max_width), known(upper.max_width)),
    )
    if speeds[0] is None or speeds[1] is None or widths[0] is None or widths[1] is None:
        return None
    generation = pcie_generation(min(speeds[0], speeds[1]))
    return None if generation is None else (generation, min(widths[0], widths[1]))


def _below(hop: str, now: tuple[int, int], possible: tuple[int, int], source: str) -> Degraded | None:
    if min(*now, *possible) < 1 or not (now[0] < possible[0] or now[1] < possible[1]):
        return None
    link = Degraded(
        hop=hop,
        generation=now[0],
        width=now[1],
        generation_possible=max(now[0], possible[0]),
        width_possible=max(now[1], possible[1]),
        source=source,
    )
    return link if link.ratio < 1.0 else None
