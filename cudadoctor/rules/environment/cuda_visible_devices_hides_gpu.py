"""# CUDA_VISIBLE_DEVICES hides every GPU

## What it checks
Whether CUDA sees no device although there are some, and CUDA_VISIBLE_DEVICES is set: empty, -1, text, an index past
the end, or a UUID that no GPU has.

## Why it matters
The first entry that is not valid hides itself and all that follow, without a message.
Programs then go on on the CPU.

## How to fix it
Unset the variable, or name GPUs that exist, counted from 0.
On Linux:

```sh
unset CUDA_VISIBLE_DEVICES
grep -n CUDA_VISIBLE_DEVICES ~/.bashrc ~/.profile /etc/environment
```

On Windows:

```powershell
Remove-Item Env:CUDA_VISIBLE_DEVICES
```

## Limits
Only hiding all GPUs is a finding: hiding some is what the variable is for.
A program may set the variable itself; the check sees the environment that it was started in.

## Sources
CUDA C++ Programming Guide, CUDA environment variables.
Met by users in:
- <https://github.com/pytorch/pytorch/issues/1040>
- <https://github.com/numba/numba/issues/5793>
- <https://github.com/yongxinw/GSDT/issues/6>
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import cuda_error, said, seen, system_of

_VARIABLE = "CUDA_VISIBLE_DEVICES"
_INDEX = re.compile(r"\d{1,6}", re.ASCII)
_UUID = re.compile(r"(GPU|MIG)-", re.IGNORECASE)


@rule(
    id="cuda-visible-devices-hides-gpu",
    title="CUDA_VISIBLE_DEVICES hides every GPU",
    severity=Severity.ERROR,
    explains=("mig-without-instance", "driver-call-failed", "race-lane-failed"),
    shows={
        "cvd-hides": 7,
        "cvd-hides cuda:100": 3,
        "cuda:100": 6,
        "cuda:100 cvd": 4,
        "cuda:100 smi-works": 2,
        "cvd-number cuda:100": 2,
        "cvd no-nvidia-driver smi-works": 2,
        "wsl": -2,
        "mig-enabled": -2,
        "macos": -3,
        "no-gpu-devices cvd": 4,
        "no-gpu-devices": 2,
        "cvd-uuid device-count-0": -4,
        "cvd-hides no-gpu-devices": 3,
        "cvd-hides not-available": 3,
        "available cuda:100": 5,
        "available no-gpu-devices": 3,
        "colab": -3,
        "cvd-number not-available": 6,
    },
    confirm=Confirm(
        "env | grep CUDA_VISIBLE_DEVICES; nvidia-smi -L",
        "a value that is empty, -1 or past the end of the list",
    ),
    confirm_on_windows=Confirm(
        "python -c \"import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'))\"; nvidia-smi -L",
        "a value that is empty, -1 or past the end of the list",
    ),
)
def cuda_visible_devices_hides_gpu(
    environment: Environment,
    ladder: Ladder | Missing,
    driver: Driver | Missing,
    nvml: Nvml | Missing,
    host: Host | Missing,
) -> Iterator[Finding]:
    """Fire where CUDA sees no device with the variable, and some without it, or where its value hides all."""
    value = environment.variables.get(_VARIABLE)
    if value is None:
        return
    no_device = cuda_error(ladder, 100)
    sees = known(driver.device_count) if isinstance(driver, Driver) else None
    if no_device is None and sees != 0:
        return
    without = known(driver.count_with_all_visible) if isinstance(driver, Driver) else None
    count = (known(nvml.device_count) or 0) if isinstance(nvml, Nvml) else 0
    reason = _why_it_hides(value, nvml, without or count)
    proven = (without or 0) > 0
    if without == 0 or not (proven or (count > 0 and reason)):
        return
    evidence: tuple[Evidence, ...] = (Evidence(_VARIABLE, value[:200], environment.source),)
    evidence += (said(no_device),) if no_device else ()
    evidence += (
        seen("devices without the variable", driver.count_with_all_visible) if isinstance(driver, Driver) else ()
    )
    evidence += seen("GPUs that NVML sees", nvml.device_count) if isinstance(nvml, Nvml) else ()
    total = without or count
    shown = f'"{value[:60]}"' if value else "set and empty"
    gpus = "the GPU" if total == 1 else f"any of the {total} GPUs"
    yield finding(
        cuda_visible_devices_hides_gpu,
        summary=f"{_VARIABLE} is {shown}, so CUDA does not see {gpus} of this machine.",
        cause=reason or "The first entry names no GPU, which hides it and all that follow.",
        confidence="proven" if proven else "supported",
        evidence=evidence,
        fix=_fix(environment, total, windows=system_of(host) == "Windows"),
    )


def _why_it_hides(value: str, nvml: Nvml | Missing, count: int) -> str:
    """Return why the first entry hides all GPUs, "" if it may well be valid."""
    first = value.split(",")[0].strip()
    if not first:
        return "An empty value hides every GPU."
    if first == "-1":
        return "-1 hides every GPU."
    if _INDEX.fullmatch(first):
        index = int(first)
        gpus = f"{count} GPU{'s' if count != 1 else ''}"
        return f"Index {index} is past the end: this machine has {gpus}, counted from 0." if index >= count else ""
    if _UUID.match(first):
        uuids = [known(device.uuid) or "" for device in nvml.devices] if isinstance(nvml, Nvml) else []
        has = any(uuid.lower().startswith(first.lower()) for uuid in uuids)
        return "" if has or not uuids or first.upper().startswith("MIG") else "No GPU of this machine has that UUID."
    return "The first entry is neither an index nor a UUID, which hides every GPU."


def _fix(environment: Environment, total: int, *, windows: bool) -> Fix:
    slurm = any(name.startswith("SLURM_") for name in environment.variables)
    batch = " In a batch job the scheduler sets it: ask for a GPU (--gres=gpu:1)." if slurm else ""
    valid = "0" if total == 1 else f"0 to {total - 1}"
    commands = (f"Remove-Item Env:{_VARIABLE}",) if windows else (f"unset {_VARIABLE}",)
    return Fix(f"Unset the variable, or name GPUs that exist ({valid}), and look for where it is set.{batch}", commands)
