"""# The PCIe link repeats packets

## What it checks
Whether the counters of PCIe replays or of corrected errors grew during the copies by more than a link within its
specification needs; and, where no counter can be read, whether the samples of the same pinned copy lie far apart.

## Why it matters
A packet that arrives damaged is sent again.
Nothing is lost, but copies become slow and uneven, and a link that does so all the time is about to fall to a lower
generation or off the bus.

## How to fix it
Reseat the card; take out risers, retimers and extension cables; look for a BIOS update; set the slot one generation
lower, which is at least stable.

```sh
nvidia-smi --query-gpu=index,pci.bus_id,pcie.link.gen.current,pcie.link.width.current --format=csv
sudo dmesg | grep -iE 'aer|pcie bus error'
```

## Limits
The specification allows one wrong bit in 10^12, which is one in 125 GB: counts below ten times that for the bytes that
were copied, and below 10, are no finding.
Without counters a wide spread is only a possible sign, since another program on the machine does the same to samples.
Steady counters speak against it, and then the spread alone is no finding.

## Sources
nvmlDeviceGetPcieReplayCounter (nvml.h); aer_dev_correctable of the Linux kernel
(Documentation/ABI/testing/sysfs-bus-pci-devices-aer_stats).
PCI Express Base Specification: bit error ratio of 10^-12 or less.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.bandwidth import Bandwidth, BandwidthResult
from cudadoctor.facts.base import Fact, known
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.bandwidth.hops import PINNED, coherent, largest, measured
from cudadoctor.rules.base import finding, rule

_BIT_ERROR_RATIO = 1e-12
_MARGIN = 10
_WIDE = 0.3
"""(Largest - smallest) / median; on healthy H100 and H200 the widest that was seen is 0.04."""
_FEWEST_SAMPLES = 3


@rule(
    id="link-flapping",
    title="The PCIe link repeats packets",
    severity=Severity.WARNING,
    explains=("bandwidth-below-link",),
    shows={
        "pcie-replays": 6,
        "pcie-replays pcie-aer": 2,
        "replays-none": -3,
    },
    confirm=Confirm(
        "nvidia-smi -q | grep -iE 'replay|rollover'; cat /sys/bus/pci/devices/*/aer_dev_correctable 2>/dev/null"
        " | grep -E 'BadTLP|BadDLLP|Rollover|Timeout'",
        "counts that grow from one copy to the next",
    ),
)
def link_flapping(bandwidth: Bandwidth) -> Iterator[Finding]:
    """Fire on counters that grew; where none is known, note samples that lie far apart."""
    if coherent(bandwidth):
        return
    replays, corrected = _growth(bandwidth)
    uneven = tuple(
        result for key in PINNED if (result := largest(bandwidth, key)) is not None and _spread(result) > _WIDE
    )
    allowed = max(_MARGIN, round(_MARGIN * _bits(bandwidth) * _BIT_ERROR_RATIO))
    grew = tuple(
        (name, count)
        for name, count in (("PCIe replays", replays), ("corrected errors", corrected))
        if count is not None and count > 0
    )
    worst = max((count for _, count in grew), default=0)
    if worst > allowed:
        told = " and ".join(f"{count} {name}" for name, count in grew)
        summary = f"{told} were counted on the link of {bandwidth.device_name} while it was measured; {allowed} would "
        summary += "be within the specification."
    elif uneven and replays is None and corrected is None:
        worst_one = max(uneven, key=_spread)
        low, high = min(worst_one.samples_gb_per_s), max(worst_one.samples_gb_per_s)
        summary = (
            f"The same copy ({worst_one.key}) of {bandwidth.device_name} ran at {low:.1f} to {high:.1f} GB/s, and "
        )
        summary += "no counter of errors can be read."
    else:
        return
    yield finding(
        link_flapping,
        severity=Severity.WARNING if worst > allowed else Severity.NOTE,
        summary=summary,
        cause="Packets arrive damaged and are sent again: seat, riser, cable, retimer, or a generation that this path "
        "does not carry."
        if worst > allowed
        else "A link that repeats packets does so, and so does another program that copies at the same time.",
        confidence="possible" if worst <= allowed else "proven" if uneven else "supported",
        evidence=(
            *(
                Evidence(f"{name} during the measurement", count, "counter after less before")
                for name, count in (("PCIe replays", replays), ("corrected errors", corrected))
                if count is not None
            ),
            Evidence("spread of the samples", _told_spread(bandwidth), "(largest - smallest) / median"),
            *(measured(result) for result in uneven),
        ),
        fix=Fix(
            "Measure again on an idle machine. If it stays, reseat the card and take out risers and cables; then set "
            "the slot one generation lower in the BIOS.",
            ("cudadoctor bandwidth", "sudo dmesg | grep -iE 'aer|pcie bus error'"),
        ),
    )


def _growth(bandwidth: Bandwidth) -> tuple[int | None, int | None]:
    """Return by how much the counters of replays and of corrected errors grew, None for one that was not read."""
    errors = bandwidth.link_errors
    if errors is None:
        return None, None
    return (
        _less(errors.replays_after, errors.replays_before),
        _less(errors.corrected_after, errors.corrected_before),
    )


def _less(after: Fact[int], before: Fact[int]) -> int | None:
    last, first = known(after), known(before)
    # A counter that went back was reset in between: what it says then is not known.
    return last - first if last is not None and first is not None and last >= first else None


def _bits(bandwidth: Bandwidth) -> float:
    """Return about how many bits went over the link."""
    return 8.0 * sum(
        result.size_bytes * result.copies_per_sample * len(result.samples_gb_per_s)
        for result in bandwidth.results
        if not result.key.startswith(("d2d", "numba"))  # numba's come after the counters were read
    )


def _spread(result: BandwidthResult) -> float:
    samples = result.samples_gb_per_s
    if len(samples) < _FEWEST_SAMPLES or result.gb_per_s <= 0:
        return 0.0
    return (max(samples) - min(samples)) / result.gb_per_s


def _told_spread(bandwidth: Bandwidth) -> str:
    results = (largest(bandwidth, key) for key in PINNED)
    return ", ".join(f"{result.key} {100 * _spread(result):.0f} %" for result in results if result is not None)
