"""What to measure: which kinds of copy, on which device, how large and how often."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Missing
from cudadoctor.facts.pci import Pci

KEYS = ("h2d_pinned", "d2h_pinned", "h2d_pageable", "d2h_pageable", "d2d_local")
"""What can be measured, in the order in which it is."""

DEFAULT_SIZE_BYTES = 512 * 2**20


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run on one device.

    `device` is CUDA's index, which CUDA_VISIBLE_DEVICES and CUDA's own order decide, or a UUID or its beginning.
    `pageable_copies` make one sample of pageable copies, which are slow; `copies` one of the others. Sizes become
    smaller where memory is short or the link is slow, and the results say so.
    """

    device: int | str = 0
    keys: tuple[str, ...] = KEYS
    size_bytes: int = DEFAULT_SIZE_BYTES
    samples: int = 3
    copies: int = 16
    pageable_copies: int = 4


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """A plan, and what is known of the PCI bus, from which the expected rate follows."""

    plan: Plan = Plan()
    pci: Pci | Missing = Missing("the PCI bus was not read")
