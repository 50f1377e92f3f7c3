"""One saved file to what is kept of it: a line for its node, what it is compared by, and its findings."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import msgspec

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.document import Saved
from cudadoctor.facts.fleet import Node, NodeFinding
from cudadoctor.facts.ladder import KERNEL_STEPS
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Diagnosis, Finding
from cudadoctor.fleet.figures import figures_of
from cudadoctor.fleet.traits import traits_of

Judge = Callable[[Machine], Diagnosis]
"""From facts to what a node's own report says; given by the caller, because rules are another room."""

_LONGEST = 400
_MOST_FINDINGS = 12
_MOST_GPUS = 64


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one file: some kB, whatever the file held.

    `when` is when it was recorded, in seconds since 1970. `details` are the findings in full, for the first node that
    has each. `card_ids` are the PCI device ids of NVIDIA cards on the bus, `card_names` what a table calls them. `mark`
    tells equal files from others. `kernel_tried` says whether a kernel was tried by itself.
    """

    node: Node
    when: float
    traits: tuple[tuple[str, str], ...]
    details: tuple[Finding, ...]
    card_ids: tuple[str, ...]
    card_names: tuple[str, ...]
    mark: bytes
    kernel_tried: bool = False


def digest(saved: Saved, file: str, *, changed: float, mark: bytes, judge: Judge) -> Digest:
    """Judge one machine and keep what a fleet's report needs.

    Args:
        saved: The facts and the head of their file.
        file: Where they were read.
        changed: When the file was written last; counts where the facts do not tell when they were recorded.
        mark: A checksum of the file.
        judge: Makes the diagnosis.
    """
    machine = saved.machine
    diagnosis = judge(machine)
    gpus, uuids = _gpus(machine)
    found = diagnosis.findings[:_MOST_FINDINGS]
    node = Node(
        name="",
        file=file,
        recorded_at=saved.recorded_at,
        version=saved.version,
        status=diagnosis.status,
        verdict=diagnosis.status,
        group="",
        gpus=gpus,
        gpu_uuids=uuids,
        findings=tuple(NodeFinding(f.id, f.severity.value, f.title, f.summary[:_LONGEST]) for f in found),
        figures=figures_of(machine),
    )
    cards = () if isinstance(machine.pci, Missing) else machine.pci.devices[:_MOST_GPUS]
    return Digest(
        node=node,
        when=_when(saved.recorded_at, changed),
        traits=traits_of(machine, saved.version),
        details=found,
        card_ids=tuple(sorted({card.device_id for card in cards})),
        card_names=tuple(sorted({known(card.name) or f"card 10de:{card.device_id}" for card in cards})),
        mark=mark,
        kernel_tried=_kernel_tried(machine),
    )


def _kernel_tried(machine: Machine) -> bool:
    if isinstance(machine.ladder, Missing):
        return False
    steps = (machine.ladder.step(name) for name in KERNEL_STEPS)
    return any(step is not None and step.state != "not reached" for step in steps)


def _gpus(machine: Machine) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return models and UUIDs of the GPUs that a driver shows, in its order."""
    for section in (machine.nvml, machine.driver):
        if not isinstance(section, Missing) and section.devices:
            devices = section.devices[:_MOST_GPUS]
            models = tuple(known(device.name) or "unknown GPU" for device in devices)
            return models, tuple(sorted({uuid for device in devices if (uuid := known(device.uuid))}))
    if not isinstance(machine.bandwidth, Missing):
        uuid = machine.bandwidth.device_uuid
        return (machine.bandwidth.device_name,), ((uuid,) if uuid else ())
    return (), ()


def _when(recorded_at: str, changed: float) -> float:
    try:
        return datetime.datetime.fromisoformat(recorded_at).timestamp() if recorded_at else changed
    except (ValueError, OverflowError, OSError):
        return changed
