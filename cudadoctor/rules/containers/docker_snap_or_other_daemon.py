"""# The docker command talks to a daemon that does not see the host's GPU setup

## What it checks
Whether a text shows Docker from snap, Docker Desktop on Linux, or a rootless daemon where GPUs are refused.

## Why it matters
These daemons run in a confinement or a virtual machine of their own: they see neither the host's
nvidia-container-toolkit nor its configuration in /etc/docker.

## How to fix it
Remove the other Docker and install the engine from Docker's repository, or switch the context to it; for a rootless
daemon, configure the toolkit for the user.

```sh
docker context ls
readlink -f "$(command -v docker)"
```

## Limits
Docker Desktop on Windows with WSL2 does support GPUs.

## Sources
- <https://docs.docker.com/engine/install/>
- <https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html>
"""

from __future__ import annotations

from cudadoctor.rules.base import cause

docker_snap_or_other_daemon = cause(
    id="docker-snap-or-other-daemon",
    title="The docker command talks to a daemon that does not see the host's GPU setup",
    page=__doc__,
    shows={
        "other-docker": 3,
        "other-docker no-gpu-driver-docker": 8,
        "no-gpu-driver-docker": 4,
        "rootless no-gpu-driver-docker": 4,
        "rootless container-cli": 3,
        "other-docker container-cli": 4,
    },
)
