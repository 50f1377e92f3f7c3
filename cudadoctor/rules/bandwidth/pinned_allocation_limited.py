"""# Host memory could not be pinned

## What it checks
Whether the measurement could not pin the host memory that it needed, though enough of it was free.
WSL2 has a limit of its own: wsl-pinned-memory-limit.

## Why it matters
Only pinned memory is copied at the rate of the link and beside the work of the host.
A program that asks for it fails with CUDA error 2, out of memory, or 304, an error of the operating system, though both
memories have room.

## How to fix it
Raise the limit of locked memory for this shell, in /etc/security/limits.conf (`memlock`), or for the container:

```sh
ulimit -l unlimited
docker run --rm --gpus all --ulimit memlock=-1 ubuntu nvidia-smi
```

## Limits
That the limit is the cause is supported where one is set and no more; a host whose memory is fragmented or nearly full
looks the same.
Windows has no such limit.

## Sources
getrlimit(2), RLIMIT_MEMLOCK; cuMemHostAlloc (CUDA driver API).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.host import Host
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import container_of, on_wsl, seen
from cudadoctor.units import format_size

# As bandwidth/workspace.py words it.
_NONE, _LESS = "host memory could not be pinned", "more host memory could not be pinned"
_LIMIT = re.compile(r"`ulimit -l` is ([\d.]+ \w+)")


@rule(
    id="pinned-allocation-limited",
    title="Host memory could not be pinned",
    severity=Severity.WARNING,
    confirm=Confirm("ulimit -l; free -h", "a limit other than unlimited, and free memory"),
)
def pinned_allocation_limited(
    bandwidth: Bandwidth, host: Host | Missing, device_nodes: DeviceNodes | Missing
) -> Iterator[Finding]:
    """Fire outside of WSL2 where nothing could be pinned (a warning), or less than was wanted (a note)."""
    if on_wsl(host, device_nodes):
        return
    refused = next((skip for skip in bandwidth.skipped if skip.reason.startswith(_NONE)), None)
    less = next((result for result in bandwidth.results if _LESS in result.note), None)
    if refused is not None:
        told, said = f"No host memory could be pinned for {bandwidth.device_name}", refused.reason
        what = refused.key
    elif less is not None:
        told = f"Only {format_size(2 * less.size_bytes)} of host memory could be pinned for {bandwidth.device_name}"
        said, what = less.note, less.key
    else:
        return
    limit = _LIMIT.search(said)
    box = container_of(host)
    yield finding(
        pinned_allocation_limited,
        severity=Severity.WARNING if refused is not None else Severity.NOTE,
        summary=told + (f"; `ulimit -l` is {limit[1]} here." if limit else "."),
        cause="Locked memory is limited for this process" + (f" in its container ({box})." if box else ".")
        if limit
        else "No limit of locked memory is set: the host's memory is short or fragmented, or the driver refuses.",
        confidence="supported" if limit else "possible",
        evidence=(
            Evidence(what, said, "cuMemHostAlloc"),
            *((Evidence("limit of locked memory", limit[1], "getrlimit(RLIMIT_MEMLOCK)"),) if limit else ()),
            *(seen("memory in all, bytes", host.memory_total_bytes) if isinstance(host, Host) else ()),
        ),
        fix=_fix(limit is not None, known(host.container) if isinstance(host, Host) else None),
    )


def _fix(limited: bool, container: str | None) -> Fix:
    if not limited:
        return Fix("Free host memory and measure again, with less of it.", ("free -h", "cudadoctor bandwidth"))
    if container:
        return Fix(
            "Start the container with a higher limit of locked memory.",
            ("docker run --rm --gpus all --ulimit memlock=-1 ubuntu nvidia-smi",),
        )
    return Fix(
        "Raise the limit for this shell, or for good with `memlock` in /etc/security/limits.conf.",
        ("ulimit -l unlimited", "cudadoctor bandwidth"),
    )
