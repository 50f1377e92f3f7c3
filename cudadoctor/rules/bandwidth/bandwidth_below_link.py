"""# Copies are slower than the link can carry

## What it checks
Whether pinned copies from host to device or back reach at least 0.75 of the line rate of the narrowest hop between
GPU and host.

## Why it matters
A healthy link gives 75 to 90 % of its line rate to large pinned copies; the rest is protocol.
Less means that something else takes it: a noisy link that repeats packets, memory on the far socket, a virtualised
path, or other traffic.

## How to fix it
Measure again on an idle machine.
Bind the process to the socket of the GPU.
Look for replays and correctable errors.
For a GPU on NUMA node 0:

```sh
nvidia-smi topo -m
numactl --cpunodebind=0 --membind=0 cudadoctor bandwidth
```

## Limits
Bands: fine at 0.75 and above, warning from 0.60, error below 0.60.
Up to Gen3 the fine band starts at 0.64, because good Gen3 x16 links are known from 10.2 GB/s on.
Slow copies are judged from 32 MiB on, and smaller ones if each takes 0.5 ms or more: in shorter ones the overhead of a
call shows.
A link that is itself degraded is reported as pcie-link-degraded instead.
Where a virtual machine shows the GPU but not the path above it, and in WSL2, slow copies are not judged: a narrower
hop that is not seen may be what makes them slow, and right.
Where the bus is not seen at all (Windows, some containers), the finding is only possible.
A coherent link (GH200, Jetson) is not judged by PCIe at all.

## Sources
Known good points: Gen3 x16 10.2 to 12.4, Gen4 x16 24 to 27, Gen5 x16 55 to 57.3 GB/s (nvbandwidth on machines of each
kind); measured on an H100, Gen5 x16: 54.95 and 55.17 GB/s, 0.87 of 63.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.bandwidth import Bandwidth, BandwidthResult, ExpectedLink
from cudadoctor.facts.base import Missing
from cudadoctor.facts.host import Host
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.bandwidth.hops import PINNED, degraded, largest, measured, path_of, path_seen
from cudadoctor.rules.base import CannotJudgeError, finding, rule
from cudadoctor.rules.reading import on_wsl
from cudadoctor.units import format_size

_FINE_FROM = 0.75
_FINE_FROM_TO_GEN3 = 0.64
"""10.2 GB/s, the lowest good Gen3 x16, is 0.648 of 15.75."""
_ERROR_BELOW = 0.60
_LARGE_BYTES, _LONG_S = 32 * 2**20, 0.5e-3
"""32 MiB are 0.6 ms at 55 GB/s: an overhead of some 10 µs a copy stays at 2 %, as in any copy that takes as long."""

_DIRECTION = {"h2d_pinned": "host to device", "d2h_pinned": "device to host"}


@rule(
    id="bandwidth-below-link",
    title="Copies are slower than the link can carry",
    severity=Severity.WARNING,
    confirm=Confirm(
        "nvidia-smi topo -m; nvidia-smi -q | grep -iE 'replay|rollover'",
        "replays above 0, or a GPU on another NUMA node than the process",
    ),
)
def bandwidth_below_link(bandwidth: Bandwidth, pci: Pci | Missing, host: Host | Missing) -> Iterator[Finding]:
    """Fire where pinned copies stay below the bands, and the link itself is as it should be."""
    expected = bandwidth.expected
    if not isinstance(expected, ExpectedLink):
        raise CannotJudgeError(f"what the link can carry is not known: {expected.reason}")
    if expected.gb_per_s <= 0 or degraded(bandwidth, pci) is not None:
        return
    fine_from = _FINE_FROM_TO_GEN3 if expected.generation <= 3 else _FINE_FROM
    slow = tuple(
        result
        for key in PINNED
        if (result := largest(bandwidth, key)) is not None and result.gb_per_s / expected.gb_per_s < fine_from
    )
    judged = tuple(result for result in slow if _rules_over_overhead(result))
    if not slow:
        return
    worst = min(judged or slow, key=lambda result: result.gb_per_s)
    share = worst.gb_per_s / expected.gb_per_s
    if not judged:
        raise CannotJudgeError(
            f"{worst.key} reaches {worst.gb_per_s:.1f} GB/s, {100 * share:.0f} % of {expected.gb_per_s:g}, with copies "
            f"of {format_size(worst.size_bytes)}, in which the overhead of a call shows"
        )
    if not path_seen(expected) and (path_of(bandwidth, pci) or on_wsl(host, Missing("not asked"))):
        raise CannotJudgeError(
            f"{worst.key} reaches {worst.gb_per_s:.1f} GB/s, {100 * share:.0f} % of the GPU's own "
            f"Gen{expected.generation} x{expected.width} link, but this virtual machine hides the path above the GPU, "
            "and a narrower hop in it would make that right"
        )
    where = "" if expected.hop == bandwidth.pci_address else f" at {expected.hop}"
    yield finding(
        bandwidth_below_link,
        severity=Severity.ERROR if share < _ERROR_BELOW else Severity.WARNING,
        summary=f"Pinned copies from {_DIRECTION[worst.key]} reach {worst.gb_per_s:.1f} GB/s, {100 * share:.0f} % of "
        f"the {expected.gb_per_s:g} GB/s of the narrowest hop{where} (Gen{expected.generation} x{expected.width}); "
        f"{100 * fine_from:.0f} % and above is fine.",
        cause="The link is trained as it should be, so something else takes the bandwidth: repeated packets, memory "
        "on the far socket, virtualisation, or other traffic."
        + ("" if path_seen(expected) else " The path above the GPU cannot be seen here: a narrow hop in it also may."),
        confidence="supported" if path_seen(expected) else "possible",
        evidence=(
            *(measured(result) for result in judged),
            Evidence("line rate of the narrowest hop, GB/s", expected.gb_per_s, expected.source),
            Evidence("narrowest hop", f"{expected.hop}, Gen{expected.generation} x{expected.width}", expected.source),
        ),
        fix=Fix(
            "Measure again on an idle machine. If it stays, bind to the GPU's socket and look for link errors.",
            (
                "nvidia-smi topo -m",
                "nvidia-smi -q | grep -iE 'replay|rollover'",
                "sudo dmesg | grep -iE 'pcie|aer'",
            ),
        ),
    )


def _rules_over_overhead(result: BandwidthResult) -> bool:
    return result.size_bytes >= _LARGE_BYTES or result.size_bytes >= _LONG_S * result.gb_per_s * 1e9
