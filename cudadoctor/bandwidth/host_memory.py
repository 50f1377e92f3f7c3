"""How much host memory a measurement may take."""

from __future__ import annotations

import sys
from pathlib import Path


def available_bytes(root: Path = Path("/")) -> int:
    """Return what this process can have without swapping or being killed: of the machine and of its cgroup.

    A container's limit is not in /proc/meminfo, and the kernel kills what passes it.

    Args:
        root: Where /proc and /sys are, for tests.
    """
    import psutil

    free: int = psutil.virtual_memory().available
    if sys.platform.startswith("linux"):
        free = min([free, *_cgroup_rooms(root)])
    return max(0, free)


def _cgroup_rooms(root: Path) -> list[int]:
    """Return limit minus use for this process's cgroup and each one above it, version 2 and 1.

    Page cache that can be dropped counts as use in a cgroup, so what is inactive is given back.
    """
    rooms = []
    for group, limit_name, usage_name, inactive_name in _cgroups(root):
        limit, usage = _number(group / limit_name), _number(group / usage_name)
        if limit is not None and usage is not None:
            rooms.append(limit - usage + _stat(group / "memory.stat", inactive_name))
    return rooms


def _cgroups(root: Path) -> list[tuple[Path, str, str, str]]:
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2) if line.count(":") >= 2 else ("", "-", "")
        if controllers == "":
            base = root / "sys/fs/cgroup"
            names = ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        found += [(base.joinpath(*parts[:depth]), *names) for depth in range(len(parts), -1, -1)]
    return found


def _number(path: Path) -> int | None:
    """Return the number in a file; None for `max`, and where there is no such file."""
    try:
        return int(path.read_text(encoding="ascii", errors="replace"))
    except (OSError, ValueError):
        return None


def _stat(path: Path, name: str) -> int:
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    for line in lines:
        key, _, value = line.partition(" ")
        if key == name and value.isdigit():
            return int(value)
    return 0
