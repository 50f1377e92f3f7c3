"""What a GPU would do, where there is none: predictions from data sheets beside what the CPU was measured to take."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from cudadoctor.attribution.circumstances import cpu_lane
from cudadoctor.facts.race import Lane, PredictedCard, Race
from cudadoctor.report.bandwidth.names import duration
from cudadoctor.report.race.words import WIDTH, us, wrapped
from cudadoctor.text import listed, printable

TITLE = "what a GPU would do (predicted from data sheets; no GPU was measured here)"


class CardRow(NamedTuple):
    """One card, as most people write the program and at its best; None is what is not predicted."""

    card: str
    copied: PredictedCard | None
    best: PredictedCard | None


class Measured(NamedTuple):
    """The fastest CPU lane: microseconds a minibatch, and those of its fastest and slowest epoch."""

    lane: str
    us: float
    low_us: float
    high_us: float


def predicted_lines(race: Race) -> list[str]:
    """Return the table in 80 columns, who would win, and what the ranges mean; nothing where nothing was predicted."""
    rows = card_rows(race)
    if not rows:
        return wrapped(f"{why_nothing(race)}.") if race.not_predicted else []
    lines = [
        TITLE,
        f"{'µs a minibatch;':20}{'as most people':>19} {'an':>8} {'at its best':>20} {'an':>8}",
        f"{'range':20}{'write it':>19} {'epoch':>8} {'':>20} {'epoch':>8}",
    ]
    lines += [line for row in rows for line in _line(row.card, row.copied, row.best, race)]
    cpu = measured_cpu(race)
    if cpu is not None:
        lines += _fitted(f"{printable(cpu.lane)}, measured", f"{range_of(cpu):>19} {epoch_of(cpu, race):>8}")
    told = [winner_sentence(race)]
    if any(row.best is not None and row.best.style == "persistent" for row in rows):
        told.append("*: one kernel an epoch. It does not run on the others: for them, fused kernels in a CUDA graph.")
    return lines + [line for sentence in (*told, *notes(race)) for line in wrapped(sentence)]


def winner_sentence(race: Race) -> str:
    """Return who would win, which is predicted; "" where there is nothing to compare."""
    rows, cpu = card_rows(race), measured_cpu(race)
    if not rows or cpu is None:
        return ""
    ways = (("as most people write it", [row.copied for row in rows]), ("at its best", [row.best for row in rows]))
    return f"Predicted, not measured: {'; '.join(f'{way}, {_who(cards, cpu)}' for way, cards in ways)}."


def notes(race: Race) -> list[str]:
    """Return what the figures rest on, a sentence each."""
    rows = card_rows(race)
    if not rows:
        return []
    told = []
    if len(rows) > 1 and len({row.copied.us for row in rows if row.copied is not None}) == 1:
        told.append("As most people write it, the host decides by its launches and copies, and not the card.")
    told.append("The ranges hold the hosts that were measured, and what is assumed of cards that were not.")
    own = sorted({each.card for each in race.predicted if each.reproduced})
    if own:
        told.append(
            f"Reproduced and not predicted: {listed(own, len(own))}, on which the model's constants were measured."
        )
    return told


def why_nothing(race: Race) -> str:
    """Return why nothing is predicted, without its full stop."""
    return f"What a GPU would do is not predicted: {race.not_predicted}"


def card_rows(race: Race) -> list[CardRow]:
    """Return the predictions, a row for each card."""
    by_card: dict[str, dict[bool, PredictedCard]] = {}
    for each in race.predicted:
        by_card.setdefault(each.card, {})[each.style == "copied"] = each
    return [CardRow(card, told.get(True), told.get(False)) for card, told in by_card.items()]


def measured_cpu(race: Race) -> Measured | None:
    """Return the fastest CPU lane that finished, None if none did."""
    lane = cpu_lane(race)
    if lane is None or race.minibatches_per_epoch <= 0:
        return None
    low, middle, high = _seconds(lane)
    return Measured(lane.name, *(1e6 * each / race.minibatches_per_epoch for each in (middle, low, high)))


def _seconds(lane: Lane) -> tuple[float, float, float]:
    seconds = [epoch.seconds for epoch in lane.epochs]
    return min(seconds), median(seconds), max(seconds)


def _who(cards: Sequence[PredictedCard | None], cpu: Measured) -> str:
    """Return which cards would be faster than the CPU; a range that holds the CPU's time decides nothing."""
    told = [card for card in cards if card is not None]
    if not told:
        return "nothing is predicted"
    faster = [card.card for card in told if card.high_us < cpu.low_us]
    slower = [card.card for card in told if card.low_us > cpu.high_us]
    open_ = [card.card for card in told if card.card not in (*faster, *slower)]
    if len(faster) == len(told):
        return f"each of these GPUs beats {cpu.lane}"
    if len(slower) == len(told):
        return f"{cpu.lane} beats each of these GPUs"
    if len(open_) == len(told):
        return f"it is open whether {cpu.lane} or the GPU wins"
    parts = [f"{listed(faster, len(faster))} {'beats' if len(faster) == 1 else 'beat'} {cpu.lane}"] if faster else []
    parts += [f"{cpu.lane} beats {listed(slower, len(slower))}"] if slower else []
    parts += [f"for {listed(open_, len(open_))} it is open"] if open_ else []
    return ", ".join(parts)


def range_of(time: PredictedCard | Measured | None) -> str:
    """Return `432 (219 to 601)`, `-` for what is not known."""
    return "-" if time is None else f"{us(time.us)} ({us(time.low_us)} to {us(time.high_us)})"


def epoch_of(time: PredictedCard | Measured | None, race: Race) -> str:
    """Return what an epoch takes."""
    return "-" if time is None else duration(time.us * 1e-6 * race.minibatches_per_epoch)


def _line(name: str, copied: PredictedCard | None, best: PredictedCard | None, race: Race) -> list[str]:
    mark = "*" if best is not None and best.style == "persistent" else " "
    return _fitted(
        printable(name),
        f"{range_of(copied):>19} {epoch_of(copied, race):>8} {range_of(best):>20} {epoch_of(best, race):>8}{mark}",
    )


def _fitted(name: str, figures: str) -> list[str]:
    """Return a row, or what of it fits into lines if a file has names or figures that nobody foresaw."""
    row = f"{name:20}{figures}".rstrip()
    return [row] if len(row) <= WIDTH else wrapped(row, hang="  ")
