"""Figures of some cards as they are published, for predictions: nothing here was measured."""

from __future__ import annotations

import msgspec

from cudadoctor.tables.reader import legend, rows


class PublishedCard(msgspec.Struct, frozen=True, kw_only=True):
    """What data sheets say of one card. `gflop_per_s` is FP32 at the boost clock; None is what was not found."""

    name: str
    year: int
    chip: str
    multiprocessors: int
    boost_mhz: float
    gflop_per_s: float
    memory_gb_per_s: float
    pcie_generation: int | None
    pcie_width: int | None
    source: str


def published_cards() -> tuple[PublishedCard, ...]:
    """Return all cards of the table, the oldest first."""
    keys = legend("published_cards.tsv")
    return tuple(
        PublishedCard(
            name=name,
            year=int(year),
            chip=chip,
            multiprocessors=int(multiprocessors),
            boost_mhz=float(mhz),
            gflop_per_s=float(gflop),
            memory_gb_per_s=float(memory),
            pcie_generation=int(generation) if generation else None,
            pcie_width=int(width) if width else None,
            source=keys[key],
        )
        for name, year, chip, multiprocessors, mhz, gflop, memory, generation, width, key in rows("published_cards.tsv")
    )


def published_card(name: str) -> PublishedCard | None:
    """Return a card by its name, None where the table does not have it."""
    return next((card for card in published_cards() if card.name == name), None)
