"""What a bandwidth measurement tells while it runs."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.bandwidth import Bandwidth, BandwidthResult, Latency, PeerResult, SizeCurve, SkippedMeasurement


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """The device was found and opened."""

    device: int
    name: str
    uuid: str
    pci_address: str
    coherent: bool


class Sampled(msgspec.Struct, frozen=True):
    """One sample was taken and verified."""

    key: str
    gb_per_s: float


class Measured(msgspec.Struct, frozen=True):
    """One kind of copy is done."""

    result: BandwidthResult


class Curved(msgspec.Struct, frozen=True):
    """One kind of copy was timed at all sizes, and the fit made."""

    curve: SizeCurve


class Timed(msgspec.Struct, frozen=True):
    """One latency is done."""

    latency: Latency


class MeasuredAlone(msgspec.Struct, frozen=True):
    """One GPU of several is done while the others rested."""

    result: BandwidthResult


class MeasuredTogether(msgspec.Struct, frozen=True):
    """One GPU of several that copied at once is done."""

    result: BandwidthResult


class MeasuredPeer(msgspec.Struct, frozen=True):
    """Copies from one GPU to another are done."""

    result: PeerResult


class MeasuredOnNode(msgspec.Struct, frozen=True):
    """Copies with host memory on one NUMA node, `near` or `far`, are done in one direction."""

    where: str
    result: BandwidthResult


class NodesDone(msgspec.Struct, frozen=True):
    """Near and far have been measured, as far as they could be."""


class Skipped(msgspec.Struct, frozen=True):
    """One kind of copy has no result."""

    skipped: SkippedMeasurement


class Finished(msgspec.Struct, frozen=True):
    """All is done; `bandwidth` holds all results and what was skipped. It comes last, and once."""

    bandwidth: Bandwidth


Event = (
    Started
    | Sampled
    | Measured
    | Curved
    | Timed
    | MeasuredAlone
    | MeasuredTogether
    | MeasuredPeer
    | MeasuredOnNode
    | NodesDone
    | Skipped
    | Finished
)
