"""A measurement with everything in it, for tests of what is shown. The figures are made up, near those of an H100."""

from __future__ import annotations

from typing import Any

import msgspec

from cudadoctor.facts.bandwidth import (
    Bandwidth,
    BandwidthResult,
    CurvePoint,
    Fit,
    Latency,
    LinkErrors,
    PeerResult,
    SizeCurve,
    SkippedMeasurement,
)
from tests.rules.build import bandwidth, fact

RATES = {
    "h2d_pinned": 54.95,
    "d2h_pinned": 55.17,
    "h2d_pageable": 8.4,
    "d2h_pageable": 15.9,
    "h2d_pageable_fresh": 4.1,
    "d2h_pageable_fresh": 3.9,
    "h2d_write_combined": 55.1,
    "d2h_write_combined": 55.2,
    "h2d_mapped": 51.2,
    "d2h_mapped": 52.4,
    "h2d_managed": 12.5,
    "d2h_managed": 14.5,
    "h2d_registered": 54.8,
    "d2h_registered": 55.0,
    "h2d_bidirectional": 45.89,
    "d2h_bidirectional": 51.39,
    "d2d_local": 1489.5,
    "numba_h2d": 8.1,
    "numba_d2h": 15.2,
    "numba_h2d_pinned": 53.9,
    "numba_d2h_pinned": 54.1,
}
KERNEL = ("h2d_mapped", "d2h_mapped")


def result(key: str, rate: float, **values: Any) -> BandwidthResult:
    told: dict[str, Any] = {
        "device": 0,
        "size_bytes": 2**29,
        "samples_gb_per_s": (rate * 0.999, rate, rate * 1.001),
        "verified": True,
        "copies_per_sample": 16,
        "timer": "events",
    } | values
    return BandwidthResult(key=key, gb_per_s=rate, **told)


def curve(key: str = "h2d_pinned", *, overhead_s: float = 9e-6, gb_per_s: float = 54.95, fit: bool = True) -> SizeCurve:
    sizes = [4**exponent for exponent in range(1, 16)]
    seconds = [overhead_s + size / (gb_per_s * 1e9) for size in sizes]
    points = tuple(
        CurvePoint(size_bytes=size, seconds=time, samples_seconds=(time, time, time))
        for size, time in zip(sizes, seconds, strict=True)
    )
    half = overhead_s * gb_per_s * 1e9
    fitted = Fit(
        overhead_s=overhead_s,
        overhead_interval_s=(overhead_s * 0.98, overhead_s * 1.02),
        gb_per_s=gb_per_s,
        gb_per_s_interval=(gb_per_s - 0.1, gb_per_s + 0.1),
        half_bytes=half,
        half_bytes_interval=(half * 0.98, half * 1.02),
        worst_relative_error=0.03,
    )
    return SizeCurve(key=key, device=0, points=points, fit=fitted if fit else None)


def latency(key: str, seconds: float) -> Latency:
    return Latency(key=key, device=0, seconds=seconds, samples_seconds=(seconds * 0.99, seconds, seconds * 1.01))


def peers(count: int) -> tuple[PeerResult, ...]:
    return tuple(
        PeerResult(
            key=key,
            source=source,
            target=target,
            access=access,
            gb_per_s=(370.0 if access else 40.0) + source + target / 10,
            samples_gb_per_s=(),
            size_bytes=2**29,
            verified=True,
        )
        for key in ("p2p_read", "p2p_write")
        for access in (True, False)
        for source in range(count)
        for target in range(count)
        if source != target
    )


def everything(**values: Any) -> Bandwidth:
    """Return a run in which all was measured, with fields replaced."""
    results = [result(key, rate, mover="kernel" if key in KERNEL else "copy engine") for key, rate in RATES.items()]
    told: dict[str, Any] = {
        "results": tuple(results),
        "skipped": (
            SkippedMeasurement(key="h2d_registered", device=0, reason="this kernel cannot register memory"),
            SkippedMeasurement(key="d2h_registered", device=0, reason="this kernel cannot register memory"),
        ),
        "curves": (curve(), curve("d2h_pinned", overhead_s=8e-6, gb_per_s=55.2)),
        "latencies": (
            latency("pointer_chase_host", 1.214e-6),
            latency("submit", 2.1e-6),
            latency("h2d_small", 7.9e-6),
            latency("d2h_small", 8.4e-6),
            latency("numba_h2d_small", 134e-6),
            latency("numba_d2h_small", 40e-6),
            latency("numba_launch", 6e-6),
        ),
        "peers": peers(2),
        "alone": (result("h2d_pinned", 54.8), result("h2d_pinned", 54.9, device=1)),
        "together": (result("h2d_pinned", 27.4), result("h2d_pinned", 27.6, device=1)),
        "near": (result("h2d_pinned", 54.9), result("d2h_pinned", 55.1)),
        "far": (result("h2d_pinned", 41.2), result("d2h_pinned", 38.7)),
        "link_errors": LinkErrors(
            replays_before=fact(3), replays_after=fact(5), corrected_before=fact(0), corrected_after=fact(0)
        ),
    }
    return msgspec.structs.replace(bandwidth(), **(told | values))
