"""# The docker command talks to a daemon that does not see the host's GPU setup

## What it checks
Whether the command `docker` of a host with a working GPU talks to the Docker of snap, to Docker Desktop, or to a
rootless daemon without a CDI description of the GPUs.
In a pasted text: whether such a daemon refuses GPUs.

## Why it matters
These daemons run in a confinement or a virtual machine of their own: they see neither the host's
nvidia-container-toolkit nor its configuration in /etc/docker.

## How to fix it
Switch the other Docker off and install the engine of the distribution or of Docker's repository, or switch the context
to it; for a rootless daemon, configure the toolkit for the user.
With Docker Desktop:

```sh
docker context use default
docker run --rm --gpus all ubuntu nvidia-smi
```

With snap, on Ubuntu:

```sh
sudo snap stop --disable docker
sudo apt-get install -y docker.io
sudo nvidia-ctk runtime configure --runtime=docker
sudo systemctl restart docker
```

With rootless Docker:

```sh
nvidia-ctk runtime configure --runtime=docker --config="$HOME/.config/docker/daemon.json"
systemctl --user restart docker
sudo nvidia-ctk config --set nvidia-container-cli.no-cgroups --in-place
```

## Limits
Newer releases of the snap bring GPU support of their own, and a rootless daemon may be configured in ways that its
files do not show, so this is a note.
Docker Desktop on Windows with WSL2 does support GPUs.

## Sources
- <https://docs.docker.com/engine/install/>
- <https://docs.docker.com/desktop/features/gpu/>
- <https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html>
Met by users in:
- <https://github.com/NVIDIA/nvidia-docker/issues/1591>
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
from cudadoctor.rules.reading import owns_its_driver, passed, seen

_CAUSES = {
    "snap": "Docker from snap is confined: releases without GPU support of their own do not see the host's toolkit.",
    "desktop": "Docker Desktop on Linux runs containers in a virtual machine, which has no NVIDIA GPU.",
    "rootless": "A rootless daemon reads the user's configuration, not /etc/docker, and may not set up device rules.",
}
_FIXES = {
    "snap": (
        "If GPUs are refused, switch the snap off, install Docker from its own repository, and configure the toolkit.",
        ("docker run --rm --gpus all ubuntu nvidia-smi", "sudo snap stop --disable docker"),
    ),
    "desktop": (
        "For containers with GPUs, use the system's own engine.",
        ("docker context use default", "docker run --rm --gpus all ubuntu nvidia-smi"),
    ),
    "rootless": (
        "For containers with GPUs, configure the toolkit for this user's daemon.",
        (
            "nvidia-ctk runtime configure --runtime=docker --config=$HOME/.config/docker/daemon.json",
            "sudo nvidia-ctk config --set nvidia-container-cli.no-cgroups --in-place",
            "systemctl --user restart docker",
        ),
    ),
}


@rule(
    id="docker-snap-or-other-daemon",
    title="The docker command talks to a daemon that does not see the host's GPU setup",
    severity=Severity.ERROR,
    shows={
        "other-docker": 3,
        "other-docker no-gpu-driver-docker": 8,
        "no-gpu-driver-docker": 4,
        "rootless no-gpu-driver-docker": 4,
        "rootless container-cli": 3,
        "other-docker container-cli": 4,
        "container-cli-driver lib:libnvidia-ml": 5,
        "container-cli-driver smi-works-said": 8,
        "container-cli-driver smi-works": 6,
        "other-docker container-cli-driver": 10,
        "other-docker lib:libnvidia-ml": 6,
        "sudo-differs container": 7,
        "lib-in-docker-desktop": 3,
    },
    confirm=Confirm(
        'docker context ls; readlink -f "$(command -v docker)"',
        "a star at desktop-linux or rootless, or /usr/bin/snap",
    ),
)
def docker_snap_or_other_daemon(
    containers: Containers, ladder: Ladder, host: Host | Missing, device_nodes: DeviceNodes | Missing
) -> Iterator[Finding]:
    """Note such a daemon on a host whose GPU works."""
    daemon = known(containers.daemon) or ""
    if daemon not in _FIXES or not passed(ladder, "context") or not owns_its_driver(host, device_nodes):
        return
    if daemon == "rootless" and containers.cdi_specs:
        return
    names = {"snap": "the Docker of snap", "desktop": "Docker Desktop", "rootless": "a rootless daemon"}
    text, commands = _FIXES[daemon]
    yield finding(
        docker_snap_or_other_daemon,
        severity=Severity.NOTE,
        summary=f"The GPU works, but the command docker talks to {names[daemon]}, which does not take part in the "
        "host's GPU setup by itself.",
        cause=_CAUSES[daemon],
        confidence="possible",
        evidence=(
            *seen("daemon behind docker", containers.daemon),
            *(Evidence("container engine", engine.path, engine.origin) for engine in containers.engines),
            *(Evidence("program of the toolkit", path, "/usr/bin") for path in containers.toolkit_files[:2]),
        ),
        fix=Fix(text, commands),
    )
