"""# A kernel ran and its result is wrong

## What it checks
Whether the result of a small kernel, whose right answer is known exactly, and a copy to the device and back came out
right.

## Why it matters
A GPU that computes or copies wrongly without an error ruins everything that it is used for.

## How to fix it
Run the check again; if it is wrong again, take the card out of use, look at its ECC counters and test its memory.
An overclocked card goes back to its default clocks first.

```sh
nvidia-smi -q -d ECC,TEMPERATURE,CLOCK
sudo dmesg | grep -iE 'nvrm|nvidia|xid'
```

## Limits
The kernel is small: a right result does not prove that all of the memory is sound.

## Sources
The kernel computes whole numbers that float32 holds exactly, so any difference is an error (gpu/check_kernel.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.ladder import Ladder, Step
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG
from cudadoctor.rules.reading import said, seen, tried_device

_EXCEPTION = re.compile(r"(?!ArithmeticError)\w*(Error|Exception|Interrupt)\b")


def came_out_wrong(step: Step | None) -> bool:
    """Say whether a step ran to its end and its result was wrong; any exception but ArithmeticError is a failure."""
    return (
        step is not None
        and step.name in ("kernel-result", "copy")
        and step.state == "failed"
        and step.code is None
        and _EXCEPTION.match(step.detail) is None
    )


@rule(
    id="kernel-result-wrong",
    title="A kernel ran and its result is wrong",
    severity=Severity.ERROR,
    explains=("driver-call-failed", "kernel-compile-failed"),
    confirm=Confirm(
        "nvidia-smi -q -d ECC,CLOCK",
        "errors that were counted, or clocks above the default",
    ),
)
def kernel_result_wrong(ladder: Ladder, driver: Driver | Missing) -> Iterator[Finding]:
    """Fire where the result or the copy differs from what it must be."""
    wrong = tuple(step for step in ladder.steps if came_out_wrong(step))
    if not wrong:
        return
    first = wrong[0]
    device = tried_device(ladder, driver)
    name = known(device.name) if device is not None else None
    evidence: tuple[Evidence, ...] = tuple(said(step) for step in wrong)
    evidence += seen(f"GPU {device.index}", device.name) if device is not None else ()
    what = "A kernel ran" if first.name == "kernel-result" else "A copy ran"
    detail = first.detail.removeprefix("ArithmeticError: ")
    yield finding(
        kernel_result_wrong,
        summary=f"{what} without an error on {name or 'the GPU'}, and what came back is wrong: {detail}.",
        cause="The GPU, its memory or the link to it returned wrong data: overclocking, heat, power or a fault of the "
        "card.",
        confidence="proven",
        evidence=evidence,
        fix=Fix(
            "Run the check again. If it is wrong again, do not trust this GPU: undo overclocking, read the error "
            "counters and the kernel log, and have the card tested.",
            ("nvidia-smi -q -d ECC,TEMPERATURE,CLOCK", LOOK_AT_DRIVER_LOG),
        ),
    )
