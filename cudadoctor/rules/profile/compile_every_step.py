"""# Kernels are compiled or loaded in each step

## What it checks
Whether most steady steps of a profiled program load modules, or spend their time in a compiler (numba, NVRTC, Triton,
Inductor, XLA), at a cost of 5 % or more.

## Why it matters
A compiled kernel can be used for ever; compiling it takes from tenths of a second to minutes.
A program that makes a new function in each step, or passes new types or shapes, compiles in each step.

## How to fix it
Define and decorate the kernel once, outside of the loop; with numba give a signature or keep the types and the layout
of the arrays the same.
With JAX keep shapes the same and mark arguments static only if they do not change; with PyTorch look at recompilations.
These name what is compiled again:

```sh
JAX_LOG_COMPILES=1 python train.py
TORCH_LOGS=recompiles python train.py
```

## Limits
Compiling is recognised by modules that are loaded, and by the functions on the stack.
What is compiled in the first steps only is warm-up, and not reported here.
What does not save 5 % of the time and twice its own error is not reported, and nothing is predicted if the replay
misses the untimed run by more than 5 %.

## Sources
CUPTI records of module calls, samples of the stack, and replay of the steps without them.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.profile import Profile
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import rule
from cudadoctor.rules.profile.explained import program_finding


@rule(
    id="compile-every-step",
    title="Kernels are compiled or loaded in each step",
    severity=Severity.WARNING,
    confirm=Confirm("cudadoctor profile train.py", "what a step would take if nothing were compiled in it"),
)
def compile_every_step(profile: Profile) -> Iterator[Finding]:
    """Fire where that costs at least 5 % of a step and more than twice the error of that figure."""
    yield from program_finding(
        compile_every_step,
        profile,
        seen="compiles or loads kernels in each step",
        cause="A function that is new, or has arguments of new types or shapes, is compiled again.",
        fix=Fix("Make the kernel once, before the loop, and call it with the same types and shapes."),
    )
