"""Cards by the names that people write: `RTX 3090`, `GeForce GTX 1080 Ti`, `V100`, `GT750M`."""

from __future__ import annotations

import re
from functools import lru_cache

from cudadoctor.tables.reader import rows

_SERIES = re.compile(
    r"\b(rtx|gtx|gts|gt|mx)[ -]?(?:titan[ -])?(a?\d{3,4}m?)(?:[ -]?(ti|super))?(?:[ -]?(m)(?:obile)?)?\b"
)
_OLD_SERIES = re.compile(r"\bgeforce (\d{4}m?) ?(gtx|gts|gt|gs|ultra)\b")
_LETTER = re.compile(r"\b(?:tesla|quadro|nvidia|rtx)[ -]([a-z]{1,2}\d{1,4}[a-z]?)(?:-\w+)?\b")
# Names that mean a card even without a brand before them.
_BARE = re.compile(
    r"(?<![\w./-])(a100|a10|a30|a40|a16|a6000|h100|h200|h800|gh200|b200|v100s?|t4|p100|p40|p4|k80|k40[mct]?|k20[mxc]?|"
    r"m60|m40|l4|l40s?)(?![\w.])"
)


def names_in(text: str) -> list[str]:
    """Return the cards that a lower-case text names, each as one word (`gtx1080ti`, `v100`)."""
    found = [
        "".join(part or "" for part in match.groups())
        for match in (*_SERIES.finditer(text), *_OLD_SERIES.finditer(text))
    ]
    found += [match[1] for match in _LETTER.finditer(text)]
    found += [match[1] for match in _BARE.finditer(text)]
    return found


def capability_of(name: str) -> str | None:
    """Return the compute capability of a name of `names_in`, None where it is unknown or stands for several."""
    known = _by_name()
    # A card of a laptop is listed under its desktop name, or with an M.
    return known.get(name) or known.get(name.removesuffix("m"))


@lru_cache(maxsize=1)
def _by_name() -> dict[str, str]:
    told: dict[str, set[str]] = {}
    for _, capability, *_, listed in rows("pci_ids.tsv"):
        for part in listed.lower().split(" / "):
            for name in names_in(part):
                told.setdefault(name, set()).add(capability)
    return {name: next(iter(found)) for name, found in told.items() if len(found) == 1}
