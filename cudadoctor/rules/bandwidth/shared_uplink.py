"""# GPUs that copy at once share one uplink

## What it checks
Whether the GPUs, copying all at once, reach less together than each alone would give in sum; and which port above them
they share.

## Why it matters
GPUs behind one switch, or one processor's memory, share what goes through it.
Work that feeds all of them at the same time gets the shared rate, however fast each is alone.

## How to fix it
Where there are several uplinks, spread jobs over GPUs of different ones; overlap copies with computing; copy between
the GPUs rather than from the host to each.

```sh
nvidia-smi topo -m
lspci -tv
```

## Limits
Many servers are built so; it is a note, and a warning only where all GPUs together reach less than one of them alone.
Only what was measured alone and together in the same run is compared; in files of older releases, GPUs that were not
measured alone are taken to be as fast as the measured one.

## Sources
/sys/bus/pci/devices: the parents of each GPU.
Three quarters of the sum is this project's own line.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.bandwidth import Bandwidth, BandwidthResult
from cudadoctor.facts.base import Missing
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.bandwidth.bridges import bridge
from cudadoctor.rules.bandwidth.hops import PINNED, largest
from cudadoctor.rules.base import finding, rule

_SHARES_BELOW = 0.75
_LESS_THAN_ONE = 0.9


@rule(
    id="shared-uplink",
    title="GPUs that copy at once share one uplink",
    severity=Severity.NOTE,
    confirm=Confirm("nvidia-smi topo -m; lspci -tv", "PIX or PXB between the GPUs: they are behind one bridge"),
)
def shared_uplink(bandwidth: Bandwidth, pci: Pci | Missing) -> Iterator[Finding]:
    """Fire where the sum of all at once stays below what each alone would give."""
    worst: tuple[float, str, float, float, tuple[BandwidthResult, ...]] | None = None
    for key in PINNED:
        at_once = tuple(each for each in bandwidth.together if each.key == key and each.verified)
        alone = largest(bandwidth, key)
        if len(at_once) < 2 or alone is None or alone.gb_per_s <= 0:
            continue
        total = sum(each.gb_per_s for each in at_once)
        separately = sum(_alone(bandwidth, each, alone) for each in at_once)
        if worst is None or total / separately < worst[0]:
            worst = (total / separately, key, total, alone.gb_per_s, at_once)
    if worst is None or worst[0] >= _SHARES_BELOW:
        return
    share, key, total, one, at_once = worst
    port = _shared_port(pci)
    behind = f" They are all behind {port}." if port else ""
    yield finding(
        shared_uplink,
        severity=Severity.WARNING if total < _LESS_THAN_ONE * one else Severity.NOTE,
        summary=f"{len(at_once)} GPUs at once reach {total:.1f} GB/s together ({key}), {100 * share:.0f} % of "
        f"what they would alone; one alone reaches {one:.1f} GB/s.{behind}",
        cause="They share a link, or the memory of one processor, on the way to the host.",
        confidence="proven" if port else "supported",
        evidence=tuple(
            Evidence(f"{key} of GPU {each.device}, all at once, GB/s", round(each.gb_per_s, 2), each.timer)
            for each in at_once
        )
        + (Evidence(f"{key} alone, GB/s", round(one, 2), "cudadoctor bandwidth"),)
        + ((Evidence("port that all share", port, "/sys/bus/pci/devices"),) if port else ()),
        fix=Fix(
            "Spread work over GPUs of different uplinks, or copy once and then between the GPUs.",
            ("nvidia-smi topo -m", "lspci -tv"),
        ),
    )


def _alone(bandwidth: Bandwidth, at_once: BandwidthResult, measured: BandwidthResult) -> float:
    wanted = (at_once.key, at_once.device)
    for run in (bandwidth.alone, bandwidth.results):  # the former are copies of the same size
        own = [each.gb_per_s for each in run if (each.key, each.device) == wanted and each.verified]
        if own:
            return max(own)
    return measured.gb_per_s


def _shared_port(pci: Pci | Missing) -> str:
    """Return the lowest port that all GPUs are behind, "" where there is none or the bus was not read."""
    paths = [device.path for device in pci.devices] if isinstance(pci, Pci) else []
    if len(paths) < 2:
        return ""
    for port in paths[0][1:]:
        if all(any(port.address == other.address for other in path[1:]) for path in paths[1:]):
            return bridge(port).words
    return ""
