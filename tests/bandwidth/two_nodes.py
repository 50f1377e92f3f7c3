"""The measurement's child on a machine whose memory is said to be wherever it was asked to be."""

from __future__ import annotations

import os
from typing import Any

from cudadoctor.bandwidth import placement, task
from cudadoctor.gpu.child import Reporter

ASKED: dict[int, int] = {}


def prefer(address: int, size_bytes: int, node: int) -> str:
    ASKED[address] = node
    return ""


def pages_by_node(address: int, size_bytes: int) -> dict[int, int]:
    return {ASKED[address]: size_bytes // 4096} if ASKED[address] != int(os.environ.get("FULL_NODE", "-1")) else {7: 1}


def work(arguments: dict[str, Any], reporter: Reporter) -> None:
    placement.prefer, placement.pages_by_node = prefer, pages_by_node
    task.work(arguments, reporter)
