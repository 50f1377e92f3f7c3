"""# The driver starts anew for each process, and takes too long

## What it checks
Whether cuInit took a second or more while NVML says that persistence mode is off.
In a pasted text: whether a container hook or a first call timed out while the driver was starting.

## Why it matters
Without persistence mode the driver gives up the state of a GPU when its last user ends. Setting up many large GPUs
again takes seconds for each program, and at times longer than a container hook waits.

## How to fix it
Run the persistence daemon.

```sh
sudo systemctl enable --now nvidia-persistenced
sudo nvidia-smi -pm 1
```

## Limits
A GPU or its firmware that hangs gives the same time-out; the kernel log tells (Xid 119, 79).
Off is the default and no fault where programs start quickly: without a slow start there is no finding, one of less
than three seconds is a note.
A slow start may have other reasons, such as a cold disk; a second check tells.

## Sources
"A short (order of 1-3 second) startup cost per GPU":
- <https://docs.nvidia.com/deploy/driver-persistence/overview.html>
Met by users in:
- <https://github.com/NVIDIA/nvidia-docker/issues/723>
- <https://github.com/arrayfire/arrayfire/issues/2467>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.services import Services
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import container_of, on_jetson, on_wsl, seen, step_of, system_of

# Where NVIDIA's figure of 1 to 3 s for a GPU begins and ends.
_NOTED_S, _SLOW_S = 1.0, 3.0


@rule(
    id="persistence-mode-off",
    title="The driver starts anew for each process, and takes too long",
    severity=Severity.WARNING,
    shows={
        "container-cli-timeout": 7,
        "persistence": 2,
        "persistence container-cli-timeout": 2,
        "first-call persistence": 4,
    },
    confirm=Confirm(
        "nvidia-smi --query-gpu=index,persistence_mode --format=csv; time nvidia-smi -L",
        '"Disabled", and several seconds',
    ),
)
def persistence_mode_off(
    nvml: Nvml,
    ladder: Ladder,
    host: Host | Missing,
    device_nodes: DeviceNodes | Missing,
    services: Services | Missing,
) -> Iterator[Finding]:
    """Fire on a slow cuInit with persistence mode off: a warning from three seconds on, else a note."""
    step = step_of(ladder, "cu-init")
    if step is None or step.state != "passed" or step.seconds is None or step.seconds < _NOTED_S:
        return
    if system_of(host) != "Linux" or on_wsl(host, device_nodes) or on_jetson(host):
        return
    off = tuple(device for device in nvml.devices if known(device.persistence_mode) is False)
    if not off:
        return
    gpus = f"{len(off)} GPUs" if len(off) > 1 else "the GPU"
    daemon = seen("persistence daemon runs", services.persistence_daemon) if isinstance(services, Services) else ()
    outside = " From inside this container that is for the host's administrator." if container_of(host) else ""
    yield finding(
        persistence_mode_off,
        severity=Severity.WARNING if step.seconds >= _SLOW_S else Severity.NOTE,
        summary=f"cuInit took {step.seconds:.1f} s, and persistence mode is off for {gpus}: each program that starts "
        "alone waits as long.",
        cause="The driver gives up a GPU's state when its last user ends, and sets it up anew for the next.",
        confidence="supported" if step.seconds >= _SLOW_S else "possible",
        evidence=(
            Evidence("seconds in cuInit", round(step.seconds, 2), step.call),
            *(item for d in off[:8] for item in seen(f"persistence mode of GPU {d.index}", d.persistence_mode)),
            *daemon,
        ),
        fix=Fix(
            f"Let the persistence daemon keep the GPUs set up.{outside}",
            ("sudo systemctl enable --now nvidia-persistenced", "sudo nvidia-smi -pm 1"),
        ),
    )
