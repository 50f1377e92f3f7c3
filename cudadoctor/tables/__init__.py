"""Tables that probes and rules look up: cards, compute capabilities, driver releases. Each row knows its source.

They hold what a program of the machine would say if it were started (which architectures a toolkit's ptxas knows), and
grow old: print `TABLE_DATE` beside whatever comes from them.
"""

from cudadoctor.tables.cards import Card, pci_card
from cudadoctor.tables.drivers import (
    DriverMinimum,
    FamilyRule,
    cuda_version_of_driver_branch,
    family_minimum,
    minimum_driver,
)
from cudadoctor.tables.old_cards import LastVersions, last_versions
from cudadoctor.tables.reader import TABLE_DATE
from cudadoctor.tables.support import Architectures, Support, architectures_of, capability_support

__all__ = [
    "TABLE_DATE",
    "Architectures",
    "Card",
    "DriverMinimum",
    "FamilyRule",
    "LastVersions",
    "Support",
    "architectures_of",
    "capability_support",
    "cuda_version_of_driver_branch",
    "family_minimum",
    "last_versions",
    "minimum_driver",
    "pci_card",
]
