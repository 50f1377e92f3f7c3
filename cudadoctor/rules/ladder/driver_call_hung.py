"""# A driver call does not come back

## What it checks
Whether a call into NVML, the driver API or a kernel gave no answer within its limit.
Each is made in a child process, so the check itself goes on. A text shows it by `nvidia-smi` that hangs, or by a task
of the driver that the kernel reports as blocked.

## Why it matters
A driver that hangs takes every program that touches the GPU along.
Behind it are mostly a card that fell off the bus, a GPU firmware (GSP) that stopped, or a process that cannot be
ended (state D).

## How to fix it
Read the kernel log for Xid 79, 119 or 120, end what holds the GPU, and reboot or power-cycle the machine.

```sh
sudo dmesg | grep -iE 'nvrm|nvidia|xid'
sudo reboot
```

## Limits
A very slow first call (many GPUs without persistence mode) can pass the limit too: try again with `nvidia-smi` and
wait.

## Sources
NVIDIA Xid catalogue.
Met by users in:
- <https://github.com/NVIDIA/open-gpu-kernel-modules/issues/446>
- <https://github.com/NVIDIA/nvidia-docker/issues/723>
- <https://github.com/arrayfire/arrayfire/issues/2467>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.facts.base import Missing
from cudadoctor.facts.devices import Devices
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG
from cudadoctor.rules.reading import card_evidence, cards, said, steps_and_measurement


@rule(
    id="driver-call-hung",
    title="A driver call does not come back",
    severity=Severity.ERROR,
    explains=("driver-call-failed", "race-lane-failed"),
    shows={
        "hung-task nvidia-frame": 9,
        "hung-task": 2,
        "smi-hangs": 7,
        "smi-hangs gsp": -3,
    },
    confirm=Confirm(
        "ps -eo pid,stat,wchan:32,cmd | awk '$2 ~ /^D/'",
        "a program that uses the GPU, in state D",
    ),
)
def driver_call_hung(
    ladder: Ladder, bandwidth: Bandwidth | Missing, devices: Devices | Missing, pci: Pci | Missing
) -> Iterator[Finding]:
    """Fire where a step ran into its limit."""
    hung = tuple(step for step in steps_and_measurement(ladder, bandwidth, devices) if step.state == "timed out")
    if not hung:
        return
    first = hung[0]
    told = first.detail or f"{first.call or first.name} gave no answer within its limit"
    yield finding(
        driver_call_hung,
        summary=f"{told}. The process that made the call was ended.",
        cause="The driver waits for the GPU: the card is off the bus, its firmware stopped, or a process cannot be "
        "ended.",
        confidence="proven",
        evidence=(*(said(step) for step in hung), *(card_evidence(card) for card in cards(pci)[:8])),
        fix=Fix(
            "Read what the driver wrote to the system's log (Xid 79: off the bus; 119 and 120: firmware), then reboot. "
            "If it hangs again, power the machine off and on.",
            (LOOK_AT_DRIVER_LOG, "ps -eo pid,stat,wchan:32,cmd | awk '$2 ~ /^D/'", "sudo reboot"),
        ),
    )
