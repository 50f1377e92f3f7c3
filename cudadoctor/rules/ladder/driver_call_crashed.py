"""# A driver call kills its process

## What it checks
Whether a child process died inside a call into NVML, the driver API or a kernel. A text shows it by a crash with a
frame of the driver's libraries.

## Why it matters
Any program that makes the same call dies the same way, mostly without a message.

## How to fix it
Find out which library was loaded: a damaged or foreign libcuda or libnvidia-ml is the usual reason.
Install the driver's libraries again.

```sh
ldconfig -p | grep -E 'libcuda|libnvidia-ml'
sudo dmesg | grep -iE 'nvrm|nvidia|xid'
nvidia-smi
```

## Limits
The rule knows the call and the signal, not the line that failed.
A process killed for lack of memory (SIGKILL) looks the same.

## Sources
signal(7).
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.facts.base import Missing
from cudadoctor.facts.devices import Devices
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.libraries import Libraries
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG
from cudadoctor.rules.reading import said, seen, steps_and_measurement


@rule(
    id="driver-call-crashed",
    title="A driver call kills its process",
    severity=Severity.ERROR,
    explains=("driver-call-failed", "race-lane-failed"),
    shows={
        "segv driver-frame": 9,
        "exit-139 smi-works": 7,
        "segv smi-works": 4,
    },
    confirm=Confirm(
        'nvidia-smi -L; echo "exit code $?"',
        '"Segmentation fault", or an exit code from 128 on',
    ),
)
def driver_call_crashed(
    ladder: Ladder,
    bandwidth: Bandwidth | Missing,
    devices: Devices | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    libraries: Libraries | Missing,
) -> Iterator[Finding]:
    """Fire where a step's process died."""
    died = tuple(step for step in steps_and_measurement(ladder, bandwidth, devices) if step.state == "crashed")
    if not died:
        return
    first = died[0]
    evidence: tuple[Evidence, ...] = tuple(said(step) for step in died)
    section = nvml if first.name == "nvml" else driver
    if isinstance(section, (Nvml, Driver)):
        evidence += seen("loaded library", section.mapped_path) + seen("release of the library", section.mapped_release)
    elif isinstance(libraries, Libraries):
        soname = "libnvidia-ml" if first.name == "nvml" else "libcuda"
        files = tuple(file for file in libraries.files if file.soname.startswith(soname))[:4]
        evidence += tuple(Evidence("library on the search path", file.path, file.found_via) for file in files)
    killed = first.signal == "SIGKILL"
    yield finding(
        driver_call_crashed,
        summary=f"The process that called {first.call or first.name} died "
        f"({first.signal or first.detail or 'no signal'}).",
        cause="Something killed the process: mostly a lack of memory."
        if killed
        else "The library that the call leads to is damaged, foreign, or does not fit the driver.",
        confidence="proven",
        evidence=evidence,
        fix=Fix(
            "See which libraries are found, read the system's log, and install the driver's libraries again.",
            ("ldconfig -p | grep -E 'libcuda|libnvidia-ml'", LOOK_AT_DRIVER_LOG, "nvidia-smi"),
        ),
    )
