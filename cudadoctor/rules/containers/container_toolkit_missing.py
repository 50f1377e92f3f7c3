"""# The host has no NVIDIA Container Toolkit

## What it checks
Whether a container engine says that it knows no GPU driver, no runtime called nvidia, or no CDI device
nvidia.com/gpu.

## Why it matters
A container engine knows nothing of GPUs by itself: the toolkit adds nodes and driver libraries to each container.
Without it, or before the engine was told of it, the request for GPUs is refused and the container does not start.

## How to fix it
Install nvidia-container-toolkit on the host from NVIDIA's repository, tell the engine of it, and restart the engine.

```sh
sudo nvidia-ctk runtime configure --runtime=docker
sudo systemctl restart docker
docker run --rm --gpus all ubuntu nvidia-smi
```

## Limits
The same message comes from an engine that does not see the host's toolkit: Docker from snap, Docker Desktop, or a
second daemon.

## Sources
- <https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html>
"""

from __future__ import annotations

from cudadoctor.rules.base import cause

container_toolkit_missing = cause(
    id="container-toolkit-missing",
    title="The host has no NVIDIA Container Toolkit",
    page=__doc__,
    shows={"no-gpu-driver-docker": 9, "other-docker": -2},
)
