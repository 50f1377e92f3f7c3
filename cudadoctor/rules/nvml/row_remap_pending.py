"""# Memory rows wait to be replaced

## What it checks
Whether NVML says that the remapping of a memory row is pending, or that one has failed; for a card of which NVML does
not tell, whether the kernel log has Xid 64 (the remapping failed).

## Why it matters
Cards since Ampere replace rows with errors by spare ones, but only when the GPU is reset.
Until then the bad row stays in use, and the next error in it ends a program.
A failed remapping means that spare rows have run out.

## How to fix it
Pending: end the programs on the GPU and reset it, or reboot.
Failed: have the board replaced.
For GPU 0:

```sh
nvidia-smi -q -d ROW_REMAPPER
sudo nvidia-smi --gpu-reset -i 0
```

## Limits
Cards before Ampere retire pages instead, which NVML tells elsewhere and this rule does not read.

## Sources
nvmlDeviceGetRemappedRows (nvml.h); NVIDIA GPU Memory Error Management, row remapping; Xid 63 and 64.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.kernel_log import KernelLog
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml, NvmlDevice
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.kernel_log.events import nothing_failed, shown, something_failed, xids
from cudadoctor.rules.reading import seen, text_of


@rule(
    id="row-remap-pending",
    title="Memory rows wait to be replaced",
    severity=Severity.WARNING,
    explains=("gpu-needs-reset", "driver-call-failed", "race-lane-failed"),
    shows={
        "remap-pending": 9,
        "remap": 3,
        "xid:63": 7,
        "xid:64": 7,
        "cuda:214": 1,
        "nvml:16": 4,
    },
    confirm=Confirm(
        "nvidia-smi -q -d ROW_REMAPPER | grep -iE 'pending|failure'",
        "Yes in either line",
    ),
)
def row_remap_pending(nvml: Nvml, ladder: Ladder | Missing, kernel_log: KernelLog | Missing) -> Iterator[Finding]:
    """Fire where a remapping is pending (a warning while all works) or has failed (an error)."""
    failed = tuple(device for device in nvml.devices if known(device.remap_failed) is True)
    pending = tuple(device for device in nvml.devices if known(device.remap_pending) is True)
    concerned = failed or pending
    if not concerned:
        yield from _told_by_the_kernel(nvml, ladder, kernel_log)
        return
    first = concerned[0]
    who = f"{text_of(first.name) or 'A GPU'} (GPU {first.index})"
    others = f" The same holds for {len(concerned) - 1} more." if len(concerned) > 1 else ""
    yield finding(
        row_remap_pending,
        summary=(
            f"{who} could not replace a memory row: it has no spare one left.{others}"
            if failed
            else f"{who} has memory rows with errors that are replaced only when it is reset.{others}"
        ),
        cause="Rows of the GPU's memory had errors; a spare row takes the place of each at the next reset.",
        confidence="proven",
        severity=Severity.ERROR if failed or not nothing_failed(ladder) else Severity.WARNING,
        evidence=(
            *(item for device in concerned[:4] for item in _rows(device)),
            *shown(xids(kernel_log, 63, 64), kernel_log),
        ),
        fix=Fix(
            "Have the board replaced." if failed else "End the programs on this GPU and reset it, or reboot.",
            ("nvidia-smi -q -d ROW_REMAPPER", *(() if failed else (f"sudo nvidia-smi --gpu-reset -i {first.index}",))),
        ),
    )


def _rows(device: NvmlDevice) -> tuple[Evidence, ...]:
    return (
        *seen(f"remapping pending on GPU {device.index}", device.remap_pending),
        *seen(f"remapping failed on GPU {device.index}", device.remap_failed),
        *seen(f"rows remapped on GPU {device.index} (uncorrectable)", device.remapped_rows_uncorrectable),
        *seen(f"rows remapped on GPU {device.index} (correctable)", device.remapped_rows_correctable),
    )


def _told_by_the_kernel(nvml: Nvml, ladder: Ladder | Missing, kernel_log: KernelLog | Missing) -> Iterator[Finding]:
    """Fire on Xid 64 of a card whose rows NVML does not tell; 63 alone says that a row was replaced, as it should."""
    tell = {text_of(d.pci_address) for d in nvml.devices if isinstance(d.remap_failed, Known)}
    events = tuple(event for event in xids(kernel_log, 64) if event.pci_address not in tell)
    if not events:
        return
    yield finding(
        row_remap_pending,
        severity=Severity.ERROR if something_failed(ladder) else Severity.WARNING,
        summary=f"The kernel saw the GPU at {events[0].pci_address} fail to replace memory that had errors (Xid 64).",
        cause="Memory with errors could not be taken out of use: spare memory or its record has run out.",
        confidence="supported",
        evidence=shown(events, kernel_log),
        fix=Fix(
            "Reboot; if it comes back, have the board replaced.",
            ("nvidia-smi -q -d PAGE_RETIREMENT,ROW_REMAPPER", "sudo reboot"),
        ),
    )
