"""What nodes of equal hardware should have in common: versions, modes and limits, as short texts by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cudadoctor.facts.base import Fact, Known, Missing, known
from cudadoctor.facts.fleet import Weight
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.nvml import NvmlDevice

WEIGHTS: dict[str, Weight] = {
    # What a job computes on, and how fast: to differ here makes jobs fail or wait for the slowest node.
    "GPUs": "warning",
    "driver release": "warning",
    "libcuda": "warning",
    "kernel module": "warning",
    "ECC": "warning",
    "MIG": "warning",
    "compute mode": "warning",
    "driver model": "warning",
    "power limit": "warning",
    "GPU memory": "warning",
    "link, at most": "warning",
    "link under load": "warning",
    "narrowest hop": "warning",
    # What may be meant, as an update that rolls through the fleet.
    "VBIOS": "note",
    "GSP firmware": "note",
    "persistence mode": "note",
    "SM clock, at most": "note",
    "kernel": "note",
    "distribution": "note",
    "container": "note",
    "CPU": "note",
    "CPUs": "note",
    "memory": "note",
    "toolkit": "note",
    "Python": "note",
    "numpy": "note",
    "numba": "note",
    "numba-cuda": "note",
    "torch": "note",
    "jax": "note",
    "tensorflow": "note",
    "cudadoctor": "note",
}
"""All traits, in the order of a report, and how bad it is to differ in one."""

_LONGEST = 120
_PACKAGES = ("numpy", "numba", "numba-cuda", "torch", "jax", "tensorflow")
_COMPUTE_MODES = {0: "default", 1: "exclusive thread", 2: "prohibited", 3: "exclusive process"}


def traits_of(machine: Machine, version: str) -> tuple[tuple[str, str], ...]:
    """Return what is known of a machine as (name, value), in the order of `WEIGHTS`; what is missing has no entry.

    Args:
        machine: The facts.
        version: Of the cudadoctor that gathered them, "" where unknown.
    """
    found = {name: value[:_LONGEST] for name, value in _all(machine, version) if value}
    return tuple((name, found[name]) for name in WEIGHTS if name in found)


def _all(machine: Machine, version: str) -> Iterator[tuple[str, str]]:
    yield from _host(machine)
    yield from _driver(machine)
    yield from _gpus(machine)
    yield from _links(machine)
    if not isinstance(machine.toolkits, Missing) and (toolkit := machine.toolkits.selected()) is not None:
        yield "toolkit", _text(toolkit.version)
    if not isinstance(machine.packages, Missing):
        for name in _PACKAGES:
            yield name, machine.packages.version_of(name) or ""
    yield "cudadoctor", version


def _host(machine: Machine) -> Iterator[tuple[str, str]]:
    host = machine.host
    if isinstance(host, Missing):
        return
    yield "kernel", _text(host.kernel_release)
    yield "distribution", _text(host.distribution)
    yield "container", "none" if known(host.container) == "" else _text(host.container)
    yield "CPU", _text(host.cpu_name)
    yield "CPUs", _text(host.cpu_count)
    memory = known(host.memory_total_bytes)
    # The kernel takes a little more or less of it at each start.
    yield "memory", f"{memory / 2**30:.3g} GiB" if memory else ""
    yield "Python", _text(host.python_version)


def _driver(machine: Machine) -> Iterator[tuple[str, str]]:
    loaded = _text(machine.kernel_driver.loaded_release) if not isinstance(machine.kernel_driver, Missing) else ""
    asked = _text(machine.nvml.driver_release) if not isinstance(machine.nvml, Missing) else ""
    yield "driver release", loaded or asked
    if not isinstance(machine.kernel_driver, Missing):
        yield "kernel module", _text(machine.kernel_driver.flavour)
    if not isinstance(machine.driver, Missing):
        yield "libcuda", _text(machine.driver.mapped_release)


def _gpus(machine: Machine) -> Iterator[tuple[str, str]]:
    if not isinstance(machine.nvml, Missing) and machine.nvml.devices:
        gpus = machine.nvml.devices
        yield "GPUs", str(len(gpus))
        yield "ECC", _shared(gpus, lambda gpu: _on(gpu.ecc_enabled))
        yield "MIG", _shared(gpus, lambda gpu: _on(gpu.mig_enabled))
        yield "persistence mode", _shared(gpus, lambda gpu: _on(gpu.persistence_mode))
        yield "compute mode", _shared(gpus, lambda gpu: _named(gpu.compute_mode, _COMPUTE_MODES))
        yield "driver model", _shared(gpus, lambda gpu: _text(gpu.driver_model))
        yield "power limit", _shared(gpus, lambda gpu: _unit(gpu.power_limit_w, "W"))
        yield "GPU memory", _shared(gpus, lambda gpu: _gib(gpu.memory_total_bytes))
        yield "SM clock, at most", _shared(gpus, lambda gpu: _unit(gpu.sm_clock_max_mhz, "MHz"))
        yield "link, at most", _shared(gpus, _widest)
    if not isinstance(machine.devices, Missing):
        views = [device.nvml for device in machine.devices.devices if not isinstance(device.nvml, Missing)]
        yield "VBIOS", _shared(views, lambda view: _text(view.vbios))
        yield "GSP firmware", _shared(views, lambda view: _text(view.gsp_firmware))


def _links(machine: Machine) -> Iterator[tuple[str, str]]:
    bandwidth = machine.bandwidth
    if isinstance(bandwidth, Missing):
        return
    load, expected = bandwidth.link_under_load, bandwidth.expected
    if load is not None and load.samples > 0:
        yield "link under load", _link(known(load.generation), known(load.width))
    if not isinstance(expected, Missing) and expected.path_visible and expected.hop != bandwidth.pci_address:
        yield "narrowest hop", _link(expected.generation, expected.width)


def _widest(gpu: NvmlDevice) -> str:
    return _link(known(gpu.link_generation_max), known(gpu.link_width_max))


def _link(generation: int | None, width: int | None) -> str:
    return f"Gen{generation} x{width}" if generation and width else ""


def _shared(gpus: Iterable[Any], value: Callable[[Any], str]) -> str:
    """Return the value that all GPUs of a node have, or how many have which; "" where none tells."""
    counts = Counter(text for gpu in gpus if (text := value(gpu)))
    if len(counts) <= 1:
        return next(iter(counts), "")
    return ", ".join(f"{text} on {count}" for text, count in sorted(counts.items(), key=lambda item: (-item[1], item)))


def _text(fact: Fact[str] | Fact[int]) -> str:
    return str(fact.value) if isinstance(fact, Known) else ""


def _on(fact: Fact[bool]) -> str:
    return ("on" if fact.value else "off") if isinstance(fact, Known) else ""


def _unit(fact: Fact[float] | Fact[int], unit: str) -> str:
    return f"{fact.value:.6g} {unit}" if isinstance(fact, Known) else ""


def _gib(fact: Fact[int]) -> str:
    return f"{fact.value / 2**30:.1f} GiB" if isinstance(fact, Known) else ""


def _named(fact: Fact[int], names: dict[int, str]) -> str:
    return names.get(fact.value, str(fact.value)) if isinstance(fact, Known) else ""
