"""# Peer access makes copies between GPUs slower

## What it checks
Whether copies between two GPUs are slower with peer access on than with it off.

## Why it matters
With peer access, data goes straight from one GPU to the other; without, through host memory.
Where the direct way is the slower one, packets are sent up to the processor and back: an IOMMU that translates them, or
ACS, by which bridges send all traffic between devices upwards for inspection.

## How to fix it
On a machine of your own that hosts no virtual machines, switch ACS redirection and the translating IOMMU off in the
BIOS, or pass the IOMMU's traffic through (`iommu=pt` in the kernel's command line).
Until then, leave peer access off for these GPUs.
For NCCL, and to see whether ACS is on:

```sh
export NCCL_P2P_DISABLE=1
sudo lspci -vvv | grep -E '^[0-9a-f]|ACSCtl'
```

## Limits
Judged only where both ways were measured and verified; a tenth slower is within what measurements differ.
Virtual machines need ACS and the IOMMU, and their hosts set them.

## Sources
NVIDIA's documentation of NCCL, troubleshooting, PCI Access Control Services.
Documentation/PCI and Documentation/admin-guide/kernel-parameters.txt of the Linux kernel (`iommu=pt`).
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.bandwidth import Bandwidth, PeerResult
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule

_SLOWER = 0.9
_MOST_PAIRS = 8


@rule(
    id="peer-access-slow",
    title="Peer access makes copies between GPUs slower",
    severity=Severity.WARNING,
    confirm=Confirm(
        "nvidia-smi topo -p2p r; cat /proc/cmdline; ls /sys/class/iommu; lspci -vvv 2>/dev/null | grep ACSCtl",
        "ACSCtl with SrcValid+ or ReqRedir+, or an IOMMU without iommu=pt",
    ),
)
def peer_access_slow(bandwidth: Bandwidth) -> Iterator[Finding]:
    """Fire where a direct copy is slower than the one through host memory."""
    slow = []
    for on in bandwidth.peers:
        off = next((each for each in bandwidth.peers if _same_way(each, on) and not each.access), None)
        if on.access and off is not None and on.verified and off.verified and on.gb_per_s < _SLOWER * off.gb_per_s:
            slow.append((on, off))
    if not slow:
        return
    on, off = min(slow, key=lambda pair: pair[0].gb_per_s / pair[1].gb_per_s)
    ways = len([each for each in bandwidth.peers if each.access])
    yield finding(
        peer_access_slow,
        summary=f"From GPU {on.source} to GPU {on.target}, {on.key} reaches {on.gb_per_s:.1f} GB/s with peer access "
        f"and {off.gb_per_s:.1f} GB/s without; {len(slow)} of {ways} measured ways are slower with it.",
        cause="Packets between the GPUs go up to the processor: ACS redirects them there, or an IOMMU translates them.",
        confidence="supported",
        evidence=tuple(
            Evidence(
                f"{on.key} {on.source} to {on.target}, GB/s",
                f"{on.gb_per_s:.2f} with access, {off.gb_per_s:.2f} without",
                "copies between the GPUs",
            )
            for on, off in slow[:_MOST_PAIRS]
        ),
        fix=Fix(
            "Switch ACS redirection off or pass the IOMMU through (iommu=pt), if no virtual machine needs them; until "
            "then leave peer access off.",
            ("export NCCL_P2P_DISABLE=1", "sudo lspci -vvv | grep -E '^[0-9a-f]|ACSCtl'"),
        ),
    )


def _same_way(one: PeerResult, other: PeerResult) -> bool:
    return (one.key, one.source, one.target) == (other.key, other.source, other.target)
