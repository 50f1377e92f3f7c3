"""What a row of a GPU's table is: its text from one source or from several, and the words that stand for values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.tables.attributes import device_attributes
from cudadoctor.units import format_size

Show = Callable[[Any], str]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row of one GPU. `text` is None where no source knows the value; `sources` then holds the reasons."""

    group: str
    name: str
    text: str | None
    sources: tuple[str, ...]
    lasting: bool = True


def row_of(group: str, name: str, *answers: tuple[Fact[Any] | None, Show], lasting: bool = True) -> Row:
    """Make a row of the answers of one or more sources; where they differ, all are shown with their source."""
    texts: dict[str, list[str]] = {}
    reasons: list[str] = []
    for fact, show in answers:
        if isinstance(fact, Known):
            texts.setdefault(show(fact.value), []).append(fact.source)
        elif isinstance(fact, Missing):
            reasons.append(fact.reason)
    if not texts:
        return Row(group=group, name=name, text=None, sources=tuple(dict.fromkeys(reasons)), lasting=lasting)
    sources = tuple(source for found in texts.values() for source in found)
    if len(texts) == 1:
        return Row(group=group, name=name, text=next(iter(texts)), sources=sources, lasting=lasting)
    text = ", but ".join(f"{text} ({short_source(' '.join(found))})" for text, found in texts.items())
    return Row(group=group, name=name, text=text, sources=sources, lasting=lasting)


_ATTRIBUTE = re.compile(r"cuDeviceGetAttribute\(([A-Z0-9_, ]+)\)")

_SHORTER = (
    (" answered CUDA_ERROR_INVALID_VALUE: this driver does not know the attribute", ": not in this driver"),
    (" answered NVML_ERROR_NOT_SUPPORTED", ": not supported here"),
    (" answered NVML_ERROR_FUNCTION_NOT_FOUND", ": not in this driver"),
    ("nvmlDeviceGet", "NVML "),
    ("nvmlSystemGet", "NVML "),
    ("(nvmlMemory_v2)", "_v2"),
    ("NVML_CLOCK_", ""),
    ("NVML_MEMORY_ERROR_TYPE_", ""),
    ("NVML_TEMPERATURE_", ""),
    ("NVML_VOLATILE_ECC", "VOLATILE"),
    ("NVML_AGGREGATE_ECC", "AGGREGATE"),
    ("/sys/bus/pci/devices/", "sysfs "),
    ("/sys/devices/", "sysfs "),
)


def short_source(source: str) -> str:
    """Return a source as the table shows it; the legend below the table says what stands for what."""
    for long, short in _SHORTER:
        source = source.replace(long, short)
    return _ATTRIBUTE.sub(_numbers, source)


def attribute_names(source: str) -> list[str]:
    """Return the attributes of cuda.h that a source names."""
    return [name for match in _ATTRIBUTE.finditer(source) for name in match[1].split(", ")]


def _numbers(match: re.Match[str]) -> str:
    numbers = {name: number for number, name in device_attributes()}
    return "CUDA " + ", ".join(str(numbers.get(name, name)) for name in match[1].split(", "))


_REASONS = (
    "idle",
    "clocks set by an application",
    "power cap",
    "hardware slowdown",
    "sync boost",
    "software thermal slowdown",
    "hardware thermal slowdown",
    "power brake",
    "display clocks",
)
"""Bits of nvmlClocksEventReasons in nvml.h, from bit 0 on."""


def clock_reasons(mask: int) -> str:
    """Return NVML's clock event reasons in words; a bit without a name is shown as its number."""
    if mask == 0:
        return "none"
    bits = [bit for bit in range(64) if mask >> bit & 1]
    return ", ".join(_REASONS[bit] if bit < len(_REASONS) else f"bit {bit}" for bit in bits)


def named(*names: str) -> Show:
    """Return what shows a number as the name at that place."""
    return lambda number: names[number] if 0 <= number < len(names) else f"unknown ({number})"


def yes_no(value: Any) -> str:
    """Return `yes` or `no`."""
    return "yes" if value else "no"


def on_off(value: Any) -> str:
    """Return `on` or `off`."""
    return "on" if value else "off"


def count(value: int) -> str:
    """Return a number, with commas where it is long."""
    return f"{value:,}" if abs(value) >= 10_000 else str(value)


def exact_size(value: int) -> str:
    """Return a size exactly, in the largest unit that divides it: two GPUs that differ must not look equal."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value and value % factor == 0:
            return f"{count(value // factor)} {unit}"
    return f"{value:,} B"


def large_size(value: int) -> str:
    """Return a size as people read it, and exactly where that is rounded."""
    return f"{format_size(value)} ({exact_size(value)})" if value % 2**30 else exact_size(value)


def mhz(value: int) -> str:
    """Return a clock."""
    return f"{value} MHz"


def khz_as_mhz(value: int) -> str:
    """Return kHz as MHz, without the rounding and the limits of a float."""
    whole, rest = divmod(value, 1000)
    return f"{whole}.{rest:03d}".rstrip("0").rstrip(".") + " MHz"


def watts(value: float) -> str:
    """Return a power."""
    return f"{round(value, 1):g} W"
