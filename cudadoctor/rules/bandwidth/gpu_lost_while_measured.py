"""# The GPU failed while it was measured

## What it checks
Whether a copy of the measurement failed with an error after which the process can use the GPU no more, or NVML lost the
GPU meanwhile.

## Why it matters
A copy between two buffers of its own has nothing that a program could do wrong.
If it ends so, the card, its memory, its power, its link or the driver is at fault, and any program will meet the same.

## How to fix it
Read what the driver wrote: an Xid names what failed (79: the card fell off the bus; 48, 63, 64, 94 and 95: its memory).
If the card does not come back, only a restart brings it back; if it happens again, look at power, temperature and seat.

```sh
sudo dmesg | grep -iE 'nvrm|xid'
nvidia-smi -q -d ECC,TEMPERATURE,POWER
cudadoctor check
```

## Limits
The error alone does not say which part is at fault; only errors of memory and of NVLink have codes of their own.
Another process that ends MPS's server, or resets the card, looks the same.
What was measured before stands.

## Sources
CUDA driver API, CUresult: after these codes "the process must be terminated and relaunched".
NVML, nvmlReturn_t: NVML_ERROR_GPU_IS_LOST, "the GPU has fallen off the bus or has otherwise become inaccessible".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cudadoctor.facts.bandwidth import Bandwidth, LinkUnderLoad, SkippedMeasurement
from cudadoctor.facts.base import Missing
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG

# As DriverError words it.
_FAILED = re.compile(r"\b(\w+) failed with (CUDA_ERROR_\w+) \((\d+)\)")
_LOST = "NVML_ERROR_GPU_IS_LOST"

_MEMORY = "The GPU's memory gave an error that could not be corrected."
_UNKNOWN = "The card, its link or the driver failed: copies of this kind leave a program nothing to do wrong."
_CAUSES = {
    214: _MEMORY,
    220: "NVLink gave an error that could not be corrected.",
    226: "The GPU contained a fault of its memory, at the price of this process.",
    **dict.fromkeys((700, 702, 710, 714, 715, 716, 717, 718, 719, 999), _UNKNOWN),
}


@rule(
    id="gpu-lost-while-measured",
    title="The GPU failed while it was measured",
    severity=Severity.ERROR,
    confirm=Confirm(
        "journalctl -k -b | grep -iE 'nvrm|xid' | tail -n 20; nvidia-smi",
        "an Xid of the time of the measurement, or a card that nvidia-smi no longer shows",
    ),
)
def gpu_lost_while_measured(bandwidth: Bandwidth) -> Iterator[Finding]:
    """Fire where copies failed with an error that ends the use of the GPU, or where NVML lost it."""
    failed = [(skip, found) for skip in bandwidth.skipped if (found := _fatal(skip)) is not None]
    lost = _lost(bandwidth.link_under_load)
    if not failed and not lost:
        return
    if failed:
        skip, (call, name, code) = failed[0]
        more = f", and {len(failed) - 1} more kinds of copy after it" if len(failed) > 1 else ""
        summary = f"{call} failed with {code} ({name}) on {bandwidth.device_name} ({skip.key}{more})."
    else:
        code = 0
        summary = f"NVML lost {bandwidth.device_name} while copies ran."
    yield finding(
        gpu_lost_while_measured,
        summary=f"{summary} What was measured before stands.",
        cause="NVML says that the GPU is lost: it fell off the bus, or became inaccessible." if lost else _CAUSES[code],
        confidence="proven" if lost or _CAUSES[code] is not _UNKNOWN else "supported",
        evidence=(
            *(Evidence(skip.key, skip.reason, f"GPU {skip.device}") for skip, _ in failed[:8]),
            *((Evidence("NVML during the copies", lost, "NVML"),) if lost else ()),
        ),
        fix=Fix(
            "Read what the driver wrote. If the GPU does not come back, restart the machine; if it happens again, look "
            "at power, temperature, seat and memory of the card.",
            (LOOK_AT_DRIVER_LOG, "nvidia-smi -q -d ECC,TEMPERATURE,POWER", "cudadoctor check"),
        ),
    )


def _fatal(skip: SkippedMeasurement) -> tuple[str, str, int] | None:
    """Return call, name and code of an error after which the GPU is of no more use, None for any other reason."""
    found = _FAILED.search(skip.reason)
    if found is None or int(found[3]) not in _CAUSES:
        return None
    return found[1], found[2], int(found[3])


def _lost(link: LinkUnderLoad | None) -> str:
    """Return what NVML said of a GPU that it lost, "" if it lost none."""
    facts = () if link is None else (link.generation, link.width, link.performance_state, link.sm_clock_mhz)
    return next((fact.reason for fact in facts if isinstance(fact, Missing) and _LOST in fact.reason), "")
