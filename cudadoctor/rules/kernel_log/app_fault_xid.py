"""# A program faulted on the GPU

## What it checks
Whether the kernel log of this boot has Xid 13, 31 or 43: a program read or wrote where it must not, and was stopped.

## Why it matters
These look like a defect of the card ("Xid" in the log, CUDA error 700 or 719), and nearly always are one of the
program: an index past the end, a freed buffer, a kernel compiled for other shapes.
Other programs on the GPU are not harmed.

## How to fix it
Run the program under `compute-sanitizer`, or with `CUDA_LAUNCH_BLOCKING=1` to learn which kernel it was.
Suspect the card only when several different programs fault on one GPU and on no other.
With your program in place of program.py:

```sh
compute-sanitizer --tool memcheck python program.py
CUDA_LAUNCH_BLOCKING=1 python program.py
```

## Limits
The log keeps only this boot, and older lines may have been overwritten.
This is a note: it accuses a program, not the machine.

## Sources
NVIDIA Xid catalogue, Xid 13, 31 and 43.
Met by users in:
- <https://github.com/utensils/mold/issues/543>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.kernel_log import KernelLog
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.kernel_log.events import shown


@rule(
    id="app-fault-xid",
    title="A program faulted on the GPU",
    severity=Severity.NOTE,
    shows={
        "cuda:702": 4,
        "cuda:714": 5,
        "cuda:715": 6,
        "cuda:717": 6,
        "cuda:718": 6,
        "xid:13": 7,
        "xid:31": 7,
        "xid:43": 6,
        "xid:45": 3,
        "cuda:700": 7,
        "cuda:719": 6,
        "cuda:716": 6,
        "cuda:710": 7,
        "xid:79": -3,
        "cuda:46": -3,
        "suspend": -3,
        "illegal-access": 6,
        "illegal-access cuda:700": -6,
        "device-assert": 9,
        "device-assert cuda:710": -4,
        "xid:32": 4,
        "xid:69": 4,
        "xid:109": 4,
        "xid:8": 3,
    },
    confirm=Confirm(
        "journalctl -k -b | grep -i xid",
        "Xid 13, 31 or 43 with the number of the program's process, and no Xid of the card",
    ),
)
def app_fault_xid(kernel_log: KernelLog) -> Iterator[Finding]:
    """Note Xid 13, 31 and 43, and say whether they speak for the program or for the card."""
    events = kernel_log.xids(13, 31, 43)
    if not events:
        return
    count = sum(event.count for event in events)
    cards = tuple(dict.fromkeys(event.pci_address for event in events))
    programs = tuple(dict.fromkeys(event.process for event in events if event.process))
    who = f" of {', '.join(programs[:3])}" if programs else ""
    if len(cards) > 1:
        told = f"It happened on {len(cards)} GPUs, so it is the program and not a card."
    elif len(programs) > 1:
        told = f"{len(programs)} different programs faulted on one GPU: if others never do, the card may be at fault."
    else:
        told = "One program on one GPU: a fault of the program is by far the most likely."
    yield finding(
        app_fault_xid,
        summary=f"Since it booted, the kernel stopped work{who} on {', '.join(cards[:4])} {count} "
        f"{'time' if count == 1 else 'times'} for an illegal access (Xid {events[0].xid}).",
        cause=f"The program accessed memory that is not its own. {told}",
        confidence="supported" if len(cards) > 1 else "possible",
        evidence=shown(events, kernel_log),
        fix=Fix(
            "Find the access: run the program under compute-sanitizer, or with CUDA_LAUNCH_BLOCKING=1.",
            ("compute-sanitizer --tool memcheck python program.py", "CUDA_LAUNCH_BLOCKING=1 python program.py"),
        ),
    )
