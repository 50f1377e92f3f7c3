"""Gather facts, judge them, return a diagnosis; and say what of a race this machine can run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cudadoctor import __version__
from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Diagnosis, Finding, Plan, Refusal
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S

if TYPE_CHECKING:
    from cudadoctor.dbn.events import Options
    from cudadoctor.facts.race import Race

AREAS = ("host", "pci", "driver", "toolkit", "python", "kernel")
"""What `--only` and `--skip` choose from: `driver` asks NVML and the driver API, `kernel` runs one with numba."""


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What to look at, and how.

    `areas` are members of `AREAS`. With `sysroot`, files are read under that folder and the driver is asked only if
    `live`. `device` is the driver API's index of the GPU that is to run the kernel. `limit_s` bounds each driver call.
    `ask_frameworks` lets each installed framework use the GPU.
    """

    areas: frozenset[str] = frozenset(AREAS)
    left_out: str = "it was left out"
    sysroot: str | None = None
    live: bool = False
    device: int | None = None
    limit_s: float = DRIVER_CALL_LIMIT_S
    ask_frameworks: bool = False


def examine(examination: Examination) -> Machine:
    """Gather the facts of this machine; whatever cannot be read is a `Missing` with its reason."""
    from cudadoctor.probes import gather

    return gather.machine(
        areas=examination.areas,
        left_out=examination.left_out,
        sysroot=examination.sysroot,
        live=examination.live,
        device=examination.device,
        limit_s=examination.limit_s,
        ask_frameworks=examination.ask_frameworks,
    )


def diagnose(machine: Machine, command: str = "check") -> Diagnosis:
    """Judge the facts of a machine.

    Args:
        machine: Facts, live or saved.
        command: `check` judges the environment and any measurement in the facts; `bandwidth`, `dbn-race`,
            `devices` and `profile` only their own section.
    """
    from cudadoctor.rules.catalogue import RULES
    from cudadoctor.rules.diagnose import diagnose as judge
    from cudadoctor.rules.verdict import status

    section = {"bandwidth": "bandwidth", "dbn-race": "race", "devices": "devices", "profile": "profile"}.get(command)
    rules = RULES if section is None else tuple(rule for rule in RULES if section in rule.needs + rule.admits)
    findings, skipped = judge(machine, rules)
    # A measurement stands for itself: how far the check of the environment came does not make it better or worse.
    own = Machine(bandwidth=machine.bandwidth, race=machine.race, devices=machine.devices, profile=machine.profile)
    judged = machine if section is None else own
    return Diagnosis(
        command=command,
        version=__version__,
        status=status(judged, findings),
        findings=findings,
        skipped=skipped,
        facts=machine,
    )


def plan(machine: Machine, findings: tuple[Finding, ...]) -> Plan:
    """Return the ordered plan from this machine's state to a GPU that computes."""
    from cudadoctor.rules.catalogue import RULES
    from cudadoctor.rules.setup.plan import make_plan

    return make_plan(machine, findings, RULES)


def refusal(machine: Machine, command: str, why: str) -> Diagnosis:
    """Return the outcome of a command that could not be done here: why, with what `check` finds."""
    return msgspec.structs.replace(diagnose(machine), command=command, error=Refusal(why, 3))


def usable_gpu(machine: Machine) -> bool:
    """Say whether the ladder came as far as a context: a CUDA program can use a GPU here."""
    return not isinstance(machine.ladder, Missing) and machine.ladder.passed("context")


def race_on(options: Options, machine: Machine, index: int | None, explain: bool | None) -> Options:
    """Return the options for a GPU, by CUDA index, or for none: then the lanes that need one are left out."""
    if index is None:
        lanes = tuple(lane for lane in options.lanes if not lane.startswith("gpu"))
        return msgspec.structs.replace(options, lanes=lanes or ("cpu-fast",), explain=bool(explain))
    return msgspec.structs.replace(
        options, device=index, explain=explain is not False, pci_address=_pci_address(machine, index)
    )


def race_without_gpu(race: Race, asked: Options, machine: Machine) -> Race:
    """Return the race with the lanes that no GPU could run, and why, and with what some GPUs are predicted to take."""
    from cudadoctor.dbn.other_cards import predicted
    from cudadoctor.facts.race import SkippedLane

    reason = _why_no_gpu(machine)
    skipped = tuple(
        SkippedLane(name=lane, device="gpu:0", reason=reason) for lane in asked.lanes if lane.startswith("gpu")
    )
    race = msgspec.structs.replace(race, skipped=(*race.skipped, *skipped))
    told = predicted(asked.network)
    if isinstance(told, Missing):
        return msgspec.structs.replace(race, not_predicted=told.reason)
    return msgspec.structs.replace(race, predicted=told)


def _pci_address(machine: Machine, index: int) -> str | None:
    """Return the PCI address of a CUDA device, as the driver API told it."""
    if isinstance(machine.driver, Missing):
        return None
    for device in machine.driver.devices:
        if device.index == index and isinstance(device.pci_address, Known):
            return device.pci_address.value
    return None


def _why_no_gpu(machine: Machine) -> str:
    found = diagnose(machine).findings
    why = found[0].title if found else "no GPU that a CUDA program can use"
    return f"{why[0].lower() + why[1:] if why[:2] != why[:2].upper() else why} (`cudadoctor check` says more)"
