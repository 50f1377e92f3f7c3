"""Gather facts, judge them, return a diagnosis; and say what of a race this machine can run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cudadoctor import __version__
from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Area, Diagnosis, Finding, Plan, Refusal, Severity, Status
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S

if TYPE_CHECKING:
    from cudadoctor.dbn.events import Options
    from cudadoctor.facts.race import Race
    from cudadoctor.fleet.merge import Merged
    from cudadoctor.rules.base import Rule

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
        meanwhile=_import_rules,
    )


def _import_rules() -> None:
    """Import what judges, while drivers are asked: a tenth of a second on a slow disk."""
    from cudadoctor.rules import areas, catalogue, diagnose, verdict  # noqa: F401


def diagnose(machine: Machine, command: str = "check") -> Diagnosis:
    """Judge the facts of a machine.

    Args:
        machine: Facts, live or saved.
        command: `check` judges the machine: its environment and any measurement in the facts, but not how well the
            race's lanes or the user's program use it; `bandwidth`, `dbn-race`, `devices` and `profile` only their own
            section.
    """
    from cudadoctor.rules.catalogue import RULES
    from cudadoctor.rules.diagnose import diagnose as judge
    from cudadoctor.rules.verdict import status

    section = {"bandwidth": "bandwidth", "dbn-race": "race", "devices": "devices", "profile": "profile"}.get(command)
    rules = RULES if section is None else tuple(rule for rule in RULES if section in rule.needs + rule.admits)
    findings, skipped = judge(machine, rules)
    if section is None:
        findings = _of_the_machine(findings, rules)
    # A measurement stands for itself: how far the check of the environment came does not make it better or worse.
    own = Machine(bandwidth=machine.bandwidth, race=machine.race, devices=machine.devices, profile=machine.profile)
    judged = machine if section is None else own
    areas: tuple[Area, ...] = ()
    if command == "check":
        from cudadoctor.rules.areas import areas_of

        areas = areas_of(machine, findings, skipped, rules)
    return Diagnosis(
        command=command,
        version=__version__,
        status=status(judged, findings, skipped),
        findings=findings,
        skipped=skipped,
        facts=machine,
        areas=areas,
    )


def _of_the_machine(findings: tuple[Finding, ...], rules: tuple[Rule, ...]) -> tuple[Finding, ...]:
    """Return findings as the machine's: that a program, or a lane of the race, is slow by itself is a note there."""
    sections = {rule.id: {*rule.needs, *rule.admits} for rule in rules}
    of_programs = {id for id, judged in sections.items() if "profile" in judged and judged <= {"race", "profile"}}
    made = [
        msgspec.structs.replace(each, severity=Severity.NOTE)
        if each.severity is Severity.WARNING and each.id in of_programs
        else each
        for each in findings
    ]
    return tuple(sorted(made, key=lambda each: each.severity.rank))


def plan(machine: Machine, findings: tuple[Finding, ...]) -> Plan:
    """Return the ordered plan from this machine's state to a GPU that computes."""
    from cudadoctor.rules.catalogue import RULES
    from cudadoctor.rules.setup.plan import make_plan

    return make_plan(machine, findings, RULES)


def refusal(machine: Machine, command: str, why: str) -> Diagnosis:
    """Return the outcome of a command that could not be done here: why, with what `check` finds."""
    return msgspec.structs.replace(diagnose(machine), command=command, error=Refusal(why, 3))


def diagnose_fleet(merged: Merged, command: str) -> Diagnosis:
    """Judge a fleet: what its nodes' own reports say, once for all nodes, and what only shows beside each other."""
    from cudadoctor.fleet.causes import causes
    from cudadoctor.rules.diagnose import diagnose as judge
    from cudadoctor.rules.fleet.catalogue import FLEET_RULES

    fleet = merged.fleet
    machine = Machine(fleet=fleet)
    found, skipped = judge(machine, FLEET_RULES)
    findings = tuple(sorted((*found, *causes(fleet, merged.details)), key=lambda finding: finding.severity.rank))
    worst = min((finding.severity.rank for finding in findings), default=Severity.NOTE.rank)
    status: Status = "ok" if fleet.nodes and all(node.status == "ok" for node in fleet.nodes) else "unknown"
    if worst < Severity.NOTE.rank:
        status = "error" if worst == Severity.ERROR.rank else "warning"
    return Diagnosis(
        command=command, version=__version__, status=status, findings=findings, skipped=skipped, facts=machine
    )


def may_have_gpu() -> bool:
    """Say whether there is a device node of a GPU's driver; nothing is asked."""
    from cudadoctor.probes.gather import has_node

    return has_node()


def usable_gpu(machine: Machine) -> bool:
    """Say whether the ladder came as far as a context: a CUDA program can use a GPU here."""
    return not isinstance(machine.ladder, Missing) and machine.ladder.passed("context")


def race_on(options: Options, machine: Machine, index: int | None, explain: bool | None) -> Options:
    """Return the options for a GPU, by CUDA index, or for none: then the lanes that need one are left out."""
    if index is None:
        lanes = tuple(lane for lane in options.lanes if not lane.startswith("gpu"))
        return msgspec.structs.replace(options, lanes=lanes or ("cpu-fast",), explain=bool(explain))
    return msgspec.structs.replace(
        options, device=index, explain=explain is not False, pci_address=pci_address(machine, index)
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


def pci_address(machine: Machine, index: int) -> str | None:
    """Return the PCI address of a CUDA device, as the driver API told it; None where it did not."""
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


def measured_rates(device: int, limit_s: float) -> tuple[dict[str, float], str]:
    """Measure what a program on this machine can reach, in two seconds.

    Returns:
        Bytes a second of pinned memory as `to_device` and `to_host`, and of the device's own memory, read plus written,
        as `device_memory`; and why some of them lack, "" if none does.
    """
    from cudadoctor.bandwidth.events import Finished
    from cudadoctor.bandwidth.measure import BandwidthError, run
    from cudadoctor.bandwidth.plan import Options, quick_plan

    names = {"h2d_pinned": "to_device", "d2h_pinned": "to_host", "d2d_local": "device_memory"}
    try:
        *_, last = run(Options(plan=quick_plan(device)), limit_s=limit_s)
    except BandwidthError as error:
        return {}, str(error)
    if not isinstance(last, Finished):
        return {}, "the measurement did not end"
    found = {result.key: result.gb_per_s * 1e9 for result in last.bandwidth.results if result.verified}
    rates = {name: found[key] for key, name in names.items() if key in found}
    if "device_memory" in rates:
        rates["device_memory"] *= 2  # bytes copied are read once and written once
    return rates, "; ".join(dict.fromkeys(item.reason for item in last.bandwidth.skipped if item.key in names))
