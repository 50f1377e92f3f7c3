"""Which GPU a PCI device id stands for."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from cudadoctor.tables.reader import read_bytes, rows
from cudadoctor.tables.support import architecture_of

_PCI_IDS = "pci.ids 2026.08.22"
_README = "README of open-gpu-kernel-modules 595.45.04"


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One PCI device id. `name` and `chip` are None where only the range of ids is known.

    `certainty` is `certain`, `likely` or `uncertain`, and is about the compute capability.
    """

    device_id: str
    name: str | None
    chip: str | None
    architecture: str
    compute_capability: str
    source: str
    certainty: str


@lru_cache(maxsize=32)
def pci_card(device_id: str) -> Card | None:
    """Return the card of a PCI device id in hex (`2330`, `0x2330`), or None where neither id nor range is known."""
    digits = device_id.strip().lower().removeprefix("0x").rjust(4, "0")
    try:
        number = int(digits, 16)
    except ValueError:
        return None
    return _listed(digits) or _in_range(digits, number)


def _listed(digits: str) -> Card | None:
    table = read_bytes("pci_ids.tsv")
    start = table.find(f"\n{digits}\t".encode("ascii", "replace"))
    if start < 0:
        return None
    line = table[start + 1 : table.index(b"\n", start + 1)].decode("utf-8")
    _, capability, chip, certainty, name_from, name = line.split("\t")
    return Card(
        device_id=digits,
        name=name or None,
        chip=chip,
        architecture=architecture_of(capability),
        compute_capability=capability,
        source=f"{_PCI_IDS}; name from the {_README}" if name_from == "N" else _PCI_IDS,
        certainty=certainty,
    )


def _in_range(digits: str, number: int) -> Card | None:
    for first, last, capability, certainty in rows("pci_ranges.tsv"):
        if int(first, 16) <= number <= int(last, 16):
            return Card(
                device_id=digits,
                name=None,
                chip=None,
                architecture=architecture_of(capability),
                compute_capability=capability,
                source=f"{_PCI_IDS}, ids {first} to {last}",
                certainty="likely" if certainty == "certain" else "uncertain",
            )
    return None
