"""# A link between GPUs failed

## What it checks
Whether the kernel log of this boot has Xid 74: an error on NVLink.

## Why it matters
NVLink joins GPUs with each other and with switches.
After a fatal error on it, programs that use several GPUs fail or hang, and the GPU may need a reset, while work on one
GPU goes on.

## How to fix it
Look at the counters of the links, end the programs and reset the GPUs of the link together, or reboot.
If it comes back on the same link, have the board or its connection checked.

```sh
nvidia-smi nvlink --errorcounters
sudo reboot
```

## Limits
The log keeps only this boot, and the line does not tell which of both ends is at fault.

## Sources
NVIDIA Xid catalogue, Xid 74.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.kernel_log import KernelLog
from cudadoctor.facts.ladder import Ladder
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG, REBOOT
from cudadoctor.rules.kernel_log.events import shown, something_failed


@rule(
    id="nvlink-error",
    title="A link between GPUs failed",
    severity=Severity.WARNING,
    explains=("gpu-needs-reset", "driver-call-failed", "race-lane-failed"),
    shows={"xid:74": 9},
    confirm=Confirm("nvidia-smi nvlink --errorcounters", "counters above 0 on one link"),
)
def nvlink_error(kernel_log: KernelLog, ladder: Ladder | Missing) -> Iterator[Finding]:
    """Fire on Xid 74: an error where a driver call fails too, else a warning."""
    events = kernel_log.xids(74)
    if not events:
        return
    where = ", ".join(dict.fromkeys(event.pci_address for event in events[:8]))
    count = sum(event.count for event in events)
    yield finding(
        nvlink_error,
        severity=Severity.ERROR if something_failed(ladder) else Severity.WARNING,
        summary=f"Since it booted, the kernel saw {count} NVLink {'error' if count == 1 else 'errors'} (Xid 74) on the "
        f"GPU at {where}.",
        cause="A link between this GPU and another or a switch failed: connection, board, or a peer that was reset.",
        confidence="supported",
        evidence=shown(events, kernel_log),
        fix=Fix(
            "Look at the links' counters, then end the programs on these GPUs and reboot, or reset them together.",
            ("nvidia-smi nvlink -s", "nvidia-smi nvlink -e", LOOK_AT_DRIVER_LOG, REBOOT),
        ),
    )
