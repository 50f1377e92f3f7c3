"""# Other programs compute on the GPU

## What it checks
Whether NVML lists compute processes on a GPU besides cudadoctor's own, now, or while a race or a profiled program ran.

## Why it matters
Programs on one GPU take turns: each waits while another's kernels run, and none says so.
A measurement made meanwhile is one of both programs, and training beside a heavy neighbour can be as slow as on the
CPU.

## How to fix it
Measure when the GPU is free, or on another one.

```sh
nvidia-smi --query-gpu=index,utilization.gpu,memory.used --format=csv
export CUDA_VISIBLE_DEVICES=1
```

## Limits
This is a note: a process that is listed may do nothing at all.
Processes of other containers, and on some systems of other users, are not listed.
Where the Multi-Process Service runs, programs share on purpose, and nothing is said.

## Sources
nvmlDeviceGetComputeRunningProcesses (nvml.h).
Met by users in:
- <https://github.com/malllabiisc/EmbedKGQA/issues/50>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.attribution.circumstances import neighbours
from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.explanation import Explanation
from cudadoctor.facts.host import Host
from cudadoctor.facts.nvml import GpuProcess, Nvml, NvmlDevice
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Race
from cudadoctor.facts.services import Services
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import CannotJudgeError, finding, rule
from cudadoctor.rules.profile.explained import NOT_PROFILED
from cudadoctor.rules.reading import system_of, text_of

_GIB = 2**30


@rule(
    id="gpu-shared-with-others",
    title="Other programs compute on the GPU",
    severity=Severity.NOTE,
    confirm=Confirm(
        "nvidia-smi --query-compute-apps=gpu_uuid,pid,name,used_memory --format=csv", "processes that are not yours"
    ),
    shows={
        "shared-gpu slow": 7,
        "shared-gpu": 2,
    },
)
def gpu_shared_with_others(
    nvml: Nvml | Missing,
    host: Host | Missing,
    services: Services | Missing,
    race: Race | Missing,
    profile: Profile | Missing = NOT_PROFILED,
) -> Iterator[Finding]:
    """Note compute processes on any GPU that is not parted by MIG, or some that were there while something ran."""
    # Under Windows the desktop itself computes on the GPU.
    if system_of(host) not in ("Linux", "") or (isinstance(services, Services) and known(services.mps_control)):
        return
    if isinstance(nvml, Missing) and isinstance(race, Missing) and isinstance(profile, Missing):
        raise CannotJudgeError(f"the section nvml is missing: {nvml.reason}")
    found = tuple(_now(nvml)) if isinstance(nvml, Nvml) else ()
    if isinstance(race, Race) and race.explanation is not None:
        found = found or tuple(_while_it_ran(race.explanation, "the race"))
    if isinstance(profile, Profile):
        found = found or tuple(_while_it_ran(profile, "the program"))
    yield from found


def _while_it_ran(readings: Explanation | Profile, what: str) -> Iterator[Finding]:
    most, some, told = neighbours(readings)
    if most < 1:
        return
    many = "1 other process was" if most == 1 else f"Up to {most} other processes were"
    yield finding(
        gpu_shared_with_others,
        summary=f"{many} on the GPU in {some} of {told} readings while {what} ran.",
        cause="Programs on one GPU take turns.",
        confidence="possible",
        evidence=(
            Evidence("other compute processes, most", most, "nvmlDeviceGetComputeRunningProcesses"),
            Evidence("readings with others", f"{some} of {told}", "nvmlDeviceGetComputeRunningProcesses"),
        ),
        fix=Fix(
            "Run again when the GPU is free, or choose another.",
            ("nvidia-smi --query-compute-apps=gpu_uuid,pid,name,used_memory --format=csv",),
        ),
    )


def _now(nvml: Nvml) -> Iterator[Finding]:
    busy = [(device, others) for device in nvml.devices if (others := _others(device))]
    if not busy:
        return
    device, others = busy[0]
    many = "1 other process computes" if len(others) == 1 else f"{len(others)} other processes compute"
    more = f" Others are busy on {len(busy) - 1} more." if len(busy) > 1 else ""
    held = sum(process.used_bytes or 0 for process in others)
    memory = f", with {held / _GIB:.1f} GiB of its memory" if held else ""
    yield finding(
        gpu_shared_with_others,
        summary=f"{many} on {text_of(device.name) or 'a GPU'} (GPU {device.index}){memory}.{more}",
        cause="Programs on one GPU take turns.",
        confidence="proven",
        evidence=tuple(
            Evidence(f"compute process on GPU {each.index}", f"pid {process.pid}, {_used(process)}", _source(each))
            for each, found in busy[:4]
            for process in found[:4]
        ),
        fix=Fix(
            "Nothing is broken. Measure when the GPU is free, or choose another with --device.",
            ("nvidia-smi --query-compute-apps=gpu_uuid,pid,name,used_memory --format=csv",),
        ),
    )


def _others(device: NvmlDevice) -> tuple[GpuProcess, ...]:
    """Return the compute processes; an instance of MIG shares its multiprocessors with nobody."""
    if known(device.mig_enabled) is True:
        return ()
    return tuple(process for process in known(device.processes) or () if process.kind == "compute")


def _used(process: GpuProcess) -> str:
    return "memory not told" if process.used_bytes is None else f"{process.used_bytes / _GIB:.2f} GiB"


def _source(device: NvmlDevice) -> str:
    return device.processes.source if isinstance(device.processes, Known) else "NVML"
