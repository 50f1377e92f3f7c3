"""What the race would take on cards that are not here: predictions from data sheets, for a machine without a GPU."""

from __future__ import annotations

from typing import Literal

from cudadoctor.attribution.cards import H100, MEASURED_BATCH, MEASURED_LAYERS, CardModel, Range, predicted_us
from cudadoctor.dbn.network import Network
from cudadoctor.dbn.persistent.plan import Plan, divide, why_not
from cudadoctor.facts.base import Missing
from cudadoctor.facts.race import PredictedCard
from cudadoctor.tables.published_cards import PublishedCard, published_card

SHOWN = ("GeForce GTX 1080", "Tesla T4", "GeForce RTX 3060", "GeForce RTX 4090", "A100 PCIe 40 GB", "H100 SXM")
"""A few that people know, from ten years of cards."""

Best = Literal["graph", "persistent"]
Told = Literal["copied", "graph", "persistent"]

_COOPERATIVE_SINCE = (6, 0)
"""Compute capability that takes cooperative launches: CUDA C++ Programming Guide, "Cooperative Groups"."""


def predicted(network: Network) -> tuple[PredictedCard, ...] | Missing:
    """Return what a minibatch would take on some cards: as most people write it, and at its best.

    Returns:
        Two predictions a card, or why there are none: the model holds for the network that it was measured with.
    """
    measured_with = "-".join(map(str, MEASURED_LAYERS))
    if network.layers != MEASURED_LAYERS or network.batch_size != MEASURED_BATCH or network.hidden != "relu":
        return Missing(
            f"the model of a GPU was measured with {measured_with} rectified units and minibatches of "
            f"{MEASURED_BATCH}, and holds for nothing else"
        )
    cards = [card for name in SHOWN if (card := published_card(name)) is not None]
    return tuple(_told(card, style, range_) for card in cards for style, range_ in _both(card, network))


def best_style(card: PublishedCard, network: Network) -> tuple[Best, int]:
    """Return the fastest way in which a card can train a network, and how many minibatches a block then holds."""
    plan = persistent_plan(card, network)
    return ("graph", 0) if isinstance(plan, Missing) else ("persistent", plan.buffers)


def persistent_plan(card: PublishedCard, network: Network) -> Plan | Missing:
    """Return how the persistent kernel would divide a network on a card, or why it cannot."""
    reason = why_not(
        network,
        multiprocessors=card.multiprocessors,
        shared_bytes=card.shared_bytes,
        capability=card.compute_capability,
        cooperative=card.compute_capability >= _COOPERATIVE_SINCE,
    )
    if reason is not None:
        return Missing(reason)
    return divide(network, multiprocessors=card.multiprocessors, shared_bytes=card.shared_bytes)


def predicted_best(card: PublishedCard, network: Network, reference: PublishedCard) -> tuple[Best, Range]:
    """Return the fastest way in which a card can train a network, and what a minibatch takes by it."""
    style, buffers = best_style(card, network)
    return style, predicted_us(card, style, reference, buffers=buffers)


def _both(card: PublishedCard, network: Network) -> list[tuple[Told, Range]]:
    reference = published_card(H100.card)
    if reference is None:
        return []
    return [("copied", predicted_us(card, "copied", reference)), predicted_best(card, network, reference)]


def _told(card: PublishedCard, style: Told, range_: Range, model: CardModel = H100) -> PredictedCard:
    own = card.name == model.card
    return PredictedCard(
        card=card.name,
        style=style,
        us=range_.value,
        low_us=range_.low,
        high_us=range_.high,
        source=model.source if own else f"data sheet: {card.source}; constants: {model.source}",
        reproduced=own,
    )
