"""# WSL2 lets little memory be pinned

## What it checks
Whether, in WSL2, the measurement of bandwidth could not pin the host memory that it needed.
In a pasted text: whether an allocation of page-locked memory failed in WSL2.

## Why it matters
Under WDDM and WSL2 only a part of the memory can be page-locked. Beyond it the call fails with CUDA error 2, out of
memory, while the device has plenty.

## How to fix it
Pin less (`pin_memory=False`), or give WSL2 more memory: a line such as `memory=24GB` below `[wsl2]` in
the file that this opens in PowerShell:

```powershell
notepad "$env:USERPROFILE/.wslconfig"
wsl --shutdown
```

## Limits
Only `cudadoctor bandwidth` pins memory: a check without it does not see the limit.
Outside of WSL2 a limit of the host (`ulimit -l`, full memory) looks the same.

## Sources
- <https://docs.nvidia.com/cuda/wsl-user-guide/>
Met by users in:
- <https://github.com/microsoft/WSL/issues/8447>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.host import Host
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import on_wsl, seen
from cudadoctor.units import format_size

# As bandwidth/workspace.py words it.
_NONE, _LESS = "host memory could not be pinned", "more host memory could not be pinned"
_OUT_OF_MEMORY = "CUDA_ERROR_OUT_OF_MEMORY"


@rule(
    id="wsl-pinned-memory-limit",
    title="WSL2 lets little memory be pinned",
    severity=Severity.WARNING,
    shows={
        "cuda:2 pinned": 6,
        "raw-oom": 4,
        "cuda:2 pinned wsl": 3,
        "wsl cuda:2": 6,
        "pinned wsl": 6,
        "pinned-off wsl": 6,
    },
    confirm=Confirm(
        "uname -r; free -h; nvidia-smi --query-gpu=memory.free --format=csv",
        "a kernel of WSL2, and enough free memory on the GPU",
    ),
)
def wsl_pinned_memory_limit(
    bandwidth: Bandwidth, host: Host | Missing, device_nodes: DeviceNodes | Missing
) -> Iterator[Finding]:
    """Fire in WSL2 where memory could not be pinned (a warning), or less than was wanted (a note)."""
    if not on_wsl(host, device_nodes):
        return
    refused = next(
        (skip for skip in bandwidth.skipped if skip.reason.startswith(_NONE) and _OUT_OF_MEMORY in skip.reason), None
    )
    less = next((result for result in bandwidth.results if _LESS in result.note), None)
    if refused is None and less is None:
        return
    memory = known(host.memory_total_bytes) if isinstance(host, Host) else None
    of = f" of the {format_size(memory)} that WSL2 has" if memory else ""
    evidence: tuple[Evidence, ...] = ()
    if refused is not None:
        told = f"WSL2 let no memory{of} be pinned for {bandwidth.device_name}: the call failed with 2 (out of memory)."
        evidence += (Evidence(refused.key, refused.reason, "cuMemHostAlloc"),)
    elif less is not None:
        told = f"WSL2 let only {format_size(2 * less.size_bytes)}{of} be pinned for {bandwidth.device_name}."
        evidence += (Evidence(less.key, less.note, "cuMemHostAlloc"),)
    yield finding(
        wsl_pinned_memory_limit,
        severity=Severity.WARNING if refused is not None else Severity.NOTE,
        summary=told,
        cause="Only a part of the memory can be page-locked under WSL2; a failure reads like a full GPU.",
        confidence="supported",
        evidence=evidence + (seen("memory in all, bytes", host.memory_total_bytes) if isinstance(host, Host) else ()),
        fix=Fix(
            "Pin less (pin_memory=False), or give WSL2 more memory in .wslconfig and start it again.",
            ("wsl.exe --shutdown",),
        ),
    )
