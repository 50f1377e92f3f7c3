"""# The container lost its right to the GPU

## What it checks
Whether, inside a container, device nodes exist but opening them is forbidden (EPERM) whatever their mode.

## Why it matters
The container runtime lets a container use a device through its cgroup.
A `systemctl daemon-reload` on the host can take that back from a running container: NVML then says "Unknown Error",
at a random time, and the next container works.

## How to fix it
Start the container again.
To keep it from happening, let the runtime know the devices: `--device` options, CDI, or the cgroupfs driver.

```sh
docker run --rm --gpus all --device /dev/nvidiactl --device /dev/nvidia-uvm ubuntu nvidia-smi
```

## Limits
A security module that forbids the device looks the same.

## Sources
NVIDIA Container Toolkit troubleshooting, "Failed to initialize NVML: Unknown Error".
Met by users in:
- <https://github.com/NVIDIA/nvidia-docker/issues/1671>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.scheduler import Scheduler
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.device_nodes.device_node_permission import closed_nodes, node_evidence
from cudadoctor.rules.environment.no_gpu_allocated import without_gpus
from cudadoctor.rules.reading import container_of, passed, said, seen, step_of


@rule(
    id="container-cgroup-lost",
    title="The container lost its right to the GPU",
    severity=Severity.ERROR,
    explains=("uvm-node-missing", "mig-without-instance", "driver-call-failed"),
    shows={
        "nvml:999": 7,
        "nvml:999 container": 3,
        "nvml:999 cgroup": 3,
        "nvml:999 daemon-reload": 3,
        "container daemon-reload": 4,
        "no-permission container": 3,
        "nvml:15": -3,
        "nvml:999 cuda:46": -3,
        "nvml:999 vgpu": -3,
        "cuda:800 container": 7,
        "cuda:800": 3,
        "cuda:999 !container": -2,
        "container container-restarted": 6,
        "container-restarted": 2,
        "container after-a-while": 3,
        "cgroup container-cli": 6,
    },
    confirm=Confirm(
        "ls -l /dev/nvidiactl; : < /dev/nvidiactl",
        '"Operation not permitted" (not "Permission denied") in the container',
    ),
)
def container_cgroup_lost(
    host: Host, device_nodes: DeviceNodes, ladder: Ladder | Missing, scheduler: Scheduler | Missing
) -> Iterator[Finding]:
    """Fire in a container whose nodes answer EPERM and where no context could be made."""
    closed = closed_nodes(device_nodes, "EPERM")
    if not container_of(host) or not closed or passed(ladder, "context"):
        return
    step = step_of(ladder, "nvml")
    fenced = without_gpus(scheduler)
    yield finding(
        container_cgroup_lost,
        summary=f"{closed[0].path} exists in this {container_of(host)} container, but opening it is forbidden (EPERM).",
        cause="The container's cgroup no longer allows the device; a daemon-reload on the host takes it from "
        "containers that run.",
        confidence="proven" if fenced else "supported",
        evidence=(
            *seen("container", host.container),
            *fenced,
            *node_evidence(closed[:8]),
            *((said(step),) if step is not None and step.state == "failed" else ()),
        ),
        fix=Fix(
            "Start the container again, from the host. To make it last, name the devices, so that the runtime knows "
            "them.",
            ("docker run --rm --gpus all --device /dev/nvidiactl --device /dev/nvidia-uvm ubuntu nvidia-smi",),
        ),
    )
