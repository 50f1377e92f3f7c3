"""# The program asks for a GPU number that does not exist

## What it checks
Whether CUDA_VISIBLE_DEVICES names more devices than CUDA shows, because an entry is past the end, twice there, or
unknown; and whether LOCAL_RANK, which launchers of parallel programs set, is past the last device.
In a pasted text: whether a device number is invalid (CUDA 101, 10 in old runtimes), or above the count.

## Why it matters
Devices are numbered from 0 within what the process sees: with CUDA_VISIBLE_DEVICES=2 there is one device and its
number is 0.
An entry that names no GPU hides itself and all that follow.
A number written into a program or a checkpoint, or counted as nvidia-smi counts, is then past the end.

## How to fix it
Use numbers from 0 on, up to the count of visible devices; load checkpoints with `map_location`; set
`CUDA_DEVICE_ORDER=PCI_BUS_ID` if numbers are to be those of nvidia-smi.
On Linux:

```sh
unset CUDA_VISIBLE_DEVICES
export CUDA_DEVICE_ORDER=PCI_BUS_ID
python -c "import torch; print(torch.cuda.device_count())"
```

On Windows:

```powershell
Remove-Item Env:CUDA_VISIBLE_DEVICES
```

## Limits
A GPU that has failed lowers the count too.
What a program asks for by itself is not seen, only the variables that it was started with.
Where each process is given a GPU of its own, LOCAL_RANK may well be above the count, so that is a note.

## Sources
- CUDA_ERROR_INVALID_DEVICE, cudaErrorInvalidDevice (cuda.h, driver_types.h).
- CUDA C++ Programming Guide, CUDA environment variables.
- <https://docs.pytorch.org/docs/stable/elastic/run.html> (LOCAL_RANK)
Met by users in:
- <https://github.com/maudzung/RTM3D/issues/11>
- <https://github.com/yandex-research/tab-ddpm/issues/20>
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import seen, text_of

_VARIABLE = "CUDA_VISIBLE_DEVICES"
_INDEX = re.compile(r"\d{1,6}", re.ASCII)


@rule(
    id="device-ordinal-out-of-range",
    title="The program asks for a GPU number that does not exist",
    severity=Severity.ERROR,
    shows={
        "cuda:101": 9,
        "device-missing": 8,
        "device-order": 2,
        "count-assert": 4,
        "context-refused": -5,
        "device-count-0": -5,
        "no-gpu-devices": -2,
        "container-cli-device !mig": 8,
    },
    confirm=Confirm(
        "nvidia-smi -L; env | grep CUDA_VISIBLE_DEVICES",
        "no GPU of the number that the program asks for",
    ),
    confirm_on_windows=Confirm(
        "nvidia-smi -L; $env:CUDA_VISIBLE_DEVICES",
        "no GPU of the number that the program asks for",
    ),
)
def device_ordinal_out_of_range(environment: Environment, driver: Driver, nvml: Nvml | Missing) -> Iterator[Finding]:
    """Warn of a variable that names more than CUDA shows; note a rank past the end."""
    count = known(driver.device_count) or 0
    if count < 1:
        return  # what hides all has a rule of its own
    value = environment.variables.get(_VARIABLE, "")
    entries = [entry.strip() for entry in value.split(",")]
    shown = "1 device" if count == 1 else f"{count} devices"
    evidence = (*seen("devices that CUDA shows", driver.device_count), *_counted(nvml))
    reason = _why_fewer(entries, count, nvml)
    if reason:
        yield finding(
            device_ordinal_out_of_range,
            severity=Severity.WARNING,
            summary=f"{_VARIABLE} names {len(entries)} devices, and CUDA shows {shown}: device number {count} and "
            "those after it do not exist.",
            cause=reason,
            confidence="proven",
            evidence=(Evidence(_VARIABLE, value[:200], environment.source), *evidence),
            fix=Fix("Name GPUs that exist, counted from 0.", ("nvidia-smi -L", f'echo "${_VARIABLE}"')),
        )
        return
    rank = environment.variables.get("LOCAL_RANK", "")
    if _INDEX.fullmatch(rank) and int(rank) >= count:
        yield finding(
            device_ordinal_out_of_range,
            severity=Severity.NOTE,
            summary=f"LOCAL_RANK is {rank}, and CUDA shows this process {shown}: a program that takes its rank for a "
            "device number fails with 101.",
            cause="More processes were started here than there are devices, or each was given a device of its own.",
            confidence="possible",
            evidence=(Evidence("LOCAL_RANK", int(rank), environment.source), *evidence),
            fix=Fix(
                "Start as many processes as there are devices, or let each use device 0 if it was given its own.",
                ('echo "$LOCAL_RANK of $LOCAL_WORLD_SIZE"', "nvidia-smi -L"),
            ),
        )


def _why_fewer(entries: list[str], count: int, nvml: Nvml | Missing) -> str:
    """Return why CUDA shows fewer devices than are named, "" if it does not, or if the entry is not to blame."""
    if len(entries) <= count or any(entry.upper().startswith("MIG") for entry in entries):
        return ""
    first = entries[count]
    if first in ("", "-1"):
        return ""  # -1 ends the list, and people write it so
    if first in entries[:count]:
        return f"{first} is named twice."
    gpus = known(nvml.device_count) if isinstance(nvml, Nvml) else None
    if _INDEX.fullmatch(first) and gpus is not None:
        if int(first) < gpus:
            return ""
        return f"{first} is past the end: this machine has {gpus} GPU{'s' if gpus != 1 else ''}, counted from 0."
    uuids = [text_of(device.uuid).lower() for device in nvml.devices] if isinstance(nvml, Nvml) else []
    if first.lower().startswith("gpu-") and any(uuid.startswith(first.lower()) for uuid in uuids):
        return ""
    return f"The entry {first[:60]} names no GPU, and hides all that follow."


def _counted(nvml: Nvml | Missing) -> tuple[Evidence, ...]:
    return seen("GPUs that NVML sees", nvml.device_count) if isinstance(nvml, Nvml) else ()
