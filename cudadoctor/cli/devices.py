"""`cudadoctor devices`: all that is known of each GPU, each row with its source; and what two GPUs differ in."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from cudadoctor.cli import options as opt
from cudadoctor.cli.delivery import RefusedError, check_writable, deliver, report_columns
from cudadoctor.cli.options import FailOn, Format, ReportOptions
from cudadoctor.cli.source import (
    check_device_word,
    examination,
    is_device_word,
    load_or_examine,
    meant_by,
    not_in_file,
    read_facts,
)
from cudadoctor.doctor import AREAS, diagnose, refusal
from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.devices import Device, Devices, DriverView
from cudadoctor.facts.machine import Machine
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S


def devices(
    diff: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--diff",
            metavar="A B",
            help="Show only what two GPUs differ in: each an index or UUID here, or a saved file (its GPU --device).",
            show_default=False,
        ),
    ] = None,
    facts: opt.FactsOption = None,
    device: Annotated[
        str | None,
        typer.Option("--device", metavar="INDEX|UUID", help="Show only this GPU.", show_default=False),
    ] = None,
    timeout: opt.TimeoutOption = DRIVER_CALL_LIMIT_S,
    format: opt.FormatOption = Format.TEXT,
    output: opt.OutputOption = None,
    save: opt.SaveOption = None,
    fail_on: opt.FailOnOption = FailOn.ERROR,
    redact: opt.RedactOption = None,
    verbose: opt.VerboseOption = 0,
    quiet: opt.QuietOption = False,
) -> int:
    """Show all that the driver API, NVML and sysfs say of each GPU, each row with its source.

    What deviceQuery shows, and UUID, PCI path, theoretical peaks, power, clocks, ECC, MIG and the peer matrix. With -v
    every attribute of the driver API. Exit code 3: there is no GPU that a CUDA program can use.
    """
    from cudadoctor.report.devices import device_lines, devices_sentence

    check_writable(output, save)
    check_device_word(device)
    report = ReportOptions(
        command="devices",
        format=format,
        output=output,
        save=save,
        fail_on=fail_on,
        redact=redact,
        verbose=verbose,
        quiet=quiet,
    )
    if diff is not None and not any(map(is_device_word, diff)):
        if facts is not None:
            raise RefusedError("--facts and --diff with two files are three machines: leave --facts out")
        machine = _compared_files(diff, device)
    else:
        machine = _machine(facts, timeout)
        if isinstance(machine.devices, Devices) and diff is not None:
            machine = _compared(machine, machine.devices, diff, facts, device)
    section = machine.devices
    if isinstance(section, Missing):
        return deliver(refusal(machine, "devices", _why_none(section, facts)), report)
    width, everything = report_columns(format), verbose > 0
    if diff is None and not any(isinstance(each.driver, DriverView) for each in section.devices):
        lines = device_lines(section, width=width, everything=everything)
        why = "NVML sees a GPU, but there is none that a CUDA program can use" if section.devices else "There is no GPU"
        return deliver(refusal(machine, "devices", why), report, lines=lines)
    only = None if device is None or diff is not None else find(section, device)
    if only is not None:
        report = msgspec.structs.replace(report, only_device=section.devices.index(only))
    lines = device_lines(section, width=width, only=only, everything=everything)
    diagnosis = diagnose(machine, "devices")
    return deliver(diagnosis, report, devices_sentence(section, diagnosis.findings), lines)


def _machine(facts: str | None, limit_s: float) -> Machine:
    """Return a saved machine, or this one with its devices."""
    left_out = "devices looks at GPUs only: it was left out"
    areas = frozenset(AREAS) - {"kernel", "python"}
    what = examination(sysroot=None, live=False, limit_s=limit_s, areas=areas, left_out=left_out)
    machine = load_or_examine(facts, what, None)
    if facts is not None:
        return machine
    from cudadoctor.probes import devices as probe
    from cudadoctor.probes.root import Root

    return msgspec.structs.replace(machine, devices=probe.gather(machine, Root(), limit_s=limit_s))


def _why_none(section: Missing, facts: str | None) -> str:
    if facts is not None:
        return not_in_file(facts, "table of GPUs", section, "devices")
    return f"There is no GPU here to show: {section.reason}"


def find(section: Devices, wanted: str) -> Device:
    """Return the GPU of that index (the driver API's) or UUID, or its beginning.

    Raises:
        RefusedError: There is none.
    """
    for device in section.devices:
        views = [view for view in (device.driver, device.nvml) if not isinstance(view, Missing)]
        if isinstance(device.driver, DriverView) and str(device.driver.index) == wanted:
            return device
        uuids = [known(view.uuid) or "" for view in views]
        beginning = meant_by(wanted, uuids).lower()
        if not wanted.isdigit() and any(uuid.lower().startswith(beginning) for uuid in uuids):
            return device
    from cudadoctor.report.devices import device_name, device_title

    there = ", ".join(f"{device_title(each)} ({device_name(each)})" for each in section.devices[:8])
    raise RefusedError(f"{wanted}: there is no such GPU; there is {there}")


def _compared(
    machine: Machine, section: Devices, diff: tuple[str, str], facts: str | None, device: str | None
) -> Machine:
    """Compare two GPUs of one machine, or one with a saved file."""
    from cudadoctor.report.devices import compare, device_title

    sides = []
    for word in diff:
        if is_device_word(word):
            found = find(section, word)
            sides.append((device_title(found), found, section))
        else:
            sides.append(_from_file(word, device))
    if not all(map(is_device_word, diff)) and facts is not None:
        raise RefusedError("--facts and a file in --diff are two machines besides: name the files in --diff")
    return msgspec.structs.replace(
        machine, devices=msgspec.structs.replace(section, comparison=compare(sides[0], sides[1]))
    )


def _compared_files(diff: tuple[str, str], device: str | None) -> Machine:
    """Compare the GPUs of two saved files; nothing else of the two machines stands in the report."""
    from cudadoctor.report.devices import compare

    one, other = (_from_file(path, device) for path in diff)
    section = msgspec.structs.replace(one[2], devices=(one[1], other[1]), peers=(), comparison=compare(one, other))
    return Machine(devices=section)


def _from_file(path: str, device: str | None) -> tuple[str, Device, Devices]:
    section = read_facts(path).devices
    if isinstance(section, Missing) or not section.devices:
        reason = section.reason if isinstance(section, Missing) else "it has no GPU"
        raise RefusedError(f"{path} does not say what its GPUs are like: {reason}. Save it with `devices --save`")
    from cudadoctor.report.devices import device_title

    found = section.devices[0] if device is None else find(section, device)
    return f"{path}, {device_title(found)}", found, section
