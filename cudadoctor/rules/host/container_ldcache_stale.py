"""# The container's loader does not know the driver's libraries

## What it checks
Whether, inside a container, files of the driver's libraries are there although NVML's library cannot be loaded.

## Why it matters
The container runtime mounts the libraries from the host and then refreshes the loader's cache inside.
Where that was skipped, or the image set its search path anew, the files are there and nothing finds them.

## How to fix it
Run `ldconfig` inside the container, or add the folder of the files to `LD_LIBRARY_PATH`.
Inside the container:

```sh
ldconfig && ldconfig -p | grep libnvidia-ml
```

## Limits
A file that is damaged or of another processor architecture looks the same: the loader's message tells.

## Sources
NVIDIA Container Toolkit; Google Kubernetes Engine mounts the driver at /usr/local/nvidia/lib64.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.libraries import Libraries
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import container_of, driver_files, nvml_error, passed, said, seen, sign_of_driver

_MOUNT = "/usr/local/nvidia/lib64/"


@rule(
    id="container-ldcache-stale",
    title="The container's loader does not know the driver's libraries",
    severity=Severity.ERROR,
    explains=("stub-libcuda-loaded", "container-driver-capabilities", "libcuda-missing", "driver-call-failed"),
    shows={
        "container-ldcache": 8,
        "container lib:libnvidia-ml !container-cli": 5,
        "container nvml:12": 5,
        "smi-no-nvml-lib container": 9,
        "smi-no-nvml-lib": 4,
        "container-with-gpu smi-no-nvml-lib": 2,
        "libcuda-empty": 3,
        "libcuda-empty container": 6,
    },
    confirm=Confirm(
        "find /usr /opt -name 'libnvidia-ml.so.*' 2>/dev/null; /sbin/ldconfig -p | grep libnvidia-ml",
        "files, but none in the loader's cache (a line with =>)",
    ),
)
def container_ldcache_stale(
    host: Host, libraries: Libraries, ladder: Ladder, nvml: Nvml | Missing, driver: Driver | Missing
) -> Iterator[Finding]:
    """Fire in a container where NVML's library exists and cannot be loaded, and no driver answers."""
    step = nvml_error(ladder, 12)
    files = driver_files(libraries, "libnvidia-ml")
    if not container_of(host) or step is None or not files or passed(ladder, "libcuda"):
        return
    if sign_of_driver(ladder, nvml, driver) is not None:
        return
    commands: tuple[str, ...] = ("ldconfig && ldconfig -p | grep -E 'libcuda|libnvidia-ml'",)
    if files[0].path.startswith(_MOUNT):
        commands += (f'export LD_LIBRARY_PATH="{_MOUNT.rstrip("/")}:$LD_LIBRARY_PATH"',)
    yield finding(
        container_ldcache_stale,
        summary=f"{files[0].path} is in this {container_of(host)} container, but the loader does not find it.",
        cause="The libraries were mounted; the loader's cache was not refreshed, or the path leaves them out.",
        evidence=(
            *seen("container", host.container),
            said(step),
            *(Evidence("driver library", file.path, file.found_via) for file in driver_files(libraries)[:6]),
        ),
        fix=Fix("Refresh the loader's cache inside the container, or put the folder on the search path.", commands),
    )
