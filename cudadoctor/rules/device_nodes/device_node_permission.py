"""# This user may not open the GPU's device nodes

## What it checks
Whether `/dev/nvidiactl`, `/dev/nvidia0..` and `/dev/nvidia-uvm` can be opened for reading and writing, as every CUDA
program opens them; and whether NVML answers "insufficient permissions" (4).

## Why it matters
Without both rights the driver is invisible to this user, while the administrator sees everything working.

## How to fix it
Join the group that owns the nodes, or let the driver create them for everybody (mode 0666, its default).
In rootless podman, keep the groups of the user.
To create them for everybody:

```sh
echo "options nvidia NVreg_DeviceFileMode=0666" | sudo tee /etc/modprobe.d/nvidia-device-mode.conf
sudo reboot
```

## Limits
Nodes of single GPUs that are closed on purpose (by a batch system) are no finding while others work.

## Sources
NVIDIA driver README, chapter on device files (NVreg_DeviceFileMode and its kin).
Met by users in:
- <https://github.com/NVIDIA/nvidia-docker/issues/1608>
- <https://github.com/vowstar/vowstar-overlay/issues/6>
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.device_nodes import DeviceNode, DeviceNodes
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.ladder import Ladder
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import set_module_option
from cudadoctor.rules.reading import container_of, nvml_error, parameter_of, passed, said, text_of

_NEEDED = re.compile(r"/dev/(nvidiactl|nvidia\d+|nvidia-uvm|dxg)", re.ASCII)
_GROUPS = ("video", "render", "vglusers")


def closed_nodes(device_nodes: DeviceNodes | Missing, *errors: str) -> tuple[DeviceNode, ...]:
    """Return the nodes that a CUDA program needs and that could not be opened for one of these reasons."""
    if isinstance(device_nodes, Missing):
        return ()
    return tuple(n for n in device_nodes.nodes if text_of(n.error) in errors and _NEEDED.fullmatch(n.path))


def node_evidence(nodes: tuple[DeviceNode, ...]) -> tuple[Evidence, ...]:
    """Return mode, owner and error of nodes as evidence."""
    return tuple(
        Evidence(node.path, f"{node.mode} {node.owner}: {text_of(node.error)}", "open(O_RDWR)") for node in nodes
    )


@rule(
    id="device-node-permission",
    title="This user may not open the GPU's device nodes",
    severity=Severity.ERROR,
    explains=("uvm-node-missing", "mig-without-instance", "driver-call-failed"),
    shows={
        "nvml:4": 9,
        "no-permission": 9,
        "node-not-for-all": 4,
        "node-odd-mode": 5,
        "node-mode": 3,
        "cuda:304": 4,
        "cuda:304 node-not-for-all": 2,
        "groups": 1,
        "cuda:800": 4,
        "module-not-initialised": 1,
        "root-only": 5,
        "root-only smi-no-devices": 3,
        "root-only cuda:100": 6,
        "root-only no-gpu-devices": 4,
    },
    confirm=Confirm(
        "ls -l /dev/nvidia*; id; : < /dev/nvidiactl",
        '"Permission denied", and a group or mode that leaves you out',
    ),
)
def device_node_permission(
    device_nodes: DeviceNodes | Missing,
    ladder: Ladder | Missing,
    host: Host | Missing,
    kernel_driver: KernelDriver | Missing,
) -> Iterator[Finding]:
    """Fire where nodes are closed to this user, or NVML says so, and no CUDA context could be made."""
    refused = nvml_error(ladder, 4)
    errors = ("EACCES",) if container_of(host) else ("EACCES", "EPERM")
    closed = closed_nodes(device_nodes, *errors)
    if passed(ladder, "context") or not (closed or refused):
        return
    which = ", ".join(node.path for node in closed[:4])
    shown = f" ({closed[0].mode} {closed[0].owner})" if closed else ""
    yield finding(
        device_node_permission,
        summary=f"{which or 'The device nodes of the driver'}{shown} cannot be opened for reading and writing by this "
        "user.",
        cause="The nodes belong to root and a group that this process is not in, or have a mode that shuts others out.",
        confidence="proven" if closed else "supported",
        evidence=node_evidence(closed[:8])
        + ((said(refused),) if refused else ())
        + parameter_of(kernel_driver, "DeviceFileMode"),
        fix=_fix(host, closed),
    )


def _fix(host: Host | Missing, closed: tuple[DeviceNode, ...]) -> Fix:
    container = container_of(host)
    if "podman" in container.lower():
        return Fix(
            "Start the container again so that it keeps your groups.",
            ("podman run --rm --group-add keep-groups --device nvidia.com/gpu=all ubuntu nvidia-smi",),
        )
    if container:
        return Fix(
            "Run the container as a user that may open the nodes, or give it the group that owns them, from the host.",
            ("ls -ln /dev/nvidia*; id",),
        )
    words = {word for node in closed for word in re.split(r"\W+", node.owner)}
    group = next((name for name in _GROUPS if name in words), None)
    if group:
        return Fix(
            f"Join the group {group}, then log in again.", (f'sudo usermod -aG {group} "$USER"', f"newgrp {group}")
        )
    return Fix(
        "Let the driver create its nodes for everybody, which is its default, then reboot.",
        (
            "ls -l /dev/nvidia*; grep DeviceFile /proc/driver/nvidia/params; grep -rn DeviceFile /etc/modprobe.d",
            set_module_option(host, "NVreg_DeviceFileMode=0666", "nvidia-device-mode"),
            "sudo reboot",
        ),
    )
