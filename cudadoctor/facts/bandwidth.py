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
    `verified` is True only if what arrived was compared with what was sent after every sample. `mover` is what moves
    the bytes: `copy engine` or `kernel` (threads of the GPU load and store them, as for mapped memory). A bidirectional
    result is the rate of its own direction while the other one is busy. Keys that begin with `numba_` are copies by
    numba's calls, with what each call costs: `cuda.to_device` takes device memory anew each time. `numa_node` is where
    the pages of the host's memory were found, None where that was not asked.
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
    mover: str = "copy engine"
    numa_node: int | None = None


class SkippedMeasurement(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement that was not made, and why."""

    key: str
    device: int
    reason: str


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """One size of a curve: median seconds of one copy, and the samples that it is the median of."""

    size_bytes: int
    seconds: float
    samples_seconds: tuple[float, ...]


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """Copy time as t0 + n / B, fitted to a curve.

    `overhead_s` is t0, `gb_per_s` is B, and `half_bytes` = t0 B the size that reaches half of B. Each has its 95 %
    interval (low, high). `worst_relative_error` is the largest deviation of a point from the fit.
    """

    overhead_s: float
    overhead_interval_s: tuple[float, float]
    gb_per_s: float
    gb_per_s_interval: tuple[float, float]
    half_bytes: float
    half_bytes_interval: tuple[float, float]
    worst_relative_error: float


class SizeCurve(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of copy over sizes from 4 B up, one copy at a time; `fit` is None where it could not be made."""

    key: str
    device: int
    points: tuple[CurvePoint, ...]
    fit: Fit | None = None


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """One latency in seconds, median of its samples.

    Keys: `pointer_chase_host` (one dependent load by a GPU thread from pinned host memory), `submit` (queueing one
    copy), `h2d_small`, `d2h_small` (a synchronous copy of 4 B from and to pinned memory), and what a numba user gets:
    `numba_h2d_small` (`cuda.to_device` of 4 B, with taking the device memory for it), `numba_d2h_small`
    (`copy_to_host`), `numba_launch` (launching an empty kernel, without waiting for it).
    """

    key: str
    device: int
    seconds: float
    samples_seconds: tuple[float, ...]


class PeerResult(msgspec.Struct, frozen=True, kw_only=True):
    """One copy between two GPUs, by their driver API's indices.

    `key` is `p2p_read` (the target's engine fetches) or `p2p_write` (the source's engine sends); `access` says whether
    peer access was on.
    """

    key: str
    source: int
    target: int
    access: bool
    gb_per_s: float
    samples_gb_per_s: tuple[float, ...]
    size_bytes: int
    verified: bool


class LinkErrors(msgspec.Struct, frozen=True, kw_only=True):
    """Error counters of the link before and after the measurement: PCIe replays, and corrected AER errors."""

    replays_before: Fact[int]
    replays_after: Fact[int]
    corrected_before: Fact[int]
    corrected_after: Fact[int]


class ExpectedLink(msgspec.Struct, frozen=True, kw_only=True, tag_field="state", tag="known"):
    """Line rate, in one direction, of the narrowest hop between the GPU and the host.

    `hop` is the PCI address of the lower end of that hop; `generation` and `width` are its link under load.
    `path_visible` is False where only the GPU's own link is known, as in virtual machines that hide the ports above
    it: a narrower hop may then be there.
    """

    gb_per_s: float
    hop: str
    generation: int
    width: int
    source: str
    path_visible: bool = True


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


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """How a run was asked to measure; a result says for itself where its size or its copies were others.

    One of the `samples` is `copies` queued copies after `warm_ups`, or `pageable_copies` of those that block the host
    after `blocking_warm_ups`. `size_bytes` is that of the main kinds, `extra_bytes` that of the others, `peer_bytes`
    that of several GPUs, and `curve_bytes` the largest of the curves; None for what was not asked for. A stream is held
    for `hold_bound_s` at most. `gpus` were to be measured together.
    """

    samples: int
    copies: int
    pageable_copies: int
    warm_ups: int
    blocking_warm_ups: int
    hold_bound_s: float
    size_bytes: int
    extra_bytes: int
    peer_bytes: int | None = None
    curve_bytes: int | None = None
    gpus: tuple[int, ...] = ()


class Bandwidth(Section, frozen=True, kw_only=True):
    """One run of the bandwidth measurement on one GPU.

    `cut_short` is the call in which the driver hung or died, if it did, and `interrupted` says whether Ctrl-C ended the
    run; what had been measured before stands. `alone` are pinned copies of this and the other GPUs, one GPU after the
    other, and `together` the same copies made all at once, one result a GPU; `peers` are copies between GPUs. `near`
    and `far` are pinned copies with host memory on the GPU's own NUMA node and on the one that is farthest from it:
    pages that were placed there, found there, and then registered.
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
    interrupted: bool = False
    curves: tuple[SizeCurve, ...] = ()
    latencies: tuple[Latency, ...] = ()
    together: tuple[BandwidthResult, ...] = ()
    alone: tuple[BandwidthResult, ...] = ()
    peers: tuple[PeerResult, ...] = ()
    near: tuple[BandwidthResult, ...] = ()
    far: tuple[BandwidthResult, ...] = ()
    link_errors: LinkErrors | None = None
    parameters: Parameters | None = None

    def result(self, key: str) -> BandwidthResult | None:
        """Return the first measurement with that key, or None."""
        for result in self.results:
            if result.key == key:
                return result
        return None
