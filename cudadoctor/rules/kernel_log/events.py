"""Events of the kernel log: which of them still matter, and how they are shown."""

from __future__ import annotations

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.kernel_log import KernelEvent, KernelLog
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Evidence
from cudadoctor.rules.reading import CUDA_STEPS, passed, step_of

# Drivers that take a card away from NVIDIA's on purpose; what was said of it before is history.
GUESTS = frozenset({"vfio-pci", "pci-stub", "pciback", "xen_pciback"})


def of_kind(kernel_log: KernelLog | Missing, *kinds: str) -> tuple[KernelEvent, ...]:
    """Return the events of some kinds; none where the log could not be read."""
    return kernel_log.of_kind(*kinds) if isinstance(kernel_log, KernelLog) else ()


def xids(kernel_log: KernelLog | Missing, *numbers: int) -> tuple[KernelEvent, ...]:
    """Return Xid events with some numbers; none where the log could not be read."""
    return kernel_log.xids(*numbers) if isinstance(kernel_log, KernelLog) else ()


def shown(events: tuple[KernelEvent, ...], kernel_log: KernelLog | Missing) -> tuple[Evidence, ...]:
    """Return the first events as evidence: the line, how often it came, and when."""
    source = kernel_log.source if isinstance(kernel_log, KernelLog) else "kernel log"
    found = []
    for event in events[:4]:
        again = f" ({event.count} times)" if event.count > 1 else ""
        at = f", {event.last_s:.0f} s after boot" if event.last_s is not None else ""
        found.append(Evidence("kernel log", f"{event.text}{again}", f"{source}{at}"))
    return tuple(found)


def nothing_failed(ladder: Ladder | Missing) -> bool:
    """Say whether a context was made and no call of NVML or the driver API failed, hung or crashed."""
    return passed(ladder, "context") and not something_failed(ladder)


def something_failed(ladder: Ladder | Missing) -> bool:
    """Say whether a call of NVML or the driver API failed, hung or crashed; where none was asked, none did."""
    steps = (step_of(ladder, name) for name in ("nvml", *CUDA_STEPS))
    return any(step is not None and step.state in ("failed", "timed out", "crashed") for step in steps)


def answering(nvml: Nvml | Missing) -> frozenset[str]:
    """Return the PCI addresses of the cards that NVML could describe."""
    devices = nvml.devices if isinstance(nvml, Nvml) else ()
    return frozenset(address for device in devices if (address := known(device.pci_address)))


def of_dead_cards(
    events: tuple[KernelEvent, ...], nvml: Nvml | Missing, ladder: Ladder | Missing
) -> tuple[KernelEvent, ...]:
    """Return the events of cards that do not answer now; where a line names no card, all cards must be well."""
    alive = answering(nvml)
    all_well = passed(ladder, "nvml") and passed(ladder, "context")
    return tuple(event for event in events if (event.pci_address not in alive if event.pci_address else not all_well))
