"""# The driver API and NVML disagree about a GPU

## What it checks
Whether the driver API (libcuda) and NVML give the same name, UUID, PCI address and compute capability for the same
GPU, and memory sizes that fit each other.
The two views are put together by UUID, or else by PCI address.

## Why it matters
Tools that choose a GPU by NVML's answers (schedulers, container runtimes, monitoring) and programs that use CUDA then
mean different GPUs by the same words, or one of the two libraries is not the real one.

## How to fix it
See which files the two libraries are, and that both are of the release of the loaded kernel driver.
Under a hypervisor, compare with what the host assigned to this machine.

```sh
nvidia-smi -L
ldconfig -p | grep -E 'libcuda|libnvidia-ml'
cat /proc/driver/nvidia/version
```

## Limits
NVML counts all of the memory, the driver API what it leaves to programs: the driver's own share (0.6 % on an H100
80GB) is expected, and so is any difference up to 10 %, a margin chosen well above what ECC and the display take.
With MIG the driver API shows an instance, so nothing is compared.
Clocks are not compared: the driver API gives the rated boost clock, NVML the highest that can be set.
A name is compared without the word NVIDIA, which older drivers left out.

## Sources
nvmlDeviceGetMemoryInfo ("total" includes what is reserved), cuDeviceTotalMem; the share of an H100 was measured.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Fact, Known, known
from cudadoctor.facts.devices import Devices, DriverView, NvmlView
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.units import format_size

_FIELDS = (
    ("name", "name"),
    ("UUID", "uuid"),
    ("PCI address", "pci_address"),
    ("compute capability", "compute_capability"),
)

MOST_RESERVED = 0.10
"""Share of the memory that may be missing in the driver API's figure; chosen, see Limits."""

_MORE = 0.01  # what one library may round away that the other does not


@rule(
    id="device-sources-disagree",
    title="The driver API and NVML disagree about a GPU",
    severity=Severity.WARNING,
    confirm=Confirm(
        "cat /proc/driver/nvidia/version; /sbin/ldconfig -p | grep -oE '/.*lib(cuda|nvidia-ml).so.1$' | xargs -r "
        "readlink -f",
        "a library of another release than the first line",
    ),
)
def device_sources_disagree(devices: Devices) -> Iterator[Finding]:
    """Fire for a GPU of which the two libraries tell different things."""
    for device in devices.devices:
        driver, nvml = device.driver, device.nvml
        if not isinstance(driver, DriverView) or not isinstance(nvml, NvmlView) or known(nvml.mig_enabled) is True:
            continue
        names: list[str] = []
        evidence: list[Evidence] = []
        for name, field in _FIELDS:
            one, other = getattr(driver, field), getattr(nvml, field)
            if _differ(one, other):
                names.append(f"{name} ({one.value} and {other.value})")
                evidence += (Evidence(name, fact.value, fact.source) for fact in (one, other))
        if _memory_differs(driver.memory_total_bytes, nvml.memory_total_bytes):
            pair = (driver.memory_total_bytes, nvml.memory_total_bytes)
            sizes = [format_size(fact.value) for fact in pair if isinstance(fact, Known)]
            names.append(f"memory ({' and '.join(sizes)})")
            evidence += (Evidence("memory, bytes", fact.value, fact.source) for fact in pair if isinstance(fact, Known))
        if names:
            yield finding(
                device_sources_disagree,
                summary=f"GPU {driver.index} of the driver API is GPU {nvml.index} of NVML, but they differ in its "
                f"{', its '.join(names)}; the driver API's answer comes first.",
                cause="One of the two libraries answers for another GPU, or is not the real one.",
                evidence=tuple(evidence),
                fix=Fix(
                    "See which files the two libraries are, and that both are of the loaded driver's release.",
                    (
                        "nvidia-smi -L",
                        "ldconfig -p | grep -E 'libcuda|libnvidia-ml'",
                        "cat /proc/driver/nvidia/version",
                    ),
                ),
                confidence="possible",
            )


def _differ(one: Fact[str], other: Fact[str]) -> bool:
    first, second = known(one), known(other)
    return first is not None and second is not None and _plain(first) != _plain(second)


def _plain(text: str) -> str:
    return text.lower().removeprefix("nvidia ").strip()


def _memory_differs(programs: Fact[int], everything: Fact[int]) -> bool:
    most, least = known(everything), known(programs)
    if most is None or least is None or most <= 0:
        return False
    return not most * (1 - MOST_RESERVED) <= least <= most * (1 + _MORE)
