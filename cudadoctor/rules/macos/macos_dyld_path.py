"""# DYLD_LIBRARY_PATH does not lead to the CUDA libraries

## What it checks
Whether a Mac without System Integrity Protection has a toolkit, and `DYLD_LIBRARY_PATH` names none of its library
folders; or whether a text shows a CUDA library that dyld did not find.

## Why it matters
Programs built in the days of CUDA 6 to 10 (cudamat, gnumpy, Theano) name `@rpath/libcudart.dylib` and carry no path to
it: they end with "Library not loaded" unless the variable leads there.

## How to fix it
Put both lines into the start-up file of the shell.

```sh
export PATH=/usr/local/cuda/bin:$PATH
export DYLD_LIBRARY_PATH=/usr/local/cuda/lib:$DYLD_LIBRARY_PATH
```

From OS X 10.11 on, System Integrity Protection takes the variable away from every program that a program of the system
starts (`/bin/sh`, `/usr/bin/env`, Apple's Python): there the library itself must know the path
(`install_name_tool -add_rpath /usr/local/cuda/lib FILE`).

## Limits
Where System Integrity Protection is on, nothing is said: the variable is taken away, and may be set in the shell.

## Sources
- CUDA Installation Guide for Mac OS X: <https://docs.nvidia.com/cuda/archive/10.2/cuda-installation-guide-mac-os-x/>
- Apple, System Integrity Protection Guide, Runtime Protections
- <https://github.com/tmcdonell/cuda/issues/32>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.host import Host
from cudadoctor.facts.macos import MacOS
from cudadoctor.facts.pci import Pci
from cudadoctor.facts.toolkits import Toolkits
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.macos.road import road_of, version_of_macos
from cudadoctor.rules.reading import version_of

_PROTECTED_SINCE = (10, 11)


@rule(
    id="macos-dyld-path",
    title="DYLD_LIBRARY_PATH does not lead to the CUDA libraries",
    severity=Severity.WARNING,
    shows={"dyld-cuda": 9, "dyld-cuda mac-10-14": -4},
    confirm=Confirm("echo $DYLD_LIBRARY_PATH; csrutil status", "no /usr/local/cuda/lib in it"),
)
def macos_dyld_path(
    macos: MacOS | Missing,
    host: Host | Missing,
    environment: Environment | Missing,
    toolkits: Toolkits | Missing,
    pci: Pci | Missing,
) -> Iterator[Finding]:
    """Fire where a toolkit is there, the variable does not name it, and nothing takes the variable away."""
    mac = road_of(host, macos, pci)
    if mac is None or is_stripped(mac, host) or isinstance(environment, Missing) or isinstance(toolkits, Missing):
        return
    built_with = [kit for kit in toolkits.found if isinstance(kit.nvcc, Known)]
    if not built_with:
        return
    value = environment.variables.get("DYLD_LIBRARY_PATH", "")
    if any("cuda" in folder.lower() for folder in value.split(":")):
        return
    kit = built_with[0]
    yield finding(
        macos_dyld_path,
        summary=f"The toolkit in {kit.root} is there, but DYLD_LIBRARY_PATH does not name its libraries.",
        cause="Programs that were built with it look for libcudart in the folders of this variable.",
        confidence="supported",
        evidence=(
            Evidence("toolkit", kit.root, kit.found_via),
            Evidence("DYLD_LIBRARY_PATH", value or "not set", environment.source),
        ),
        fix=Fix("Put this line into the start-up file of your shell.", (DYLD_LINE,)),
    )


DYLD_LINE = "export DYLD_LIBRARY_PATH=/usr/local/cuda/lib:$DYLD_LIBRARY_PATH"


def is_stripped(macos: MacOS, host: Host | Missing) -> bool:
    """Say whether System Integrity Protection takes the variable away, or may do so."""
    version = version_of(version_of_macos(host, macos))
    if version is not None and version[:2] < _PROTECTED_SINCE:
        return False
    return known(macos.integrity_protection) is not False
