"""# A kernel ran and its result is wrong

## What it checks
Whether the results of small kernels came out right, on every GPU that was tried: a x + y and a sum, both of whole
numbers, a matrix product against float64, a pattern and its complement over part of the free memory, and a copy to the
device and back.

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
An eighth of the free memory is tried, 1 GiB at most: a right result does not prove that all of it is sound.

## Sources
- Sums of whole numbers are exact, so any difference is an error.
- The bound for the matrix product: Higham, Accuracy and Stability of Numerical Algorithms, section 3.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.ladder import KERNEL_STEPS, Ladder, Step
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG
from cudadoctor.rules.reading import device_of, said, seen

_COMPUTED = KERNEL_STEPS[1:]

_EXCEPTION = re.compile(r"(?!ArithmeticError)\w*(Error|Exception|Interrupt)\b")


def came_out_wrong(step: Step | None) -> bool:
    """Say whether a step ran to its end and its result was wrong; any exception but ArithmeticError is a failure."""
    return (
        step is not None
        and step.name in _COMPUTED
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
    wrong = tuple(step for step in ladder.all_steps if came_out_wrong(step))
    if not wrong:
        return
    first = wrong[0]
    device = device_of(first, ladder, driver)
    name = known(device.name) if device is not None else None
    evidence: tuple[Evidence, ...] = tuple(said(step) for step in wrong)
    evidence += seen(f"GPU {device.index}", device.name) if device is not None else ()
    what = "A copy ran" if first.name == "copy" else "A kernel ran"
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
