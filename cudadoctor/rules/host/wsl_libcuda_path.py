"""# The loader does not find WSL2's libcuda

## What it checks
Whether, under WSL2, the library that Windows lends is there, but the loader does not search /usr/lib/wsl/lib and
libcuda could not be loaded.

## Why it matters
WSL2 writes this folder into the loader's configuration when it starts; a distribution that overwrites it, or a start
without it, leaves the library out.
Programs then say that there is no driver.

## How to fix it
Add the folder to the loader's configuration.

```sh
echo /usr/lib/wsl/lib | sudo tee /etc/ld.so.conf.d/wsl.conf
sudo ldconfig
ldconfig -p | grep libcuda.so.1
```

## Limits
Programs that ask for `libcuda.so` without the 1 can fail though this finding does not appear, where the files in that
folder are copies instead of links.

## Sources
NVIDIA CUDA on WSL User Guide.
Met by users in:
- <https://github.com/microsoft/WSL/issues/8587>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.libraries import Libraries
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.host.wsl_linux_driver_inside import LENT
from cudadoctor.rules.reading import on_search_path, on_wsl, said, step_of


@rule(
    id="wsl-libcuda-path",
    title="The loader does not find WSL2's libcuda",
    severity=Severity.ERROR,
    explains=("no-driver-installed", "libcuda-missing", "driver-call-failed"),
    shows={
        "wsl-lib": 6,
        "wsl-not-symlink": 3,
        "wsl lib:libcuda": 6,
        "wsl libcuda-not-found": 6,
        "lcuda wsl": 6,
        "lcuda": 4,
        "wsl libcuda-so": 5,
        "wsl libcuda-so lib:libcuda": 3,
        "wsl-lib-named": 5,
        "wsl-lib-named wsl-lib": -5,
        "wsl bitsandbytes": 6,
        "bitsandbytes lib:libcuda": 3,
        "libcuda-so libcuda-not-found": 3,
    },
    confirm=Confirm(
        "ls /usr/lib/wsl/lib/libcuda.so.1; /sbin/ldconfig -p | grep libcuda.so",
        "the file, and no line that leads to /usr/lib/wsl/lib",
    ),
)
def wsl_libcuda_path(
    host: Host, libraries: Libraries, ladder: Ladder, device_nodes: DeviceNodes | Missing
) -> Iterator[Finding]:
    """Fire where libcuda could not be loaded and only the folder that nobody searches has it."""
    step = step_of(ladder, "libcuda")
    if not on_wsl(host, device_nodes) or step is None or step.state != "failed":
        return
    lent = tuple(f for f in libraries.files if f.soname.startswith("libcuda") and f.path.startswith(LENT))
    if not lent or on_search_path(libraries, "libcuda"):
        return
    yield finding(
        wsl_libcuda_path,
        summary=f"Windows lends {lent[0].path}, but the loader does not search that folder.",
        cause="The loader's configuration of this distribution does not name /usr/lib/wsl/lib.",
        confidence="proven",
        evidence=(said(step), *(Evidence("libcuda", file.path, file.found_via) for file in lent[:2])),
        fix=Fix(
            "Add the folder to the loader's configuration; for one shell, LD_LIBRARY_PATH does it too.",
            (
                "echo /usr/lib/wsl/lib | sudo tee /etc/ld.so.conf.d/wsl.conf",
                "sudo ldconfig",
                "ldconfig -p | grep libcuda.so.1",
            ),
        ),
    )
