"""# The kernels compute in double precision

## What it checks
Whether the kernels of a profiled program take float64, by their names and the types in them, or compute in it, by
their PTX where that is known, and what float32 would save on this device.

## Why it matters
Consumer cards compute float64 at 1/32 to 1/64 of their rate in float32; those of data centres at 1/2.
NumPy makes float64 unless it is told otherwise, and a constant like `0.5` can make a whole expression float64.

## How to fix it
Make arrays as `float32` (`np.zeros(n, dtype=np.float32)`), and write constants as `np.float32(0.5)`.
Types of a compiled numba kernel, with what was inferred for each line:

```sh
python -c "import train; train.kernel.inspect_types()"
```

## Limits
Whether float32 is precise enough, only the program's author knows; so this is said with the least confidence where a
card is good at float64.
Names do not show everything: a kernel that takes float32 arrays and computes in float64 is seen only where its PTX is
known.
The saving is an upper bound.
What does not save 5 % of the time and twice its own error is not reported, and nothing is predicted if the replay
misses the untimed run by more than 5 %.

## Sources
CUDA C++ Programming Guide, throughput of native arithmetic instructions, by compute capability.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.profile import Profile
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import rule
from cudadoctor.rules.profile.explained import program_finding


@rule(
    id="fp64-on-consumer-gpu",
    title="The kernels compute in double precision",
    severity=Severity.WARNING,
    confirm=Confirm("cudadoctor devices", "the row `FP32 to FP64 rate`, 32 or 64 to 1 on such a card"),
)
def fp64_on_consumer_gpu(profile: Profile) -> Iterator[Finding]:
    """Fire where that costs at least 5 % of a step and more than twice the error of that figure."""
    yield from program_finding(
        fp64_on_consumer_gpu,
        profile,
        seen="computes in double precision",
        cause="This device computes float64 more slowly than float32, and moves twice the bytes for it.",
        fix=Fix("Use float32 throughout, if that is precise enough."),
    )
