"""Where a command's facts come from: a saved file, or this machine."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Set

import msgspec

from cudadoctor.cli.delivery import RefusedError
from cudadoctor.doctor import AREAS, Examination, examine
from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.document import MAX_BYTES, FactsError, decode_facts
from cudadoctor.facts.machine import Machine

_DEVICE = re.compile(r"\d{1,4}|(?:GPU|MIG)-[0-9a-fA-F-]{4,}", re.ASCII)


def examination(
    *, sysroot: str | None, live: bool, limit_s: float, areas: Set[str] = frozenset(AREAS), left_out: str = ""
) -> Examination:
    """Return what to look at.

    Raises:
        RefusedError: `--sysroot` names no folder, or `--live` stands alone.
    """
    if sysroot is not None and not os.path.isdir(sysroot):
        raise RefusedError(f"--sysroot {sysroot}: there is no such folder")
    if live and sysroot is None:
        raise RefusedError("--live goes with --sysroot: without it the driver is asked anyway")
    return Examination(areas=frozenset(areas), left_out=left_out, sysroot=sysroot, live=live, limit_s=limit_s)


def load_or_examine(facts: str | None, what: Examination, device: str | None) -> Machine:
    """Return a saved machine, or examine this one.

    Raises:
        RefusedError: The file cannot be read, two sources were named, or no GPU is called `device`.
    """
    check_device_word(device)
    if facts is None:
        index = int(device) if device is not None and device.isdigit() else None
        named = device is not None and index is None
        asks = what.ask_frameworks and not named
        machine = examine(msgspec.structs.replace(what, device=index, ask_frameworks=asks))
        if device is not None:
            gpu = choose_device(machine, device)
            if named and (gpu or what.ask_frameworks):  # by its UUID, and not the one that was tried
                machine = examine(msgspec.structs.replace(what, device=gpu))
        return machine
    if what.sysroot is not None:
        raise RefusedError("--facts and --sysroot are two machines: name one of them")
    machine = read_facts(facts)
    choose_device(machine, device)
    return machine


def read_facts(path: str) -> Machine:
    """Read a facts file, `-` for standard input.

    Raises:
        RefusedError: It cannot be read, or holds no facts.
    """
    name = "standard input" if path == "-" else path
    try:
        if path == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RefusedError(f"cannot read {name}: {error.strerror}") from None
    try:
        return decode_facts(data)
    except FactsError as error:
        raise RefusedError(f"{name} {error}") from None


def not_in_file(facts: str, what: str, section: Missing, command: str) -> str:
    """Say that a saved machine does not hold what a command shows, and which command saves it."""
    blank = Machine()
    never = {each.reason for each in (blank.devices, blank.bandwidth, blank.race) if isinstance(each, Missing)}
    why = "" if section.reason in never else f" ({section.reason})"
    return f"{facts} holds no {what}{why}; on that machine, `cudadoctor {command} --save FILE` saves it"


def is_device_word(word: str) -> bool:
    """Say whether a word is an index or a UUID of a GPU (or else, where one may stand, a file)."""
    return _DEVICE.fullmatch(word) is not None


def check_device_word(device: str | None) -> None:
    """Refuse a `--device` that is neither an index nor a UUID."""
    if device is not None and not is_device_word(device):
        raise RefusedError(f"--device {device}: give an index such as 0, or a UUID such as GPU-0ef4b282")


def meant_by(device: str, uuids: Iterable[str]) -> str:
    """Return the UUID of these whose stand-in, out of a report that was shared, this is; else what was given."""
    if not device.lower().startswith(("gpu-0000", "mig-0000")):
        return device
    from cudadoctor.report.identifiers import without_identifiers

    stand_in = device[:4].upper() + device[4:].lower()
    return next((uuid for uuid in uuids if uuid and without_identifiers(uuid) == stand_in), device)


def choose_device(machine: Machine, device: str | None) -> int:
    """Return the driver API's index of the wanted GPU.

    Raises:
        RefusedError: There are GPUs, but none of that name.
    """
    from cudadoctor.probes.gather import gpu_index

    if device is None or isinstance(machine.driver, Missing) or not machine.driver.devices:
        return 0
    uuids = [known(gpu.uuid) or "" for gpu in machine.driver.devices]
    index = gpu_index(machine, meant_by(device, uuids))
    if index is None:
        there = ", ".join(
            f"{gpu.index} ({gpu.name.value if isinstance(gpu.name, Known) else 'name unknown'})"
            for gpu in machine.driver.devices[:8]
        )
        raise RefusedError(f"--device {device}: there is no such GPU; this process sees {there}")
    return index
