"""PyTorch's own figures when memory runs out: whether the program itself holds what there is."""

from __future__ import annotations

import re
from typing import NamedTuple

_NUMBER = r"([\d.]{1,12}) ?(GiB|MiB|GB|MB)"
_OURS = (
    re.compile(rf"this process has {_NUMBER} memory in use", re.IGNORECASE),
    re.compile(rf"{_NUMBER} reserved in total by PyTorch", re.IGNORECASE),
    re.compile(rf"{_NUMBER} (?:is )?(?:already )?allocated(?:;| by PyTorch)", re.IGNORECASE),
)
_TOTAL = re.compile(rf"total capacity of {_NUMBER}|{_NUMBER} total capacity", re.IGNORECASE)
_UNUSED = re.compile(rf"{_NUMBER} is reserved by PyTorch but unallocated", re.IGNORECASE)
_FREE = re.compile(rf"{_NUMBER} (?:is )?free", re.IGNORECASE)
_MOST = 0.5
_OTHERS = 0.2
"""More than this part of a card is no context of the program's own, and no rounding."""
_FRAGMENTS = 0.1


class OwnMemory(NamedTuple):
    """What a program held of a card when it asked for more, GiB; `unused` of it was split into unfit pieces."""

    held: float
    total: float
    unused: float

    @property
    def sentence(self) -> str:
        """What that means, and what helps."""
        told = (
            f"The program itself holds {self.held:.3g} of the card's {self.total:.3g} GiB when it asks for more: "
            "nothing is broken. Let it need less (smaller batches, lower precision, no gradients where none are "
            "wanted), or run it on a larger card."
        )
        if self.unused >= _FRAGMENTS * self.total:
            told += (
                f" {self.unused:.3g} GiB of that lie idle in pieces that do not fit: try "
                "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True."
            )
        return told


def own_memory(text: str) -> OwnMemory | None:
    """Return what PyTorch says that the program holds, None where it says nothing, or that others hold the most."""
    total = _gib(_TOTAL, text)
    held = max((found for pattern in _OURS if (found := _gib(pattern, text)) is not None), default=None)
    if not total or held is None or not _MOST * total <= held <= 1.01 * total:
        return None
    free = _gib(_FREE, text)
    if free is not None and total - held - free > _OTHERS * total:
        return None
    return OwnMemory(held, total, _gib(_UNUSED, text) or 0.0)


def _gib(pattern: re.Pattern[str], text: str) -> float | None:
    """Return the last figure of that kind, the one of the failure that ended the program."""
    found = pattern.findall(text)
    if not found:
        return None
    number, unit = (group for group in found[-1] if group)
    try:
        return float(number) / (1024 if unit[0] in "mM" else 1)
    except ValueError:
        return None
