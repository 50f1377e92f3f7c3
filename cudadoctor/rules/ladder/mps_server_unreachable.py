"""# The Multi-Process Service does not let the program in

## What it checks
Whether the driver API answers 805 to 809: the control daemon of the Multi-Process Service (MPS) could not be reached,
its server was not ready, or it has no room for more clients.

## Why it matters
Where a control daemon runs, or has left its pipes behind, every CUDA program goes through it; if it does not answer,
none starts, though NVML works.

## How to fix it
Start the daemon anew as the user that runs the programs, or end it and remove its pipe directory to do without.

```sh
echo quit | nvidia-cuda-mps-control
nvidia-cuda-mps-control -d
```

## Limits
Why the server refuses stands in its log (`/var/log/nvidia-mps` or CUDA_MPS_LOG_DIRECTORY).

## Sources
CUDA_ERROR_MPS_CONNECTION_FAILED to CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED (cuda.h);
<https://docs.nvidia.com/deploy/mps/>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.services import Services
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import cuda_error, said, seen

_MEANINGS = {
    805: "its control daemon cannot be reached",
    806: "its server failed",
    807: "its server is not ready",
    808: "it has no room for another client",
    809: "it has no connection left",
}


@rule(
    id="mps-server-unreachable",
    title="The Multi-Process Service does not let the program in",
    severity=Severity.ERROR,
    explains=("exclusive-compute-mode", "driver-call-failed", "race-lane-failed"),
    shows={"cuda:805": 9, "cuda:806": 9, "cuda:807": 9, "cuda:808": 9, "cuda:809": 9},
    confirm=Confirm(
        "ps -eo pid,user,cmd | grep '[n]vidia-cuda-mps'; ls -ld ${CUDA_MPS_PIPE_DIRECTORY:-/tmp/nvidia-mps}",
        "no daemon beside a pipe directory, or a daemon of another user",
    ),
)
def mps_server_unreachable(ladder: Ladder, services: Services | Missing) -> Iterator[Finding]:
    """Fire on the codes of MPS."""
    step = cuda_error(ladder, *_MEANINGS)
    if step is None:
        return
    evidence: tuple[Evidence, ...] = (said(step),)
    if isinstance(services, Services):
        evidence += seen("MPS control daemon runs", services.mps_control)
        evidence += (Evidence("pipe directory of MPS", services.mps_pipe_directory, "CUDA_MPS_PIPE_DIRECTORY"),)
    full = step.code in (808, 809)
    yield finding(
        mps_server_unreachable,
        summary=f"{step.call} fails with {step.code}: CUDA programs here go through the Multi-Process Service, and "
        f"{_MEANINGS[step.code or 805]}.",
        cause="More programs want to use the service than it takes."
        if full
        else "The daemon has ended and left its pipes behind, belongs to another user, or its server failed.",
        confidence="proven" if full else "supported",
        evidence=evidence,
        fix=Fix(
            "End clients that are no longer wanted."
            if full
            else "Start the daemon anew; or do without it: end it and remove its pipe directory.",
            (
                "echo get_server_list | nvidia-cuda-mps-control",
                "echo quit | nvidia-cuda-mps-control; nvidia-cuda-mps-control -d",
            ),
        ),
    )
