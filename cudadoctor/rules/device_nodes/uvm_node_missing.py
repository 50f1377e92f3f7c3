"""# /dev/nvidia-uvm is missing

## What it checks
Whether the driver API answers 999 (unknown error) or 304 (operating system call failed) while NVML works
and there is no `/dev/nvidia-uvm`.

## Why it matters
CUDA needs the unified memory module, `nvidia_uvm`, and its node; NVML and `nvidia-smi` do not.
So `nvidia-smi` looks healthy and no CUDA program starts.
Nodes are made by a setuid helper, which a rootless container cannot run.

## How to fix it
Create the node as root, on the host, then start the container again.

```sh
sudo modprobe nvidia_uvm
sudo nvidia-modprobe -c 0 -u
ls -l /dev/nvidia-uvm
```

## Limits
With the node present, 999 has other causes, for example a suspend that broke the module; see driver-call-failed.

## Sources
nvidia-modprobe(1).
Met by users in:
- <https://github.com/podman-container-tools/podman/issues/9926>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import container_of, cuda_error, node_paths, on_jetson, on_wsl, passed, said


@rule(
    id="uvm-node-missing",
    title="/dev/nvidia-uvm is missing",
    severity=Severity.ERROR,
    explains=("driver-call-failed",),
    shows={
        "uvm-missing": 9,
        "nodes-without-uvm": 7,
        "nodes-without-uvm cuda:999": 3,
        "cuda:999": 2,
        "init-failed": 4,
        "cuda:304": 2,
        "cuda:999 container": 2,
        "lxc cuda:999": 6,
        "lxc cuda-999-ffmpeg": 1,
        "rebooted cuda:999": 3,
        "lxc smi-works-said": 5,
        "container smi-works-said not-available": 1,
        "rebooted smi-works-said": 3,
        "video-lib": -4,
        "cuda:999 !container": 2,
    },
    confirm=Confirm(
        "ls -l /dev/nvidia-uvm; grep nvidia_uvm /proc/modules",
        '"No such file or directory"',
    ),
)
def uvm_node_missing(device_nodes: DeviceNodes, ladder: Ladder, host: Host | Missing) -> Iterator[Finding]:
    """Fire on 999 or 304 from the driver API, with NVML at work and no node."""
    step = cuda_error(ladder, 999, 304)
    nodes = node_paths(device_nodes)
    if step is None or "/dev/nvidia-uvm" in nodes or not passed(ladder, "nvml"):
        return
    if on_wsl(host, device_nodes) or on_jetson(host):
        return
    inside = container_of(host)
    where = "on the host, then start the container again" if inside else "as root"
    yield finding(
        uvm_node_missing,
        summary=f"NVML works, but {step.call} fails with {step.code}, and /dev/nvidia-uvm does not exist.",
        cause="CUDA needs the module nvidia_uvm and its node; nothing with the right to do so has created it yet.",
        evidence=(said(step), Evidence("NVIDIA device nodes", ", ".join(nodes) or "none", device_nodes.source)),
        fix=Fix(
            f"Create the node {where}.",
            ("sudo modprobe nvidia_uvm", "sudo nvidia-modprobe -c 0 -u", "ls -l /dev/nvidia-uvm"),
        ),
    )
