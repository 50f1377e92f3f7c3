"""What still serves a card that current software has dropped: the last of driver, toolkit, numba and PyTorch."""

from __future__ import annotations

import msgspec

from cudadoctor.tables.reader import legend, numbers, rows
from cudadoctor.tables.support import capability_support

_SERVED = (7, 5)
"""From Turing on nothing has ended."""


class LastVersions(msgspec.Struct, frozen=True, kw_only=True):
    """The newest versions that serve one compute capability; None where none does, or where it is not known.

    `cuda` is the newest toolkit that compiles for the card and whose PTX the driver branch understands. `python` is the
    newest Python of that numba.
    """

    compute_capability: str
    driver_branch: int
    cuda: str
    numba: str | None
    python: str | None
    pytorch: str | None
    source: str


def last_versions(compute_capability: str) -> LastVersions | None:
    """Return what last served a compute capability (`3.5`); None for one that is served, or not in the tables."""
    wanted = numbers(compute_capability)
    support = capability_support(compute_capability)
    if len(wanted) != 2 or wanted >= _SERVED or support is None or support.last_driver_branch is None:
        return None
    fitting = [row for row in rows("old_cards.tsv") if numbers(row[0]) <= wanted]
    _, cuda, numba, python, pytorch, key = fitting[-1]
    return LastVersions(
        compute_capability=compute_capability,
        driver_branch=support.last_driver_branch,
        cuda=cuda,
        numba=numba or None,
        python=python or None,
        pytorch=pytorch or None,
        source=legend("old_cards.tsv")[key],
    )
