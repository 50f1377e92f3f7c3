"""Measured copy bandwidth between host and device, and what the link should carry.

GB/s is 10^9 bytes per second.
"""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Missing, Section
from cudadoctor.facts.ladder import Step


class BandwidthResult(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement: one kind of copy at one size on one device.

    `gb_per_s` is the median of `samples_gb_per_s`; each sample is `copies_per_sample` copies of `size_bytes`.
    `timer` is `events` (CUDA events, with the copies queued before the start) or `host clock` (copies that block the
    host, such as pageable ones). For `d2d_local` the bytes copied count once: the memory system moves twice as many.
    `verified` is True only if what arrived was compared with what was sent after every sample.
    """

    key: str
    device: int
    size_bytes: int
    gb_per_s: float
    samples_gb_per_s: tuple[float, ...]
    verified: bool
    copies_per_sample: int
    timer: str
    note: str = ""


class SkippedMeasurement(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement that was not made, and why."""

    key: str
    device: int
    reason: str


class ExpectedLink(msgspec.Struct, frozen=True, kw_only=True, tag_field="state", tag="known"):
    """Line rate, in one direction, of the narrowest hop between the GPU and the host.

    `hop` is the PCI address of the lower end of that hop; `generation` and `width` are its link under load.
    """

    gb_per_s: float
    hop: str
    generation: int
    width: int
    source: str


class LinkUnderLoad(msgspec.Struct, frozen=True, kw_only=True):
    """NVML's readings while pinned copies ran: the greatest generation and width, and medians of the rest."""

    device: int
    generation: Fact[int]
    width: Fact[int]
    generation_max: Fact[int]
    width_max: Fact[int]
    performance_state: Fact[int]
    sm_clock_mhz: Fact[int]
    memory_clock_mhz: Fact[int]
    clock_event_reasons: Fact[int]
    samples: int


class Bandwidth(Section, frozen=True, kw_only=True):
    """One run of the bandwidth measurement on one GPU.

    `cut_short` is the call in which the driver hung or died, if it did; what had been measured before stands.
    """

    device: int
    device_name: str
    device_uuid: str
    pci_address: str
    results: tuple[BandwidthResult, ...]
    skipped: tuple[SkippedMeasurement, ...]
    expected: ExpectedLink | Missing
    link_under_load: LinkUnderLoad | None
    seconds: float
    cut_short: Step | None = None

    def result(self, key: str) -> BandwidthResult | None:
        """Return the first measurement with that key, or None."""
        for result in self.results:
            if result.key == key:
                return result
        return None
