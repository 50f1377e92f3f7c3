"""# The container has NVML but not CUDA

## What it checks
Whether NVML answers inside a container while `libcuda.so.1` is not there.

## Why it matters
The container runtime mounts only the parts of the driver that are asked for.
With the default `utility` alone, `nvidia-smi` works and every CUDA program says that there is no driver.

## How to fix it
Start the container with `NVIDIA_DRIVER_CAPABILITIES=compute,utility`, or set it in the image.

```sh
docker run --rm --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility ubuntu nvidia-smi
```

## Limits
A libcuda that was mounted but is not in the loader's cache looks the same: `ldconfig` inside the container cures
that one.

## Sources
NVIDIA Container Toolkit, Driver Capabilities.
Met by users in:
- <https://github.com/NVIDIA/nvidia-docker/issues/533>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.libraries import Libraries
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import container_of, driver_files, passed, said, seen, step_of

_VARIABLE = "NVIDIA_DRIVER_CAPABILITIES"


@rule(
    id="container-driver-capabilities",
    title="The container has NVML but not CUDA",
    severity=Severity.ERROR,
    explains=("libcuda-missing", "uvm-node-missing", "driver-call-failed"),
    shows={
        "driver-capabilities": 3,
        "without-compute": 7,
        "driver-capabilities no-nvidia-driver": 4,
        "smi-works container no-nvidia-driver": 8,
        "smi-works container libcuda-not-found": 8,
        "smi-works container lib:libcuda": 8,
        "smi-works no-nvidia-driver": 3,
        "container no-nvidia-driver": 2,
        "container lib:libcuda": 3,
        "container cuda:100 smi-works": 2,
        "container-with-gpu no-nvidia-driver": 5,
        "container-with-gpu libcuda-not-found": 5,
        "container-with-gpu lib:libcuda": 5,
        "video-lib container": 9,
        "video-lib nvenc-version": 3,
        "video-lib": 3,
        "video-lib lxc": 3,
        "ptxjit-missing container": 6,
        "ptxjit-missing": 2,
    },
    confirm=Confirm(
        "echo \"$NVIDIA_DRIVER_CAPABILITIES\"; /sbin/ldconfig -p | grep -E 'libcuda|libnvidia-ml'",
        "a first line without compute or all, and libnvidia-ml without libcuda",
    ),
)
def container_driver_capabilities(
    host: Host, ladder: Ladder, nvml: Nvml | Missing, libraries: Libraries | Missing, environment: Environment | Missing
) -> Iterator[Finding]:
    """Fire in a container where NVML passed and libcuda cannot be loaded."""
    runtime, step = container_of(host), step_of(ladder, "libcuda")
    if not runtime or step is None or step.state != "failed" or not passed(ladder, "nvml"):
        return
    files = driver_files(libraries, "libcuda")
    value = environment.variables.get(_VARIABLE) if isinstance(environment, Environment) else None
    asked = {part.strip() for part in (value or "").split(",")}
    granted = bool(asked & {"compute", "all"})
    evidence = (*seen("container", host.container), said(step))
    evidence += seen("GPUs that NVML sees", nvml.device_count) if isinstance(nvml, Nvml) else ()
    evidence += (Evidence(_VARIABLE, value, "environment"),) if isinstance(environment, Environment) else ()
    if files or granted:
        text = "Refresh the loader's cache inside the container; if that does not help, create the container anew."
        commands = ("ldconfig && ldconfig -p | grep libcuda.so.1",)
        cause = "The driver's files were mounted, or should have been, but the loader does not find libcuda."
    else:
        text = "Start the container again, from the host, with the compute capability of the driver."
        commands = (
            f"docker run --rm --gpus all -e {_VARIABLE}=compute,utility ubuntu sh -c 'ldconfig -p | grep libcuda'",
        )
        cause = f"{_VARIABLE} decides which parts of the host's driver are mounted; without compute, libcuda is not."
    yield finding(
        container_driver_capabilities,
        summary=f"NVML works in this {runtime} container, but libcuda.so.1 is not there, so no CUDA program can start.",
        cause=cause,
        confidence="supported",
        evidence=evidence,
        fix=Fix(text, commands),
    )
