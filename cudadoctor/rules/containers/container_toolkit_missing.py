"""# The host has no NVIDIA Container Toolkit

## What it checks
Whether a host with a container engine and a GPU that works has any program of NVIDIA Container Toolkit, a runtime
called nvidia, or a CDI description of its GPUs.
In a pasted text: whether an engine says that it knows no GPU driver, no runtime called nvidia, or no CDI device
nvidia.com/gpu.

## Why it matters
A container engine knows nothing of GPUs by itself: the toolkit adds nodes and driver libraries to each container.
Without it, or before the engine was told of it, the request for GPUs is refused and the container does not start.

## How to fix it
Install nvidia-container-toolkit on the host from NVIDIA's repository, tell the engine of it, and restart the engine.
On Ubuntu and Debian:

```sh
repo=https://nvidia.github.io/libnvidia-container key=/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg
list=/etc/apt/sources.list.d/nvidia-container-toolkit.list
curl -fsSL $repo/gpgkey | sudo gpg --dearmor -o $key
curl -fsSL $repo/stable/deb/nvidia-container-toolkit.list | sed "s#deb #deb [signed-by=$key] #" | sudo tee $list
sudo apt-get update && sudo apt-get install -y nvidia-container-toolkit
sudo nvidia-ctk runtime configure --runtime=docker
sudo systemctl restart docker
```

## Limits
Many hosts never run a container that wants a GPU, so what files show is a note.
The same message comes from an engine that does not see the host's toolkit: Docker from snap, Docker Desktop, or a
second daemon.

## Sources
- <https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html>
Met by users in:
- <https://github.com/eduidl/ElasticFusion-Dockerfile/issues/11>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.containers import Containers
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import install_container_toolkit
from cudadoctor.rules.reading import owns_its_driver, passed, text_of

_TELL_DOCKER = "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker"


@rule(
    id="container-toolkit-missing",
    title="The host has no NVIDIA Container Toolkit",
    severity=Severity.ERROR,
    shows={
        "no-gpu-driver-docker": 9,
        "other-docker": -2,
        "device-plugin nvml:12": 9,
        "toolkit-not-configured": 9,
    },
    confirm=Confirm(
        "docker info | grep -iE 'runtimes|cdi'; command -v nvidia-ctk",
        "no runtime called nvidia, and no path",
    ),
    commands_here=lambda machine: (
        install_container_toolkit(machine.host)
        and (
            *install_container_toolkit(machine.host),
            _TELL_DOCKER,
        )
    ),
)
def container_toolkit_missing(
    containers: Containers, ladder: Ladder, host: Host | Missing, device_nodes: DeviceNodes | Missing
) -> Iterator[Finding]:
    """Note an engine without toolkit on a host whose GPU works."""
    if not passed(ladder, "context") or not owns_its_driver(host, device_nodes):
        return
    told = containers.toolkit_files or containers.cdi_specs or "nvidia" in (known(containers.runtimes) or ())
    # The daemons of snap and Docker Desktop have their own rule: the host's toolkit would not help them.
    own = text_of(containers.daemon) not in ("snap", "desktop", "remote")
    engines = tuple(e for e in containers.engines if e.name == "podman" or (e.name == "docker" and own))
    if told or not engines:
        return
    names = tuple(dict.fromkeys(engine.name for engine in engines))
    docker = "docker" in names
    commands = install_container_toolkit(host)
    if docker:
        commands += (_TELL_DOCKER,)
    else:
        commands += ("sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",)
    yield finding(
        container_toolkit_missing,
        severity=Severity.NOTE,
        summary=f"The GPU works, and {' and '.join(names)} {'are' if len(names) > 1 else 'is'} installed, but "
        "NVIDIA Container Toolkit is not: no container can use the GPU.",
        cause="A container engine brings nothing of the driver into a container by itself.",
        confidence="supported",
        evidence=(
            *(Evidence("container engine", engine.path, engine.origin) for engine in engines),
            Evidence("programs of the toolkit", 0, "/usr/bin, /usr/local/bin"),
            Evidence("CDI descriptions of GPUs", 0, "/etc/cdi, /var/run/cdi"),
        ),
        fix=Fix(
            "If containers are to use the GPU, install the toolkit and tell the engine of it; otherwise leave it so.",
            commands,
        ),
    )
