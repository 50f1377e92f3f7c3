"""# A hop above the GPU is narrower than the GPU's own link

## What it checks
Whether a hop between the GPU and the root of its PCI tree carries less than the GPU's own link, though it runs as it is
built to; whose bridge that is, by its PCI ids; and whether the slot hangs behind the chipset of the board.

## Why it matters
The link that tools show is the GPU's own: it may say x16 while a bridge above it has four lanes.
The lanes of a chipset are shared with its drives, network and USB, and slower than those of the processor.

## How to fix it
Move the card to a slot whose lanes come from the processor: the manual of the board names them, and it is nearly always
the upper long slot.
In a server or a cloud instance whose switch is built so, nothing is wrong: expect what the narrow hop carries.

```sh
lspci -tv
nvidia-smi topo -m
```

## Limits
The link between an Intel chipset and its processor (DMI) is not on the PCI bus; such a slot is told by the place of its
root port, and only reported where the copies are slow or the card could do more.
Where the path is hidden, as in many virtual machines, nothing can be said.

## Sources
/sys/bus/pci/devices: the links of the GPU's parents; PCI ids of <https://pci-ids.ucw.cz>.
Root ports of Intel's chipsets are devices 1b to 1d of bus 0 (datasheets of the Platform Controller Hubs).
Met by users in:
- <https://github.com/noonghunna/club-3090/pull/895>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.bandwidth import Bandwidth, ExpectedLink
from cudadoctor.facts.pci import Hop, Pci
from cudadoctor.findings import Confidence, Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.bandwidth.bridges import Bridge, bridge, chipset_port
from cudadoctor.rules.bandwidth.hops import (
    degraded,
    fastest_pinned,
    measured,
    most_of,
    own_line_rate,
    path_of,
)
from cudadoctor.rules.base import CannotJudgeError, finding, rule
from cudadoctor.units import pcie_line_rate_gb_per_s

_FITS_FROM = 0.60
_ROUNDING = 1.02


@rule(
    id="pcie-chipset-lanes",
    title="A hop above the GPU is narrower than the GPU's own link",
    severity=Severity.WARNING,
    explains=("bandwidth-below-link", "pcie-card-better-than-slot"),
    shows={"chipset-lanes": 6, "chipset-lanes rate-gbs": 3},
    confirm=Confirm(
        "lspci -tv; for d in /sys/bus/pci/devices/*; do grep -Hs . $d/current_link_speed $d/current_link_width; done",
        "a bridge above the GPU with a lower speed or fewer lanes than the GPU has",
    ),
)
def pcie_chipset_lanes(bandwidth: Bandwidth, pci: Pci) -> Iterator[Finding]:
    """Warn of a slot behind the chipset that costs speed; note a narrow uplink of any other bridge."""
    expected = bandwidth.expected
    if not isinstance(expected, ExpectedLink):
        raise CannotJudgeError(f"what the link can carry is not known: {expected.reason}")
    path = path_of(bandwidth, pci)
    if not path or degraded(bandwidth, pci) is not None:
        return
    own = own_line_rate(bandwidth) or _most_line_rate(path[0])
    narrow = _port(path, expected) if own is not None and expected.gb_per_s * _ROUNDING < own else None
    chipset = chipset_port(path)
    if narrow is None and not (chipset is not None and _costs(bandwidth, path, expected)):
        return
    fastest = fastest_pinned(bandwidth)
    where = chipset or (bridge(narrow) if narrow is not None else None)
    if where is None or own is None:
        return
    yield finding(
        pcie_chipset_lanes,
        severity=Severity.WARNING if chipset is not None else Severity.NOTE,
        summary=_summary(bandwidth, expected, where, own, narrow is not None),
        cause="The slot hangs behind the chipset, whose lanes are few and shared with drives, network and USB."
        if chipset is not None
        else "The bridge above the GPU has fewer or slower lanes to the processor than to the GPU. Servers and cloud "
        "instances are built so; copies at that rate are right.",
        confidence="supported" if fastest is None or narrow is None else _confidence(fastest.gb_per_s, expected),
        evidence=(
            Evidence("narrowest hop", f"{expected.hop}, Gen{expected.generation} x{expected.width}", expected.source),
            Evidence("line rate of the narrowest hop, GB/s", expected.gb_per_s, expected.source),
            Evidence("line rate of the GPU's own link, GB/s", own, "NVML, during the copies"),
            Evidence("bridge", where.words, "/sys/bus/pci/devices: vendor and device"),
            *((measured(fastest), _fit(fastest.gb_per_s, expected)) if fastest is not None else ()),
        ),
        fix=Fix(
            "Move the card to a slot whose lanes come from the processor; the board's manual names them.",
            ("lspci -tv", "nvidia-smi topo -m"),
        )
        if chipset is not None
        else Fix(
            f"Expect up to {expected.gb_per_s:g} GB/s. On a board of your own, another slot may have more lanes.",
            ("lspci -tv",),
        ),
    )


def _port(path: tuple[Hop, ...], expected: ExpectedLink) -> Hop | None:
    return next((port for port in path[1:] if port.address == expected.hop), None)


def _most_line_rate(port: Hop) -> float | None:
    most = most_of(port)
    return pcie_line_rate_gb_per_s(*most) if most is not None else None


def _costs(bandwidth: Bandwidth, path: tuple[Hop, ...], expected: ExpectedLink) -> bool:
    """Say whether a slot behind the chipset is slower than its own link, or than the card could be."""
    card, fastest = _most_line_rate(path[0]), fastest_pinned(bandwidth)
    could = card is not None and card > expected.gb_per_s * _ROUNDING
    return could or (fastest is not None and fastest.gb_per_s < _FITS_FROM * expected.gb_per_s)


def _confidence(gb_per_s: float, expected: ExpectedLink) -> Confidence:
    return "proven" if gb_per_s >= _FITS_FROM * expected.gb_per_s else "supported"


def _fit(gb_per_s: float, expected: ExpectedLink) -> Evidence:
    fits = gb_per_s >= _FITS_FROM * expected.gb_per_s
    return Evidence(
        "fits the narrowest hop" if fits else "slower than even the narrowest hop",
        f"{gb_per_s:.1f} GB/s are {100 * gb_per_s / expected.gb_per_s:.0f} % of {expected.gb_per_s:g} GB/s",
        "cudadoctor bandwidth",
    )


def _summary(bandwidth: Bandwidth, expected: ExpectedLink, where: Bridge, own: float, narrow: bool) -> str:
    fastest = fastest_pinned(bandwidth)
    reached = f"; copies reach {fastest.gb_per_s:.1f} GB/s" if fastest is not None else ""
    if narrow:
        return (
            f"The link at {expected.hop} above {bandwidth.device_name} is Gen{expected.generation} x{expected.width}, "
            f"{expected.gb_per_s:g} GB/s, where the GPU's own link carries {own:g}{reached}. It is at {where.words}."
        )
    return (
        f"{bandwidth.device_name} is behind {where.words}, at Gen{expected.generation} x{expected.width}, "
        f"{expected.gb_per_s:g} GB/s{reached}."
    )
