"""The measured figures of a node that are held against those of its peers, and who the peers are."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from cudadoctor.facts.bandwidth import Bandwidth, BandwidthResult, ExpectedLink
from cudadoctor.facts.base import known
from cudadoctor.facts.fleet import Measured
from cudadoctor.facts.host import Host
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.race import Race

LINK_KEYS = ("h2d_pinned", "d2h_pinned", "h2d_bidirectional", "d2h_bidirectional")
_DEVICE_KEYS = ("d2d_local",)
_SHARED_OF_LINK = ("h2d_pinned", "d2h_pinned")

_SMALLEST_BYTES = 32 * 2**20
"""Below, the overhead of a call shows in a rate (0.6 ms at 55 GB/s leave 2 % for 10 µs)."""

_BEYOND_ANY_MACHINE = 1e12
"""GB/s or seconds. A file that says so is broken, and the sums of its figures may be no numbers."""


def figures_of(machine: Machine) -> tuple[Measured, ...]:
    """Return the figures of a machine's own measurements; only what was verified, or trained to the end."""
    found: list[Measured] = []
    if isinstance(machine.bandwidth, Bandwidth):
        found += _copies(machine.bandwidth)
    if isinstance(machine.race, Race):
        cpu = known(machine.host.cpu_name) if isinstance(machine.host, Host) else None
        found += _lanes(machine.race, cpu or "unknown CPU")
    return tuple(found)


def _copies(bandwidth: Bandwidth) -> Iterator[Measured]:
    link = link_kind(bandwidth)
    rate = bandwidth.expected.gb_per_s if isinstance(bandwidth.expected, ExpectedLink) else 0.0
    for key in (*LINK_KEYS, *_DEVICE_KEYS):
        result = _largest(bandwidth, key)
        if result is None:
            continue
        yield Measured(
            key=key,
            value=result.gb_per_s,
            unit="GB/s",
            peers=f"{bandwidth.device_name}, {link}" if key in LINK_KEYS else bandwidth.device_name,
            link_share=result.gb_per_s / rate if rate > 0 and key in _SHARED_OF_LINK else None,
        )


def link_kind(bandwidth: Bandwidth) -> str:
    """Return what link the GPU was built into: what card and slot can, or the hop above them that is narrower.

    Not what it was trained to: a link that is down-trained must be held against healthy ones.
    """
    load, expected = bandwidth.link_under_load, bandwidth.expected
    if isinstance(expected, ExpectedLink) and expected.hop != bandwidth.pci_address:
        return f"behind Gen{expected.generation} x{expected.width}"
    if load is not None and (generation := known(load.generation_max)) and (width := known(load.width_max)):
        return f"Gen{generation} x{width}"
    if isinstance(expected, ExpectedLink):
        return f"Gen{expected.generation} x{expected.width}"
    return "link unknown"


def _largest(bandwidth: Bandwidth, key: str) -> BandwidthResult | None:
    """Return the verified result with the largest copies."""
    good = [
        result
        for result in bandwidth.results
        if result.key == key
        and result.verified
        and result.device == bandwidth.device
        and result.size_bytes >= _SMALLEST_BYTES
        and _usable(result.gb_per_s)
    ]
    return max(good, key=lambda result: result.size_bytes, default=None)


def _lanes(race: Race, cpu: str) -> Iterator[Measured]:
    network = f"{race.data} data, {'-'.join(map(str, race.layers[:8]))} {race.hidden}, minibatches of {race.batch_size}"
    for lane in race.lanes:
        seconds = [epoch.seconds for epoch in lane.epochs if _usable(epoch.seconds)]
        if lane.state != "finished" or not seconds:
            continue
        # A lane on a GPU waits for its host as well.
        where = lane.device_name if lane.device == "cpu" else f"{lane.device_name} with {cpu}"
        yield Measured(key=f"race {lane.name}", value=statistics.median(seconds), unit="s", peers=f"{where}; {network}")


def _usable(value: float) -> bool:
    return 0 < value < _BEYOND_ANY_MACHINE
