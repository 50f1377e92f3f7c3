"""# A driver call failed

## What it checks
Whether a call into NVML or the driver API failed with a code that no other finding explains.

## Why it matters
The road to the GPU ends there.
The code is the best lead that there is.

## How to fix it
Read what the driver wrote to the kernel log at the time of the call, and search for that line and the code.

```sh
sudo dmesg | grep -iE 'nvrm|nvidia|xid'
cat /proc/driver/nvidia/version; nvidia-smi
```

## Limits
This is the fallback: it names the call, the code and the name of the code, and does not claim to know the cause.
NVML alone being absent is no finding where CUDA works.

## Sources
nvml.h and cuda.h.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import KERNEL_STEPS, Ladder, Step
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG
from cudadoctor.rules.ladder.kernel_result_wrong import came_out_wrong
from cudadoctor.rules.reading import CUDA_STEPS, card_evidence, cards, said, system_of

# Codes that only repeat that something before them is missing.
_LITTLE_SAID = frozenset({("nvml", 9), ("nvml", 12), ("cu-init", 100), ("device-count", 100)})

_HINTS = {
    46: "In the default compute mode, a virtual GPU without a licence answers so.",
    100: "The driver API is there and sees no device: the driver may have failed to start the card.",
    214: "An uncorrectable memory error; the ECC counters tell more.",
    719: "A kernel failed: the fault may lie with the card.",
    999: "The driver has this code for many troubles; after a suspend it is often nvidia_uvm, and a reload helps.",
}

_NO_GPU = "The driver is loaded and could not start the card; the kernel log says why (RmInitAdapter failed, BAR, Xid)."


@rule(
    id="driver-call-failed",
    title="A driver call failed",
    severity=Severity.ERROR,
    explains=("race-lane-failed",),
    confirm=Confirm(
        "nvidia-smi; journalctl -k -b | grep -i nvrm | tail -n 20",
        "the same code, or the driver's own words for it",
    ),
)
def driver_call_failed(ladder: Ladder, pci: Pci | Missing, host: Host | Missing) -> Iterator[Finding]:
    """Fire on the most telling step from NVML on that failed, unless it is a matter of compiling or of a result."""
    failed = tuple(step for name in ("nvml", *CUDA_STEPS) if _failed(step := ladder.step(name)) and step is not None)
    failed += tuple(step for step in ladder.further if _failed(step))
    works = ladder.passed("context")
    if works:
        failed = tuple(step for step in failed if (step.name, step.code) != ("nvml", 12))
    if not failed:
        return
    step = next((step for step in failed if (step.name, step.code) not in _LITTLE_SAID), failed[0])
    only_nvml = step.name == "nvml" and works
    code = f" with {step.code}" if step.code is not None else ""
    name = f" ({step.code_name})" if step.code_name else ""
    detail = f": {step.detail}" if step.detail and step.code is None else ""
    hint = _HINTS.get(step.code or 0, _NO_GPU if step.name == "nvml" and step.code is None else "")
    commands: tuple[str, ...] = (LOOK_AT_DRIVER_LOG, "nvidia-smi")
    log = {"Windows": "Windows' System log", "Darwin": "the log of macOS"}.get(system_of(host), "the kernel log")
    if step.code == 999 and (log != "the kernel log" or (isinstance(host, Host) and known(host.wsl) is True)):
        hint = ""  # nvidia_uvm is a module of Linux, and WSL2 has none
    elif step.code == 999:
        commands += ("sudo modprobe -r nvidia_uvm && sudo modprobe nvidia_uvm",)
    yield finding(
        driver_call_failed,
        severity=Severity.WARNING if only_nvml else Severity.ERROR,
        summary=f"{step.call or step.name} failed{code}{name}{detail}."
        + (" CUDA works all the same." if only_nvml else _reach(step, ladder)),
        cause=hint or "Nothing else on this machine explains this answer.",
        confidence="possible",
        evidence=(*(said(each) for each in failed), *(card_evidence(card) for card in cards(pci)[:4])),
        fix=Fix(f"Read what the driver wrote to {log}, and search for that line and the code.", commands),
    )


def _reach(step: Step, ladder: Ladder) -> str:
    """Say how far a program gets: a GPU beside one that works is not all GPUs."""
    if step in ladder.further:
        return f" GPU {step.device} cannot be used; GPU {_tried(ladder)} can."
    return " No program gets further than this."


def _tried(ladder: Ladder) -> int:
    context = ladder.step("context")
    return (context.device or 0) if context is not None else 0


def _failed(step: Step | None) -> bool:
    """Say whether a step failed in a driver call: compiling in Python and wrong results have their own rules."""
    if step is None or step.state != "failed" or came_out_wrong(step):
        return False
    return step.code is not None or step.name not in KERNEL_STEPS
