"""# The container was started without a GPU

## What it checks
Whether this is a container on a host with an NVIDIA card, without the device nodes or the driver libraries that the
container runtime would have brought in.

## Why it matters
A container has no driver of its own: nodes and libraries are mounted from the host when the container is started with
a GPU option.
Installing a driver inside never helps.

## How to fix it
Start the container again with a GPU: `docker run --gpus all`, `podman run --device nvidia.com/gpu=all`, `apptainer
exec --nv`, or a limit of `nvidia.com/gpu: 1` in Kubernetes.
If the host refuses, it lacks nvidia-container-toolkit.

```sh
docker run --rm --gpus all ubuntu nvidia-smi
```

## Limits
From inside, a host without a working driver cannot always be told from a missing option: `nvidia-smi` on the host
tells.
`--privileged` gives the nodes but not the libraries.

## Sources
NVIDIA Container Toolkit documentation.
Met by users in:
- <https://github.com/eduidl/ElasticFusion-Dockerfile/issues/11>
- <https://github.com/NVIDIA/nvidia-docker/issues/1071>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.libraries import Libraries
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import (
    card_evidence,
    cards,
    container_of,
    driver_files,
    names_of,
    node_paths,
    nvml_error,
    said,
    seen,
    sign_of_driver,
)


@rule(
    id="container-no-gpu-flag",
    title="The container was started without a GPU",
    severity=Severity.ERROR,
    explains=(
        "stub-libcuda-loaded",
        "container-driver-capabilities",
        "libcuda-missing",
        "container-cgroup-lost",
        "device-node-permission",
        "uvm-node-missing",
        "driver-call-failed",
    ),
    shows={
        "ngc-no-driver": 9,
        "container-with-gpu": -4,
        "container smi-not-found": 6,
        "container no-gpu-found": 5,
        "container no-nvidia-driver !smi-works": 4,
        "container lib:libcuda !smi-works !container-cli": 8,
        "container libcuda-not-found !smi-works !container-cli": 4,
        "container cuda:100 !smi-works !cvd": 2,
        "container lib:libnvidia-ml !container-cli": 3,
        "container not-available !smi-works": 5,
        "container smi-fails-said": 3,
        "container no-gpu-devices": 4,
        "smi-works-said container": -2,
        "cuda-303 container": 8,
        "singularity lib:libcuda": 6,
        "singularity libcuda-not-found": 5,
        "container not-available": 1,
        "docker-run-plain lib:libcuda": 3,
        "docker-run-plain not-available": 4,
        "docker-run-plain no-nvidia-driver": 5,
        "docker-run-plain libcuda-not-found": 3,
        "singularity cuda:35": 8,
        "device-plugin nvml:12": 7,
        "toolkit-not-configured": 4,
        "container cuda:35 !driver-told !smi-works": 4,
    },
    confirm=Confirm(
        "ls -l /dev/nvidiactl; /sbin/ldconfig -p | grep -E 'libcuda|libnvidia-ml'",
        "no node and no library in the container, while nvidia-smi works on the host",
    ),
)
def container_no_gpu_flag(
    host: Host,
    pci: Pci | Missing,
    kernel_driver: KernelDriver | Missing,
    device_nodes: DeviceNodes | Missing,
    libraries: Libraries | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    ladder: Ladder | Missing,
) -> Iterator[Finding]:
    """Fire in a container on a GPU host that has no nodes, or no NVML library."""
    runtime = container_of(host)
    found = cards(pci)
    release = kernel_driver.loaded_release if isinstance(kernel_driver, KernelDriver) else Missing("")
    loaded = seen("driver release of the host's kernel", release)
    if not runtime or not (found or loaded) or sign_of_driver(ladder, nvml, driver) is not None:
        return
    nodes = tuple(path for path in node_paths(device_nodes) if path.startswith(("/dev/nvidia", "/dev/dxg")))
    without_nodes = isinstance(device_nodes, DeviceNodes) and not nodes
    unloadable = nvml_error(ladder, 12)
    files = driver_files(libraries, "libnvidia-ml")
    without_libraries = not files and (unloadable is not None or isinstance(libraries, Libraries))
    if not without_nodes and not without_libraries:
        return
    lacks = " and ".join(
        part
        for part, lacking in (("no /dev/nvidia* nodes", without_nodes), ("no driver libraries", without_libraries))
        if lacking
    )
    evidence = (*seen("container", host.container), *(card_evidence(card) for card in found), *loaded)
    evidence += (Evidence("NVIDIA device nodes", len(nodes), "/dev"),) if isinstance(device_nodes, DeviceNodes) else ()
    evidence += (said(unloadable),) if unloadable else ()
    bound = next((name for card in found if (name := known(card.bound_driver)) and name != "nvidia"), None)
    foreign = f" On this host the card is bound to {bound}, so check nvidia-smi on the host first." if bound else ""
    half = " The nodes alone come with --privileged; the libraries do not." if nodes else ""
    yield finding(
        container_no_gpu_flag,
        summary=f"This {runtime} container has {lacks}, although the host has {names_of(found) if found else 'a GPU'}.",
        cause="The container was started without a GPU option, so the runtime mounted no part of the host's "
        f"driver.{half}",
        confidence="proven" if without_nodes and without_libraries and loaded else "supported",
        evidence=evidence,
        fix=_fix(runtime.lower(), foreign),
    )


def _fix(runtime: str, foreign: str) -> Fix:
    text = f"Start the container again with a GPU, from the host; nothing is to be added inside it.{foreign}"
    if "podman" in runtime:
        return Fix(text, ("podman run --rm --device nvidia.com/gpu=all ubuntu nvidia-smi",))
    if "kube" in runtime:
        return Fix(
            "Give the container a limit of nvidia.com/gpu: 1 in its pod, and look whether the node offers "
            f"GPUs.{foreign}",
            ("kubectl describe nodes | grep nvidia.com/gpu",),
        )
    if any(name in runtime for name in ("apptainer", "singularity")):
        return Fix(f"Start it again with --nv.{foreign}", ("apptainer exec --nv docker://ubuntu nvidia-smi",))
    if "lxc" in runtime or "lxd" in runtime or "incus" in runtime:
        return Fix(
            f"Add the GPU to the container, from the host, with nvidia.runtime switched on.{foreign}",
            ("lxc config show",),
        )
    return Fix(
        f'{text} If that answers "could not select device driver", the host lacks nvidia-container-toolkit.',
        ("docker run --rm --gpus all ubuntu nvidia-smi",),
    )
