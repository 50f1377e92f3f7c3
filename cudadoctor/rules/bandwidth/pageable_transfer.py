"""# Copies from pageable memory are far slower than from pinned memory

## What it checks
Whether copies from or to ordinary (pageable) host memory, already touched, stay at a quarter or less of those with
pinned memory, and below 6 GB/s.
In a race that was explained: whether copies take 15 % of a minibatch, mostly from or to pageable memory, and the
minibatch would be at least 5 % faster with pinned buffers.
In a profiled program: the same of a step, where such copies stay below 0.6 of what pinned memory was measured to reach;
or whether, before large copies of a pool of XLA's threads, the host is at work for as long as it takes one core to move
these bytes (3 to 30 GB/s).
In a pasted text: whether it compares pageable with pinned memory, or wonders at a rate that pageable memory gives.

## Why it matters
The GPU cannot read memory that the system may move.
The driver first copies it, with one processor core, into a small pinned buffer: the copy runs at the rate of that core
and not at the rate of the link, and the host waits for it.

## How to fix it
Allocate the buffer pinned once, use it again and again, and fill it in place: an assignment puts a new, pageable array
in its stead.
JAX fills a pinned buffer by itself: put arrays that stay the same on the device once, before the loop, and let another
thread `jax.device_put` the next batch while this one is computed.
With PyTorch, `DataLoader(pin_memory=True)` and `tensor.to("cuda", non_blocking=True)`; with numba, as here:

```sh
python -c "from numba import cuda; a = cuda.pinned_array((1000, 1000), dtype='f4'); a[:] = 1; cuda.to_device(a)"
```

## Limits
Pageable copies at 2 to 7 times less than pinned ones are what PCIe gives, and no finding: 8 GB/s beside 55 were
measured on a healthy H100.
Pinning takes longer than one copy of the same bytes; memory that is used once is better left pageable.
A coherent link (GH200) reads pageable memory directly; there the two are alike and this is never said.

## Sources
CUDA C++ Best Practices Guide, pinned memory.
Measured: H100, Gen5 x16, 8.4 GB/s to the device and 12 to 16 back; H200 8.7 and 12.5. JAX 0.11 on an H100 filled its
buffer at 7 GB/s and copied it at 50.
Met by users in:
- <https://github.com/rapidsai/dask-cuda/pull/98>
- <https://github.com/inducer/pycuda/issues/217>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.attribution.profile.causes import STAGING_RATE, cause_of
from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.facts.base import Missing
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Race
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.bandwidth.hops import coherent, largest, measured
from cudadoctor.rules.base import CannotJudgeError, finding, rule
from cudadoctor.rules.profile.explained import NOT_PROFILED, program_finding
from cudadoctor.rules.race.explained import cause_finding

_FACTOR = 4.0
_SLOW_GB_PER_S = 6.0
"""One core of a healthy host stages 8 GB/s and more; hosts of the years of Gen3 5 to 6, where the link gives 12."""
_SMALLEST_JUDGED_BYTES = 32 * 2**20


@rule(
    id="pageable-transfer",
    title="Copies from pageable memory are far slower than from pinned memory",
    severity=Severity.NOTE,
    shows={
        "pageable-contrast": 5,
        "pageable": 3,
        "pageable rate-gbs": 2,
        "pinned rate-gbs pageable-contrast": 3,
        "pageable-pinned-rebound": 4,
        "pageable-fast": -9,
        "coherent-gpu": -6,
    },
    confirm=Confirm("cudadoctor bandwidth", "pageable copies several times slower than pinned ones of the same size"),
)
def pageable_transfer(
    bandwidth: Bandwidth | Missing, race: Race | Missing, profile: Profile | Missing = NOT_PROFILED
) -> Iterator[Finding]:
    """Note what pageable copies cost a minibatch, or a factor beyond what staging through one core costs."""
    found = False
    by_runtime = _is_staged_by_runtime(profile)
    for each in program_finding(
        pageable_transfer,
        profile,
        seen="copies from or to ordinary (pageable) memory in each step",
        cause="The library (XLA, or CuPy) first copies the array into pinned memory, with one core of the processor."
        if by_runtime
        else "The driver copies pageable memory through a pinned buffer of its own, and the host waits for it.",
        fix=Fix(
            "Put the arrays on the device once, before the loop. JAX: let another thread put the next batch there "
            "(jax.device_put) while this one is computed. CuPy: keep them in page-locked memory "
            "(cupyx.empty_pinned) and copy by set() into an array that is there already."
            if by_runtime
            else "Fill a pinned buffer in place and copy that, on a stream; or keep the data on the device.",
            ("cudadoctor bandwidth",),
        ),
    ):
        found = True
        yield each
    if isinstance(race, Race):
        for each in cause_finding(
            pageable_transfer,
            race,
            seen="copies each minibatch from ordinary (pageable) memory",
            cause="The driver copies pageable memory into a pinned buffer first, and the host waits for it.",
            fix=Fix(
                "Fill a pinned buffer in place and copy that, on a stream; or keep the data on the device.",
                ("cudadoctor bandwidth",),
            ),
        ):
            found = True
            yield each
    if isinstance(bandwidth, Bandwidth):
        if not found:
            yield from _slow_copies(bandwidth)
    elif not isinstance(race, Race) and not isinstance(profile, Profile):
        raise CannotJudgeError(f"the section bandwidth is missing: {bandwidth.reason}")


def _is_staged_by_runtime(profile: Profile | Missing) -> bool:
    found = cause_of(profile, "pageable-transfer") if isinstance(profile, Profile) else None
    return found is not None and any(sign.name == STAGING_RATE for sign in found[1].what_if.seen)


def _slow_copies(bandwidth: Bandwidth) -> Iterator[Finding]:
    if coherent(bandwidth):
        return
    pairs = []
    for direction in ("h2d", "d2h"):
        pinned, pageable = largest(bandwidth, f"{direction}_pinned"), largest(bandwidth, f"{direction}_pageable")
        if pinned is None or pageable is None or pageable.gb_per_s <= 0:
            continue
        if min(pinned.size_bytes, pageable.size_bytes) >= _SMALLEST_JUDGED_BYTES:
            pairs.append((pinned.gb_per_s / pageable.gb_per_s, pinned, pageable))
    far = [pair for pair in pairs if pair[0] >= _FACTOR and pair[2].gb_per_s < _SLOW_GB_PER_S]
    if not far:
        return
    factor, pinned, pageable = max(far, key=lambda pair: pair[0])
    way = "to the device" if pinned.key.startswith("h2d") else "from the device"
    yield finding(
        pageable_transfer,
        summary=f"Copies {way} reach {pageable.gb_per_s:.1f} GB/s with pageable memory and {pinned.gb_per_s:.1f} "
        f"GB/s with pinned memory: {factor:.1f} times as much.",
        cause="The driver copies pageable memory into a pinned buffer first, with one processor core; here that core "
        "is slow or busy.",
        confidence="supported",
        evidence=(
            measured(pinned),
            measured(pageable),
            Evidence("pinned over pageable", round(factor, 1), "cudadoctor bandwidth"),
        ),
        fix=Fix(
            "Pin the buffers that are copied again and again, and fill them in place. If the processor is busy or "
            "shared, measure again when it is not.",
            ("cudadoctor bandwidth",),
        ),
    )
