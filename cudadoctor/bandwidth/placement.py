"""Host memory on one NUMA node: asked for in two ways, and then looked up page by page, because asking is not having.

The kernel is asked to prefer the node for these pages (mbind), and the thread that touches them first runs on the
node's CPUs meanwhile. Containers often forbid one of the two; either is enough. The node is preferred and not required:
where it is full, the kernel takes another one, instead of killing a process, and the look at the pages tells.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from cudadoctor.bandwidth.nodes import Node
from cudadoctor.bandwidth.paging import fresh_words
from cudadoctor.bandwidth.patterns import Words

_ENOUGH = 0.99
"""The share of the pages that must be where they should be."""

# (mbind, move_pages), from unistd.h of the kernel; the C library has no functions for them.
_CALLS = {"x86_64": (237, 279), "aarch64": (235, 239)}
_MPOL_PREFERRED = 1
_MASK_BITS = 1024
_TOUCH_WORDS = 4096 // 8


class PlacementError(Exception):
    """Memory is not on the node, or nothing tells whether it is; the text says why."""


def place(node: Node, size_bytes: int) -> Words:
    """Return pageable memory that was touched, on a node; what this thread may run on is as it was before.

    Raises:
        PlacementError: It cannot be had there, or it cannot be found out where it is.
    """
    words = fresh_words(size_bytes)
    refused = prefer(words.ctypes.data, size_bytes, node.number)
    with _on_cpus(node.cpus) as not_run:
        if refused and not_run:
            raise PlacementError(
                f"memory cannot be asked of NUMA node {node.number}: mbind failed with {refused}, and running on its "
                f"CPUs with {not_run}, as in a container that is bound elsewhere"
            )
        words[::_TOUCH_WORDS] = 1
    found = pages_by_node(words.ctypes.data, size_bytes)
    total = sum(found.values())
    here = found.get(node.number, 0)
    if here < _ENOUGH * total or not total:
        raise PlacementError(
            f"of the memory that was asked of NUMA node {node.number}, {here} of {total} pages are there"
        )
    return words


def prefer(address: int, size_bytes: int, node: int) -> str:
    """Ask the kernel to take pages that were not touched yet from a node; return the error's name, "" if it will."""
    mask = (ctypes.c_ulong * (_MASK_BITS // (8 * ctypes.sizeof(ctypes.c_ulong))))()
    bits = 8 * ctypes.sizeof(ctypes.c_ulong)
    if node >= _MASK_BITS:
        return "EINVAL"
    mask[node // bits] = 1 << node % bits
    return _call(0, address, size_bytes, _MPOL_PREFERRED, ctypes.addressof(mask), _MASK_BITS + 1, 0)


def pages_by_node(address: int, size_bytes: int) -> dict[int, int]:
    """Return how many pages of touched memory are on each node; -1 stands for those that the kernel did not tell.

    Raises:
        PlacementError: Neither move_pages nor /proc/self/numa_maps tells.
    """
    page = mmap.PAGESIZE
    addresses = np.arange(address // page * page, address + size_bytes, page, dtype=np.uint64)
    nodes = np.full(addresses.size, -1, dtype=np.intc)
    # Without target nodes, move_pages moves nothing and says where each page is.
    refused = _call(1, 0, addresses.size, addresses.ctypes.data, 0, nodes.ctypes.data, 0)
    if not refused:
        numbers, counts = np.unique(np.maximum(nodes, -1), return_counts=True)
        return dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    try:
        text = Path("/proc/self/numa_maps").read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise PlacementError(
            f"on which NUMA node memory is cannot be found out: move_pages failed with {refused}, and "
            f"/proc/self/numa_maps cannot be read ({error.strerror})"
        ) from None
    return in_numa_maps(text, address)


def in_numa_maps(text: str, address: int) -> dict[int, int]:
    """Return the pages by node of the mapping that holds an address, as /proc/PID/numa_maps counts them.

    Source: numa(7), "/proc/pid/numa_maps".
    """
    best, found = -1, {}
    for line in text.splitlines():
        start, *words = line.split() or [""]
        with suppress(ValueError):
            if best < (first := int(start, 16)) <= address:
                best = first
                pairs = [word[1:].split("=") for word in words if word[0] == "N" and word[1:2].isdigit()]
                found = {int(node): int(pages) for node, pages in pairs}
    return found


@contextmanager
def _on_cpus(cpus: frozenset[int]) -> Iterator[str]:
    """Run this thread on these CPUs; yields the error's name where that is not allowed, else ""."""
    before = os.sched_getaffinity(0)
    refused = ""
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        refused = _name(error.errno or 0)
    try:
        yield refused
    finally:
        if not refused:
            os.sched_setaffinity(0, before)


def _call(which: int, *arguments: int) -> str:
    """Make a system call of `_CALLS`; return the error's name, "" if there was none."""
    numbers = _CALLS.get(platform.machine())
    if numbers is None:
        return "ENOSYS"
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    if library.syscall(ctypes.c_long(numbers[which]), *map(ctypes.c_ulong, arguments)) == 0:
        return ""
    return _name(ctypes.get_errno())


def _name(number: int) -> str:
    return errno.errorcode.get(number, f"error {number}")
