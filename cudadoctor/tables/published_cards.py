"""Figures of some cards as they are published, for predictions: nothing here was measured."""

from __future__ import annotations

import msgspec

from cudadoctor.tables.reader import legend, numbers, rows


class PublishedCard(msgspec.Struct, frozen=True, kw_only=True):
    """What data sheets say of one card. `gflop_per_s` is FP32 at the boost clock; None is what was not found.

    `shared_bytes` is what one block can have of a multiprocessor's shared memory, by its compute capability.
    """

    name: str
    year: int
    chip: str
    compute_capability: tuple[int, int]
    shared_bytes: int
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
    shared = {capability: int(kib) * 1024 for capability, kib, _ in rows("shared_memory.tsv")}
    return tuple(
        PublishedCard(
            name=name,
            year=int(year),
            chip=chip,
            compute_capability=_capability(capability),
            shared_bytes=shared[capability],
            multiprocessors=int(multiprocessors),
            boost_mhz=float(mhz),
            gflop_per_s=float(gflop),
            memory_gb_per_s=float(memory),
            pcie_generation=int(generation) if generation else None,
            pcie_width=int(width) if width else None,
            source=keys[key],
        )
        for (name, year, chip, capability, multiprocessors, mhz, gflop, memory, generation, width, key) in rows(
            "published_cards.tsv"
        )
    )


def published_card(name: str) -> PublishedCard | None:
    """Return a card by its name, None where the table does not have it."""
    return next((card for card in published_cards() if card.name == name), None)


def _capability(text: str) -> tuple[int, int]:
    major, minor = numbers(text)
    return major, minor
