"""# Another file than the driver's is loaded as libcuda

## What it checks
Whether `NUMBA_CUDA_DRIVER` or `NUMBAPRO_CUDA_DRIVER` names a file that is not there, is empty, of another architecture,
a stub, or no libcuda; or whether a text shows such a variable, or a libcuda without the driver's functions.

## Why it matters
NUMBA_CUDA_DRIVER and like variables name the file that is loaded as the driver. A toolkit's library, a library of
another architecture or an empty file is none.

## How to fix it
Unset the variable, or let it name the libcuda.so.1 that the driver installed.

```sh
unset NUMBA_CUDA_DRIVER NUMBAPRO_CUDA_DRIVER
ldconfig -p | grep libcuda.so.1
```

## Limits
numba's own CUDA target reads NUMBA_CUDA_DRIVER; numba-cuda 0.30 does not any more, so there it is a note, and so is
NUMBAPRO_CUDA_DRIVER, which only very old releases read.
A variable that names the driver's own file is no finding: on WSL2 it may be needed.
An empty file can also be left by an image that was saved in a container.

## Sources
- <https://numba.readthedocs.io/en/stable/reference/envvars.html>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.libraries import Libraries
from cudadoctor.facts.packages import Packages
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import on_search_path, version_of

_NO_LONGER_READ = (0, 30)
_WORDS = {
    "missing": "no file is there",
    "empty": "that file is empty",
    "no library": "that file is no library",
    "another library": "that is another library than libcuda",
    "of another architecture": "that library is of another architecture",
    "a stub": "that is the toolkit's stub",
    "switched off": "which tells numba to use no driver",
}


@rule(
    id="wrong-driver-library-loaded",
    title="Another file than the driver's is loaded as libcuda",
    severity=Severity.WARNING,
    shows={
        "driver-library-broken": 7,
        "numba-driver-variable": 4,
        "numba-driver-variable driver-library-broken": 2,
        "stub": 2,
        "macos": -3,
        "old-libcuda": -3,
        "ld-path smi-fails-said": 3,
        "libcuda-empty": -4,
    },
    confirm=Confirm(
        "env | grep -i NUMBA; /sbin/ldconfig -p | grep libcuda.so",
        "a variable that names another file than the libcuda.so.1 below it",
    ),
)
def wrong_driver_library_loaded(libraries: Libraries, packages: Packages | Missing) -> Iterator[Finding]:
    """Fire for a variable that names something else than a driver library."""
    named_files = () if isinstance(libraries.named, Missing) else libraries.named
    wrong = [file for file in named_files if file.state != "a driver library"]
    if not wrong:
        return
    named = wrong[0]
    read = named.variable == "NUMBA_CUDA_DRIVER" and _has_reader(packages)
    there = tuple(file for file in on_search_path(libraries, "libcuda.so.1"))
    unread = "" if read else " Nothing in this Python environment reads it, other programs may."
    yield finding(
        wrong_driver_library_loaded,
        severity=Severity.WARNING if read and named.state != "switched off" else Severity.NOTE,
        summary=f"{named.variable} names {named.path} as the driver library: {_WORDS[named.state]}.{unread}",
        cause="What the variable names is loaded in place of the driver's libcuda, and nothing else is looked for.",
        confidence="proven",
        evidence=(
            *(Evidence(each.variable, f"{each.path}: {each.state}", "environment") for each in wrong),
            *(Evidence("libcuda on the search path", file.path, file.found_via) for file in there[:2]),
        ),
        fix=Fix(
            "Unset it where it was set; the loader finds the driver's libcuda by itself."
            if there
            else "Unset it where it was set. The loader finds no libcuda.so.1 either: that comes with the driver.",
            (
                *(f"unset {each.variable}" for each in wrong if each.variable.isidentifier()),
                "ldconfig -p | grep libcuda.so",
            ),
        ),
    )


def _has_reader(packages: Packages | Missing) -> bool:
    """Say whether a numba that reads the variable is installed, or may be."""
    if isinstance(packages, Missing):
        return True
    numba_cuda = version_of(packages.version_of("numba-cuda"))
    if numba_cuda is not None:
        return numba_cuda < _NO_LONGER_READ
    return packages.version_of("numba") is not None
