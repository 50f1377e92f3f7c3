"""# The program could not be traced

## What it checks
Whether `cudadoctor profile` ran a program without getting a trace of it, and why.

## Why it matters
Without a trace nothing is known of where the program's time went.
What is left are its untraced run and what NVML told of the GPU meanwhile: clocks, limits, and who else used it.

## How to fix it
No libcupti was found, or only one that is newer than the driver: install that of the driver's CUDA.
The first line is for a driver of CUDA 12, the second for one of CUDA 13:

```sh
python -m pip install nvidia-cuda-cupti-cu12
python -m pip install "nvidia-cuda-cupti<14"
```

Another tool holds CUPTI (error 39): end it (Nsight Systems, Nsight Compute, cuda-gdb, DCGM's profiling), or unset what
loads it into every program.

```sh
env | grep -E 'CUDA_INJECTION64_PATH|NVTX_INJECTION64_PATH'
```

The program profiles itself (torch.profiler, jax.profiler): run it without that.
Virtual GPUs (33, 40), confidential computing (41), some MIG instances (43) and WSL2 with an old driver (45) do not let
anybody trace: run the program on a whole GPU of its own.

## Limits
A program that used no GPU has no records, which is no failure of the tracer.

## Sources
The error codes of libcupti (cupti_result.h), and whether the last call of all came out among the records.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.profile import Profile
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.text import printable

_TAKEN = "took the trace records itself"
_NONE_FOUND = ("no libcupti", "newer than the driver", "cannot open shared object")


@rule(
    id="program-not-traced",
    title="The program could not be traced",
    severity=Severity.WARNING,
    confirm=Confirm("cudadoctor profile --no-tracer train.py", "that the program runs, with the clocks meanwhile"),
)
def program_not_traced(profile: Profile) -> Iterator[Finding]:
    """Fire where tracing was tried and gave nothing."""
    tracer = profile.tracer
    if tracer.state not in ("refused", "failed"):
        return
    reason = printable(tracer.reason) or "no reason was given"
    evidence = [Evidence("reason", reason, printable(tracer.library) or "libcupti")]
    if tracer.holder:
        evidence.append(Evidence("CUDA_INJECTION64_PATH", printable(tracer.holder), "environment"))
    yield finding(
        program_not_traced,
        severity=Severity.WARNING,
        summary=f"The program ran, and was not traced: {reason[:300]}. Nothing is known of where its time went.",
        cause="The tracer needs libcupti, and no other tool that uses it at the same time.",
        confidence="proven",
        evidence=tuple(evidence),
        fix=_fix(reason),
    )


def _fix(reason: str) -> Fix:
    if _TAKEN in reason:
        return Fix("Run the program without its own profiler.")
    if "(39)" in reason:
        return Fix(
            "End the tool that holds CUPTI, or unset what loads it into every program.",
            ("env | grep -E 'CUDA_INJECTION64_PATH|NVTX_INJECTION64_PATH'",),
        )
    if any(words in reason for words in _NONE_FOUND):
        return Fix("Install the libcupti of the driver's CUDA.", ("python -m pip install nvidia-cuda-cupti-cu12",))
    return Fix("Run the program where tracing is allowed: on a whole GPU of its own, outside of a virtual one.")
