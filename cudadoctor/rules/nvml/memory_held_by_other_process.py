"""# Other processes hold the GPU's memory

## What it checks
Whether the driver API ran out of memory (2) on a GPU of which NVML says that less than a context needs is free; or
whether most of a GPU's memory is in use and no process that can be seen owns it.

## Why it matters
Another job, or what is left of a killed one, leaves too little memory for anything else.
Worker processes that outlive their parent keep its memory, and `nvidia-smi` often does not list them.

## How to fix it
Find who has the device open, and end what is no longer wanted.

```sh
nvidia-smi
sudo fuser -v /dev/nvidia*
```

## Limits
In a container NVML cannot name processes of other containers or of the host, so memory of an honest neighbour looks
unowned there; without a failure that is only a note.
GPUs in MIG mode, and boards whose memory the host uses too (GH200, GB200), are judged only when memory runs out.
What a context needs was measured: see `docs/measurements.md`; twice that is asked for here.
Without a failure, "most" is more than half: then more is gone than any program can still get, which is this project's
own line.

## Sources
nvmlDeviceGetMemoryInfo, nvmlDeviceGetComputeRunningProcesses (nvml.h); fuser(1).
Met by users in:
- <https://github.com/apache/mxnet/issues/17837>
- <https://github.com/PaddlePaddle/PaddleOCR/issues/2074>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml, NvmlDevice
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.kernel_log.events import nothing_failed
from cudadoctor.rules.reading import container_of, cuda_error, said, seen, text_of, tried_in_nvml

_MOST = 0.5
_GIB = 2**30
_CONTEXT_BYTES = _GIB
# Here the GPU's memory is a NUMA node of the host too, which keeps files in it.
_SHARED_WITH_HOST = ("GH200", "GB200", "GB300", "GB10")


@rule(
    id="memory-held-by-other-process",
    title="Other processes hold the GPU's memory",
    severity=Severity.WARNING,
    explains=("driver-call-failed", "race-lane-failed"),
    shows={
        "memory-without-process": 8,
        "memory-of-others": 8,
        "process-holds": 6,
        "cuda:2": 5,
        "cuda:46": 4,
        "fuser": 4,
        "cuda:2 fuser": 2,
        "cuda:2 pinned": -2,
        "memory-kept": 7,
        "process-unknown": 8,
        "memory-kept no-pid": 3,
        "wsl": -1,
        "raw-oom": 4,
        "raw-oom cuda:2": -4,
        "memory-taken": 8,
        "device-taken": 2,
        "cudnn-broken": 2,
    },
    confirm=Confirm(
        "nvidia-smi --query-gpu=index,memory.used,memory.total --format=csv; nvidia-smi "
        "--query-compute-apps=pid,name,used_memory --format=csv",
        "memory in use that your own program does not explain",
    ),
)
def memory_held_by_other_process(
    ladder: Ladder, nvml: Nvml, host: Host | Missing, driver: Driver | Missing
) -> Iterator[Finding]:
    """Fire on 2 with no room for a context (an error), and on memory in use that no process owns (a warning)."""
    step = cuda_error(ladder, 2)
    if step is None and not nothing_failed(ladder):
        return  # another call failed for another reason
    if step is not None:
        tried = tried_in_nvml(ladder, driver, nvml)
        concerned = tuple(device for device in ((tried,) if tried else nvml.devices) if _no_room(device))
    else:
        concerned = tuple(device for device in nvml.devices if _unowned(device, host) > _MOST)
    if not concerned:
        return
    first = concerned[0]
    used, total = (known(first.memory_used_bytes) or 0), (known(first.memory_total_bytes) or 1)
    owners = known(first.processes) or ()
    inside = container_of(host)
    unseen = _unowned(first, host) > _MOST
    whose = "no process that can be seen owns it" if unseen else f"{len(owners)} processes hold it"
    failed = f", so {step.call} fails with 2 (out of memory)" if step is not None else ""
    yield finding(
        memory_held_by_other_process,
        summary=f"{used / _GIB:.1f} of {total / _GIB:.1f} GiB of {text_of(first.name) or 'the GPU'} "
        f"(GPU {first.index}) are in use, and {whose}{failed}.",
        cause="Another container or the host uses this GPU, or a killed job left processes behind."
        if inside
        else "Processes of a killed job, of another user's container or of another name space still hold a context."
        if unseen
        else "Other programs use this GPU.",
        confidence="supported" if step is not None else "possible",
        severity=Severity.ERROR if step is not None else Severity.NOTE if inside else Severity.WARNING,
        evidence=(
            *((said(step),) if step is not None else ()),
            *seen("memory in use, bytes", first.memory_used_bytes),
            *seen("memory in all, bytes", first.memory_total_bytes),
            *seen("processes that NVML lists", first.compute_processes),
        ),
        fix=Fix(
            "Find the processes that have the GPU open, on the host if this is a container, and end those that are "
            "no longer wanted.",
            ("nvidia-smi", "sudo fuser -v /dev/nvidia*"),
        ),
    )


def _no_room(device: NvmlDevice) -> bool:
    """Say whether so little is free that no context fits, and it is in use rather than not there."""
    used, total = known(device.memory_used_bytes), known(device.memory_total_bytes)
    return used is not None and total is not None and total - used <= _CONTEXT_BYTES and used > total / 4


def _share(device: NvmlDevice) -> float:
    used, total = known(device.memory_used_bytes), known(device.memory_total_bytes)
    return used / total if used is not None and total else 0.0


def _unowned(device: NvmlDevice, host: Host | Missing) -> float:
    """Return the share of the memory that no listed process owns; 0 where that cannot be told.

    Windows' WDDM lends memory to every program with a window and tells NVML nothing of it, here and under WSL2.
    """
    if known(device.driver_model) == "WDDM" or (isinstance(host, Host) and known(host.wsl) is True):
        return 0.0
    total = known(device.memory_total_bytes)
    if not isinstance(device.processes, Known) or not total or known(device.mig_enabled) is True:
        return 0.0
    if any(board in text_of(device.name) for board in _SHARED_WITH_HOST):
        return 0.0
    if any(process.used_bytes is None for process in device.processes.value):
        return 0.0
    return _share(device) - sum(process.used_bytes or 0 for process in device.processes.value) / total
