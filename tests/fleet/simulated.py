"""Fleets of made-up nodes: a recorded machine, with another name, other UUIDs and figures that scatter a little."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cudadoctor.facts.base import Known
from cudadoctor.facts.document import decode_facts, encode_facts
from cudadoctor.facts.machine import Machine

MACHINES = Path(__file__).parents[1] / "machines"
RECORDED = "2026-11-01T12:00:{:02d}+00:00"


def base(name: str = "ubuntu24-h100-healthy") -> Machine:
    """Return a recorded machine."""
    return decode_facts((MACHINES / name / "facts.json").read_bytes())


def uuid(number: int) -> str:
    """Return a GPU UUID that no other number has."""
    return f"GPU-{number:08x}-aaaa-bbbb-cccc-{number:012x}"


def node(number: int, like: Machine, **changes: Any) -> Machine:
    """Return the machine with UUIDs of its own, and with other values.

    Args:
        number: Of the node, from which its UUIDs are made.
        like: What it is otherwise.
        changes: `rate` multiplies the measured bandwidth; others are facts of NVML's GPUs (`ecc_enabled=False`), or
            `driver_release`.
    """
    rate = changes.pop("rate", 1.0)
    release = changes.pop("driver_release", None)
    nvml: Any = like.nvml
    facts = {name: value if isinstance(value, Known) else Known(value, "test") for name, value in changes.items()}
    gpus = tuple(
        msgspec.structs.replace(gpu, uuid=Known(uuid(16 * number + place), "nvmlDeviceGetUUID"), **facts)
        for place, gpu in enumerate(nvml.devices)
    )
    nvml = msgspec.structs.replace(nvml, devices=gpus)
    sections: dict[str, Any] = {}
    if release is not None:
        nvml = msgspec.structs.replace(nvml, driver_release=Known(release, "test"))
        kernel: Any = like.kernel_driver
        sections["kernel_driver"] = msgspec.structs.replace(kernel, loaded_release=Known(release, "test"))
    bandwidth: Any = like.bandwidth
    if hasattr(bandwidth, "results"):
        sections["bandwidth"] = msgspec.structs.replace(
            bandwidth,
            device_uuid=uuid(16 * number),
            results=tuple(
                msgspec.structs.replace(result, gb_per_s=result.gb_per_s * rate) for result in bandwidth.results
            ),
        )
    return msgspec.structs.replace(like, nvml=nvml, **sections)


def write(folder: Path, name: str, machine: Machine, *, second: int = 0) -> Path:
    """Save a node's facts as `cudadoctor check --save` does."""
    path = folder / f"{name}.json"
    path.write_bytes(encode_facts(machine, version="0.1.0", recorded_at=RECORDED.format(second)))
    return path


def without_measurement(machine: Machine) -> Machine:
    """Return what `check` alone would save."""
    bare = Machine()
    return msgspec.structs.replace(machine, bandwidth=bare.bandwidth, race=bare.race, devices=bare.devices)


def many(folder: Path, count: int, like: Machine, *, seed: int = 0, told: Callable[[int], None] | None = None) -> None:
    """Write a fleet of that many nodes, quickly: one in a hundred is slow, one in fifty has another driver.

    Every node differs in its UUIDs and in the figures of its bandwidth, by 0.5 % (one standard deviation).
    """
    chance = random.Random(seed)
    texts = {}
    for rate, release in [(rate, release) for rate in (1.0, 0.5) for release in (None, "570.86.15")]:
        machine = node(0, like, rate=rate, **({} if release is None else {"driver_release": release}))
        texts[rate, release] = encode_facts(machine, version="0.1.0", recorded_at=RECORDED.format(0)).decode()
    rates = [result["gb_per_s"] for result in json.loads(texts[1.0, None])["facts"]["bandwidth"].get("results", [])]
    slow = [result["gb_per_s"] for result in json.loads(texts[0.5, None])["facts"]["bandwidth"].get("results", [])]
    for number in range(count):
        rate = 0.5 if number % 100 == 7 else 1.0
        text = texts[rate, "570.86.15" if number % 50 == 3 else None]
        for place in range(16):
            text = text.replace(uuid(place), uuid(16 * number + place))
        factor = chance.gauss(1.0, 0.005)
        for value in rates if rate == 1.0 else slow:
            text = text.replace(f'"gb_per_s": {value!r}', f'"gb_per_s": {value * factor!r}')
        (folder / f"gpu-{number:05d}.json").write_text(text)
        if told is not None:
            told(number)
