"""The NUMA nodes of a machine: the one that a GPU is attached to, and the one farthest from it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

_NODES = "sys/devices/system/node"


class NoNodesError(Exception):
    """There is no near and far here; the text says why."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One NUMA node, and its CPUs."""

    number: int
    cpus: frozenset[int]


class Nodes(msgspec.Struct, frozen=True, kw_only=True):
    """The GPU's own node, and the farthest other one that has both CPUs and memory."""

    near: Node
    far: Node


def nodes_of(address: str, root: Path = Path("/")) -> Nodes:
    """Return the nodes for a GPU.

    Nodes without CPUs are left out: they are memory of a GPU or behind CXL. Of several that are as far, the first.

    Args:
        address: Its PCI address as sysfs writes it.
        root: Where /sys is, for tests.

    Raises:
        NoNodesError: There is one node, or it is not known which is the GPU's.

    Source: Documentation/ABI/stable/sysfs-devices-node of the Linux kernel; `distance` is ACPI's SLIT, 10 for a node
    itself, in the order of the nodes that are online.
    """
    folder = root / _NODES
    online = _numbers(folder / "online")
    if online is None:
        raise NoNodesError("the kernel shows no NUMA nodes in /sys")
    memory = _numbers(folder / "has_memory")
    cpus = {number: _numbers(folder / f"node{number}/cpulist") or [] for number in online}
    whole = [number for number in online if cpus[number] and (memory is None or number in memory)]
    if len(whole) < 2:
        raise NoNodesError("this machine has one NUMA node")
    near = _node_of(root / "sys/bus/pci/devices" / address / "numa_node")
    if near not in whole:
        raise NoNodesError(f"the GPU's NUMA node {near} has no CPUs or no memory of its own")
    distances = _distances(folder / f"node{near}/distance", online)
    far = max((number for number in whole if number != near), key=lambda number: (distances.get(number, 0), -number))
    return Nodes(
        near=Node(number=near, cpus=frozenset(cpus[near])),
        far=Node(number=far, cpus=frozenset(cpus[far])),
    )


def _node_of(path: Path) -> int:
    text = _text(path)
    if text is None:
        raise NoNodesError(f"{path.name} of the GPU cannot be read in /sys, so its NUMA node is not known")
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise NoNodesError(f"/sys does not say which NUMA node the GPU is on (numa_node is {text[:20]})")
    return int(text)


def _distances(path: Path, online: list[int]) -> dict[int, int]:
    words = (_text(path) or "").split()
    if len(words) != len(online) or not all(word.isdigit() for word in words):
        return {}
    return dict(zip(online, map(int, words), strict=True))


def _numbers(path: Path) -> list[int] | None:
    """Return the numbers of a list like `0-3,8`, None if the file cannot be read or is no such list."""
    text = _text(path)
    if text is None or not re.fullmatch(r"(\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*)?", text):
        return None
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return sorted(found)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
