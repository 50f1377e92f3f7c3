"""Numbers as people read them. GB/s is 10^9 bytes per second; sizes are in GiB and MiB (powers of two)."""

from __future__ import annotations

import math


def format_size(size_bytes: int) -> str:
    """Return `512 MiB`, `79.6 GiB`, `200 B`."""
    for unit, factor in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size_bytes >= factor:
            value = size_bytes / factor
            return f"{value:.0f} {unit}" if value == int(value) or value >= 100 else f"{value:.1f} {unit}"
    return f"{size_bytes} B"


def format_seconds(seconds: float) -> str:
    """Return `1.24 s`, `35 ms`, `2 min 08 s`; `inf s` and `nan s` for what a broken file made of its sums."""
    if not math.isfinite(seconds):
        return f"{seconds} s"
    if seconds >= 60:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds * 1e6:.3g} µs"


def format_percent(share: float, decimals: int = 1) -> str:
    """Return `27.0 %` for 0.27."""
    return f"{100 * share:.{decimals}f} %"


def format_clock(seconds: float) -> str:
    """Return `0:02:08`, as nolearn printed its epochs."""
    whole = int(seconds + 0.5)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


# Raw rate of one lane in GT/s, and line rate at x16 in GB/s after the line code (8b/10b to Gen2, 128b/130b to Gen5).
_GENERATION_BY_GT_S = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6}
_LINE_RATE_X16_GB_PER_S = {1: 4.0, 2: 8.0, 3: 15.75, 4: 31.5, 5: 63.0, 6: 121.0}


def pcie_generation(speed_gt_s: float) -> int | None:
    """Return the PCIe generation of a lane speed in GT/s, None for a speed that no generation has."""
    return _GENERATION_BY_GT_S.get(speed_gt_s)


def pcie_line_rate_gb_per_s(generation: int, width: int) -> float | None:
    """Return the line rate of a PCIe link in one direction, in GB/s; None for an unknown generation.

    Source: PCI Express Base Specification 6.0, line codes; the figure of Gen6 is after flit overhead.
    """
    rate = _LINE_RATE_X16_GB_PER_S.get(generation)
    return None if rate is None else rate * width / 16
