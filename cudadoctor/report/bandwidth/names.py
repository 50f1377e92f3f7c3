"""What the kinds of copy are called, and how figures are written."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence

from cudadoctor.facts.bandwidth import BandwidthResult
from cudadoctor.text import printable
from cudadoctor.units import format_seconds

LABEL = 32
"""Columns of the first column of every table, with its indent."""

_MEMORY = {
    "pinned": "pinned",
    "pageable": "pageable",
    "pageable_fresh": "pageable fresh",
    "write_combined": "write-combined",
    "mapped": "mapped",
    "managed": "managed",
    "registered": "registered",
    "bidirectional": "bidirectional",
    "near": "near NUMA node",
    "far": "far NUMA node",
    "pinned_alone": "pinned, each GPU alone",
    "pinned_together": "pinned, all GPUs at once",
}
_DIRECTION = {"h2d": "host to device", "d2h": "device to host"}
_OTHER = {
    "d2d_local": "device to device, copied",
    "d2d_local_kernel": "device to device, by a kernel",
    "numa": "near and far NUMA node",
    "several": "each GPU alone, all at once, and from GPU to GPU",
    "p2p_read": "GPU to GPU, read",
    "p2p_write": "GPU to GPU, written",
    "pointer_chase_host": "GPU loads from host memory",
    "submit": "queueing one copy",
    "h2d_small": "4 B to the device",
    "d2h_small": "4 B from the device",
    "numba_h2d": "to_device, pageable",
    "numba_d2h": "copy_to_host, pageable",
    "numba_h2d_pinned": "to_device, pinned",
    "numba_d2h_pinned": "copy_to_host, pinned",
    "numba_launch": "launch of a kernel by numba",
    "numba_h2d_small": "4 B to the device, by numba",
    "numba_d2h_small": "4 B from the device, by numba",
}


def kind(key: str) -> str:
    """Return `host to device, pinned` for `h2d_pinned`; a key without a name is shown as it is."""
    if key in _OTHER:
        return _OTHER[key]
    if key.endswith("_curve"):
        return f"{kind(key.removesuffix('_curve'))}, at each size"
    direction, _, memory = key.partition("_")
    if direction in _DIRECTION and memory in _MEMORY:
        return f"{_DIRECTION[direction]}, {_MEMORY[memory]}"
    return printable(key)


def shown(results: Iterable[BandwidthResult]) -> list[BandwidthResult]:
    """Return what may be shown: a copy that was not verified has no speed."""
    return [result for result in results if result.verified]


def row(name: str, *cells: str) -> str:
    """Return one line of a table: the name, and cells that are padded already."""
    return f"{'  ' + name:{LABEL}}{''.join(cells)}".rstrip()


def duration(seconds: float) -> str:
    """Return seconds as people read them, below 0 too: the low end of an interval may lie there."""
    if not math.isfinite(seconds):
        return "unknown"
    if 0 < seconds < 1e-6:
        return f"{seconds * 1e9:.3g} ns" if seconds >= 1e-9 else "< 1 ns"
    return format_seconds(seconds) if seconds >= 0 else f"-{duration(-seconds)}"


def extremes(samples: Sequence[float], value: float) -> tuple[float, float]:
    """Return the lowest and the highest sample; a saved file may hold the median alone."""
    return min(samples, default=value), max(samples, default=value)


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Return prose as lines of that width."""
    return textwrap.wrap(
        printable(text), width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def apart(blocks: Iterable[Sequence[str]]) -> list[str]:
    """Return the blocks that say something, an empty line between them."""
    lines: list[str] = []
    for block in blocks:
        lines += ["", *block] if lines and block else block
    return lines
