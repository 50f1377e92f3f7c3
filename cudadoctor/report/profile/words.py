"""Words and figures of a profile: what parts are called, what passes while a cause costs time, and units."""

from __future__ import annotations

import math

from cudadoctor.report.race.words import WAITS_FOR
from cudadoctor.text import printable, shortened
from cudadoctor.units import format_seconds

IDLE_NAMES = {
    "launching": "host launches kernels",
    "copying": "host calls copies",
    "synchronizing": "host waits and wakes up",
    "allocating": "host allocates memory",
    "compiling and loading": "host compiles or loads",
    "context": "host makes/ends context",
    "other calls": "host makes other calls",
    "Python": "host runs Python",
    "waiting": "host waits for something",
    "reading files": "host reads files",
    "importing": "host imports modules",
    "host": "host, not known at what",
}
"""What the host does while a device is idle."""

PASS_WHILE = WAITS_FOR | {
    "sync-every-step": "host and GPU wait for each other in each step",
    "readback-every-step": "a result is read back in each step",
    "dataloader-bound": "the program waits for its next data",
    "storage-bound": "files are read",
    "transfer-bound": "data crosses a link that is at its limit",
    "warmup-in-timing": "the program warms up",
    "ptx-jit-first-run": "PTX is compiled for this GPU",
    "compile-every-step": "kernels are compiled again",
    "low-occupancy-grid": "kernels use a small part of the GPU",
    "fp64-on-consumer-gpu": "kernels compute in double precision, which is slow on this GPU",
    "uncoalesced-access": "kernels wait for memory that they access in scattered order",
    "clock-ramp": "the clock of the GPU is still rising",
    "low-power-state": "the GPU is in a low power state",
}
"""Completes "... pass while"."""

DIRECTIONS = {
    "to device": "to device",
    "to host": "to host",
    "on device": "within device",
    "between devices": "between devices",
    "on host": "within host",
    "set": "memset",
}


def seconds(value: float) -> str:
    """Return a time in a unit that fits it; "0 s" for nothing."""
    if not math.isfinite(value):
        return "unknown"
    if abs(value) < 1e-9:
        return "0 s"
    return f"-{format_seconds(-value)}" if value < 0 else format_seconds(value)


def ms(value: float) -> str:
    """Return milliseconds in a unit that fits them."""
    return seconds(value / 1e3)


def span(low: float, high: float) -> str:
    """Return an interval given in milliseconds, both ends in one unit: `1.50 to 1.55 ms`."""
    factor, unit, digits = scale(max(abs(low), abs(high)))
    shown = (f"{each * factor:.{max(0, digits - 1)}f}" for each in (low, high))
    return f"{' to '.join(shown)} {unit}"


def scale(longest_ms: float) -> tuple[float, str, int]:
    """Return factor, unit and decimals in which times up to this one, given in milliseconds, can be added by eye."""
    factor, unit = (1e-3, "s") if longest_ms >= 2000 else (1.0, "ms") if longest_ms >= 1 else (1e3, "µs")
    shown = longest_ms * factor
    return factor, unit, 0 if shown >= 1000 else 1 if shown >= 100 else 2 if shown >= 10 else 3


def copy_name(direction: str, memory: str) -> str:
    """Return `to device, pageable`; the memory of copies that do not touch the host says nothing."""
    told = DIRECTIONS.get(direction, direction)
    return told if memory == "device" else f"{told}, {memory}"


def place(file: str, line: int, width: int = 48) -> str:
    """Return `train.py:12`, with a piece of a long path left out."""
    return f"{shortened(printable(file), width)}:{line}"
