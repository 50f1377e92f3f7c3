"""# The GPU's own processor did not answer

## What it checks
Whether the kernel log of this boot has Xid 119 or 120: a request to the GSP, the processor on the card that runs most
of the driver, timed out or failed.

## Why it matters
The driver waits some seconds for each request, so tools hang, answer late, or see fewer GPUs.
The card stays in this state until it is reset.

## How to fix it
Reboot, and update the driver: several of these were bugs of a release.
With the proprietary modules, the GSP firmware can be turned off as a stop-gap (`NVreg_EnableGpuFirmware=0`); the open
modules cannot work without it.

```sh
sudo dmesg | grep -iE 'nvrm|nvidia|xid'
sudo reboot
```

## Limits
A card that is about to fail, or its power supply, can look the same: on one card alone, again and again, suspect it.

## Sources
NVIDIA Xid catalogue, Xid 119 and 120; release notes of driver 525.105.17.
Met by users in:
- <https://github.com/NVIDIA/open-gpu-kernel-modules/issues/446>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.kernel_log import KernelLog
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG, REBOOT, set_module_option
from cudadoctor.rules.kernel_log.events import nothing_failed, of_dead_cards, shown
from cudadoctor.rules.reading import parameter_of, seen


@rule(
    id="gsp-timeout",
    title="The GPU's own processor did not answer",
    severity=Severity.ERROR,
    explains=("driver-call-hung", "driver-call-crashed", "driver-call-failed", "race-lane-failed"),
    shows={
        "xid:119": 9,
        "xid:120": 9,
        "rpc-timeout": 8,
        "gsp-params": 5,
        "gsp rpc-failed": 3,
        "gsp": 2,
        "container-cli-timeout": 2,
        "xid:79": -2,
        "rpc-history": 6,
        "gsp-dead": 9,
        "gsp-dead gsp": -1,
    },
    confirm=Confirm(
        "journalctl -k -b | grep -iE 'xid.*: (119|120)|gsp.*timeout'",
        "a line with Xid 119 or 120, or a timeout of the GSP",
    ),
)
def gsp_timeout(
    kernel_log: KernelLog,
    ladder: Ladder,
    nvml: Nvml | Missing,
    kernel_driver: KernelDriver | Missing,
    host: Host | Missing,
) -> Iterator[Finding]:
    """Fire on Xid 119 or 120: an error where the GPU does not answer, else a warning."""
    events = kernel_log.xids(119, 120)
    if not events:
        return
    dead = of_dead_cards(events, nvml, ladder)
    works = not dead and nothing_failed(ladder)
    where = ", ".join(dict.fromkeys(event.pci_address for event in events[:8]))
    count = sum(event.count for event in events)
    flavour = known(kernel_driver.flavour) if isinstance(kernel_driver, KernelDriver) else None
    release = kernel_driver.loaded_release if isinstance(kernel_driver, KernelDriver) else Missing("not known")
    already = isinstance(kernel_driver, KernelDriver) and kernel_driver.parameter("EnableGpuFirmware") == "0"
    off = set_module_option(host, "NVreg_EnableGpuFirmware=0", "nvidia-gsp")
    stop_gap = (off,) if flavour == "proprietary" and not works and not already else ()
    yield finding(
        gsp_timeout,
        summary=f"Since it booted, the kernel saw {count} {'request' if count == 1 else 'requests'} to the GSP of the "
        f"GPU at {where} fail (Xid {events[0].xid}){', though it answers now' if works else ''}.",
        cause="The firmware on the card stopped answering the driver: a bug of this release, or a card in trouble.",
        confidence="supported",
        severity=Severity.WARNING if works else Severity.ERROR,
        evidence=(
            *shown(events, kernel_log),
            *seen("driver release", release),
            *parameter_of(kernel_driver, "EnableGpuFirmware"),
        ),
        fix=Fix(
            "Reboot, then update the driver to the newest release of its branch."
            + (" As a stop-gap, turn the GSP firmware off." if stop_gap else ""),
            (LOOK_AT_DRIVER_LOG, *stop_gap, REBOOT),
        ),
    )
