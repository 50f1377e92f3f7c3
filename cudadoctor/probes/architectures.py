"""Which compute capabilities a toolkit compiles for: from a table, and for a toolkit newer than that from its ptxas."""

from __future__ import annotations

import os
import re

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.probes.programs import outputs
from cudadoctor.probes.root import Root, shown
from cudadoctor.tables import TABLE_DATE, architectures_of
from cudadoctor.tables.support import dotted

_PTXAS = ("bin/ptxas", "cuda_nvcc/bin/ptxas", "bin/ptxas.exe", "cuda_nvcc/bin/ptxas.exe")
_PTXAS_LIMIT_S = 2.0


def architectures(root: Root, folder: str, version: Fact[str]) -> Fact[tuple[str, ...]]:
    """Return the compute capabilities, lowest first.

    A program is started only where the table cannot tell, and only on this machine.

    Args:
        root: The machine's files.
        folder: The toolkit's root.
        version: The toolkit version.
    """
    if isinstance(version, Missing):
        return version
    row = architectures_of(version.value)
    if row is not None:
        return Known(row.capabilities, f"table of {TABLE_DATE} ({row.source})")
    ptxas = next((path for name in _PTXAS if root.is_file(path := os.path.join(folder, *name.split("/")))), None)
    if ptxas is None or not root.is_live:
        return Missing(f"the table of {TABLE_DATE} does not have toolkit {version.value}")
    return _told_by(ptxas)


def _told_by(ptxas: str) -> Fact[tuple[str, ...]]:
    """Start a ptxas with `--help` and nothing else; it lists the architectures."""
    text = outputs({"ptxas": (ptxas, "--help")}, limit_s=_PTXAS_LIMIT_S)["ptxas"]
    if isinstance(text, Missing):
        return text
    numbers = {int(number) for number in re.findall(r"'sm_(\d{2,4})'", text)}
    if not numbers:
        return Missing(f"{shown(ptxas)} --help names no architecture")
    return Known(tuple(dotted(number) for number in sorted(numbers)), f"{shown(ptxas)} --help")
