"""Gather the device nodes under /dev, and open each for reading and writing as a CUDA program does.

Opening a node does nothing to the card, but on one that fell off the bus it may not return. So looking (`gather`)
and opening (`open_nodes`) are apart: the caller can hand in an opener that does it in a child process.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.device_nodes import DeviceNode, DeviceNodes
from cudadoctor.gpu.child import Reporter
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.root import Root

Opener = Callable[[Sequence[str]], Mapping[str, "str | None"]]
"""Takes paths; gives the errno's name of each that failed, None where it was opened. A path left out was not tried."""

_NODE = re.compile(r"nvidiactl|nvidia\d{1,3}|nvidia-uvm|nvidia-modeset|dxg")
_OPEN_FLAGS = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


def open_nodes(paths: Sequence[str]) -> dict[str, str | None]:
    """Open each path read-write and close it at once; return the errno's name of each failure, None for success."""
    return {path: _open(path) for path in paths}


def _open(path: str) -> str | None:
    try:
        os.close(os.open(path, _OPEN_FLAGS))
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, f"errno {error.errno}")
    return None


def work(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Open each of `paths` and send how that ended: the child's side of an opener that cannot hang its caller."""
    for path in arguments["paths"]:
        with reporter.step(f"open {path}"):
            reporter.send("opened", path=path, error=_open(path))


@never_raises
def gather(root: Root, opener: Opener | None = open_nodes) -> DeviceNodes | Missing:
    """Gather the device nodes section.

    Args:
        root: The machine's files.
        opener: Opens the nodes of this machine; None leaves them closed.
    """
    if root.system != "Linux":
        return Missing(f"{root.system} has no /dev/nvidia nodes")
    names = root.listdir("/dev")
    if isinstance(names, Missing):
        return names
    paths = [f"/dev/{name}" for name in sorted(names, key=_order) if _NODE.fullmatch(name)]
    errors = _errors(root, paths, opener)
    owners = _names(root, "/etc/passwd"), _names(root, "/etc/group")
    return DeviceNodes(nodes=tuple(_node(root, path, errors[path], *owners) for path in paths), source="/dev")


def _order(name: str) -> tuple[bool, int, str]:
    """Sort nvidia2 before nvidia10, and the others before both."""
    number = name.removeprefix("nvidia")
    return (number.isdigit(), int(number) if number.isdigit() and len(number) <= 9 else 0, name)


def _errors(root: Root, paths: Sequence[str], opener: Opener | None) -> dict[str, Fact[str | None]]:
    if not root.is_live:
        return dict.fromkeys(paths, Missing("--sysroot: not opened"))
    if opener is None:
        return dict.fromkeys(paths, Missing("it was not asked to be opened"))
    try:
        opened = opener(paths) if paths else {}
    except Exception as error:  # noqa: BLE001 - an opener that fails is a fact about the nodes, not about this section
        return dict.fromkeys(paths, Missing(f"opening it failed: {error}"))
    return {
        path: Known(opened[path], "open(O_RDWR)") if path in opened else Missing("opening it did not come to an end")
        for path in paths
    }


def _node(root: Root, path: str, error: Fact[str | None], users: dict[int, str], groups: dict[int, str]) -> DeviceNode:
    found = root.stat(path)
    if isinstance(found, Missing):
        return DeviceNode(path=path, mode="", owner="", error=error)
    owner = f"{users.get(found.st_uid, found.st_uid)}:{groups.get(found.st_gid, found.st_gid)}"
    return DeviceNode(path=path, mode=stat.filemode(found.st_mode), owner=owner, error=error)


def _names(root: Root, path: str) -> dict[int, str]:
    """Return the names by number; read from the file, because the system's own look-up may ask a network."""
    text = root.read(path)
    names: dict[int, str] = {}
    for line in () if isinstance(text, Missing) else text.splitlines():
        fields = line.split(":")
        if len(fields) >= 3 and fields[2].isascii() and fields[2].isdigit() and len(fields[2]) <= 10:
            names.setdefault(int(fields[2]), fields[0])
    return names
