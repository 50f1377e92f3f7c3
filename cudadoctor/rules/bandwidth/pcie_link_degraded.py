"""# The PCIe link runs below what both ends can do

## What it checks
Whether, while pinned copies ran, the link of the GPU (or the narrowest hop above it) was of a lower generation or
width than both its ends support, and whether the measured bandwidth fits that lower link.

## Why it matters
Every copy between host and device goes over that link.
Half the lanes or one generation less is half the bandwidth.

## How to fix it
Reseat the card and look at riser and retimer cables; check the BIOS for the slot's generation, bifurcation and power
saving; try another slot.
A link that falls back again and again points to a marginal board or cable: a fixed lower generation is then at least
stable.

```sh
sudo lspci -vv -d 10de: | grep -E '^[0-9a-f]|LnkCap:|LnkSta:'
sudo dmesg | grep -iE 'pcie|aer|bandwidth, limited'
```

## Limits
Readings at idle are never used: an idle GPU trains its link down to Gen1, and that is no fault.
A reading that the measured bandwidth exceeds is not believed.
A slot that has fewer lanes than the card is not degraded: NVML's maximum is that of card and system together.
Ports tell what their chips can do, not how many lanes the board has between them: a hop above the GPU that is as narrow
for each GPU of the machine is taken for the board's design (pcie-chipset-lanes).
It is proven where the copies fit the lower link (0.60 of its line rate and above); copies that are slower still have
another cause beside it.

## Sources
nvmlDeviceGetCurrPcieLinkGeneration and its kin; PCI Express line rates (cudadoctor/units.py); the bands 0.75 and 0.60
of bandwidth-below-link.
Met by users in:
- <https://github.com/NVIDIA/open-gpu-kernel-modules/issues/1010>
- <https://github.com/Syllo/nvtop/issues/6>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.facts.base import Missing
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.bandwidth.hops import PINNED, Degraded, degraded, fastest_pinned, largest
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG
from cudadoctor.rules.reading import seen
from cudadoctor.units import pcie_line_rate_gb_per_s

_ERROR_BELOW = 0.60
"""Share of the possible line rate; the same band as for measured bandwidth."""
_FITS_FROM = 0.60
"""Share of the line rate that copies over a link reach at least, if nothing else is wrong; good links reach 0.65."""


@rule(
    id="pcie-link-degraded",
    title="The PCIe link runs below what both ends can do",
    severity=Severity.WARNING,
    explains=("bandwidth-below-link",),
    shows={
        "pcie-limited": 9,
        "pcie-downgraded": 5,
        "pcie-aer": 6,
        "pcie-gen1": 3,
        "xid:79": 4,
        "off-bus": 2,
        "far-below-theory pcie-theory": 6,
        "pcie-stays-low pcie-gen1": 4,
        "pcie-narrow": 6,
        "idle pcie-downgraded": -5,
        "fpga": -9,
        "idle pcie-gen1": -4,
        "idle pcie-narrow": -2,
    },
    confirm=Confirm(
        "nvidia-smi "
        "--query-gpu=pcie.link.gen.current,pcie.link.gen.max,pcie.link.width.current,pcie.link.width.max "
        "--format=csv",
        "less than the maximum while the GPU is busy copying",
    ),
)
def pcie_link_degraded(bandwidth: Bandwidth, pci: Pci | Missing) -> Iterator[Finding]:
    """Fire where a link was below its ends under load."""
    link = degraded(bandwidth, pci)
    if link is None:
        return
    now = pcie_line_rate_gb_per_s(link.generation, link.width)
    possible = pcie_line_rate_gb_per_s(link.generation_possible, link.width_possible)
    evidence: tuple[Evidence, ...] = (
        Evidence("link under load", f"Gen{link.generation} x{link.width}", link.source),
        Evidence("possible link", f"Gen{link.generation_possible} x{link.width_possible}", link.source),
    )
    if bandwidth.link_under_load is not None:
        evidence += (Evidence("readings during the copies", bandwidth.link_under_load.samples, "NVML"),)
        evidence += seen("performance state under load", bandwidth.link_under_load.performance_state)
    for key in PINNED:
        result = largest(bandwidth, key)
        evidence += (Evidence(f"{key}, GB/s", round(result.gb_per_s, 2), result.timer),) if result is not None else ()
    fastest = fastest_pinned(bandwidth)
    fits = fastest is not None and now is not None and fastest.gb_per_s >= _FITS_FROM * now
    if fastest is not None and now is not None:
        evidence += (
            Evidence(
                "fits the lower link" if fits else "slower than even the lower link",
                f"{fastest.gb_per_s:.1f} GB/s are {100 * fastest.gb_per_s / now:.0f} % of {now:g} GB/s",
                fastest.timer,
            ),
        )
    own = link.hop == bandwidth.pci_address
    where = f"The link of {bandwidth.device_name}" if own else f"The hop {link.hop} above {bandwidth.device_name}"
    yield finding(
        pcie_link_degraded,
        severity=Severity.ERROR if link.ratio < _ERROR_BELOW else Severity.WARNING,
        summary=f"{where} ran at Gen{link.generation} x{link.width} during the copies, where both ends can do "
        f"Gen{link.generation_possible} x{link.width_possible}: {now:g} instead of {possible:g} GB/s.",
        cause=_cause(link),
        confidence="proven" if fits else "supported",
        evidence=evidence,
        fix=Fix(
            "Reseat the card, check riser and cables, and set the slot's generation and lanes in the BIOS; then "
            "measure again. The kernel log says so if the link is limited or unstable.",
            (
                "sudo lspci -vv -d 10de: | grep -E '^[0-9a-f]|LnkCap:|LnkSta:'",
                "sudo dmesg | grep -iE 'pcie|aer|bandwidth, limited'",
                LOOK_AT_DRIVER_LOG,
            ),
        ),
    )


def _cause(link: Degraded) -> str:
    """Say what lanes or generation that were lost point to."""
    lost = link.width_possible // link.width if link.width < link.width_possible else 1
    if lost > 1:
        part = {2: "Half", 4: "A quarter"}.get(lost, f"One in {lost}")
        less = " and a lower generation" if link.generation < link.generation_possible else ""
        return (
            f"{part} of the lanes{less}: bifurcation in the BIOS, a slot that shares lanes with another, dirt on the "
            "contacts, or a card that is not fully seated."
        )
    return "A lower generation at full width: riser or retimer, a noisy slot, or a generation set in the BIOS."
