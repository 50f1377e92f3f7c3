"""Device nodes under /dev, opened for reading and writing as a CUDA program opens them."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Section


class DeviceNode(msgspec.Struct, frozen=True, kw_only=True):
    """One node. `error` is None where it could be opened read-write, else the errno's name (`EACCES`, `EPERM`)."""

    path: str
    mode: str
    owner: str
    error: Fact[str | None]


class DeviceNodes(Section, frozen=True, kw_only=True):
    """The nodes that exist: nvidiactl, nvidia0.., nvidia-uvm, and dxg on WSL2."""

    nodes: tuple[DeviceNode, ...]
    source: str
