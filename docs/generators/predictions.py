"""The tables of predictions in the-2014-mystery.md, and how far off they were against measurements.md."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median
from typing import NamedTuple

from cudadoctor.attribution import of_2014
from cudadoctor.attribution.cards import H100, CardModel, Range, predicted_us
from cudadoctor.dbn.network import Network
from cudadoctor.dbn.other_cards import best_style
from cudadoctor.tables.published_cards import PublishedCard, published_card, published_cards
from generators.marks import fill

MEASUREMENTS = Path(__file__).parents[1] / "measurements.md"


class Error(NamedTuple):
    """One prediction beside what was measured, microseconds a minibatch."""

    what: str
    told: Range
    measured: tuple[float, ...]

    @property
    def error(self) -> float:
        """How far the prediction is off, as a part of the median of what was measured."""
        return self.told.value / median(self.measured) - 1


def filled(page: str) -> str:
    """Return a page with the tables between its marks made anew."""
    for name, table in (("constants", _constants), ("errors", _errors), ("reproduced", _reproduced), ("cards", _cards)):
        page = fill(page, f"predicted: {name}", table())
    return page


def errors() -> list[Error]:
    """Return the predictions that something was measured to test: the host's part on two cards, and 2014's style."""
    reference = _card(H100.card)
    per_operation = predicted_us(reference, "per-operation", reference)
    return [
        Error("H100, `gpu-per-operation`, 8 races on 3 hosts", per_operation, _epochs(_lanes_on_h100())),
        Error("H100, `gpu-per-operation` in the ladder, another host", per_operation, (_rung("R4"),)),
        Error(
            "H200, `gpu-per-operation`, 2 races",
            predicted_us(_card("H200 SXM"), "per-operation", reference),
            _epochs(_found(r"gpu-per-operation ([\d.]+) s; in a second run [\d.]+ and ([\d.]+)\.")),
        ),
        Error(
            "H100, `--style 2014` without gnumpy's Python",
            of_2014.predicted_2014_us(reference, H100.launch_us, Range(0.0, 0.0, 0.0)),
            _epochs(_found(r"`dbn-race --style 2014`, one epoch: ([\d.]+) s")),
        ),
    ]


def reproduced() -> list[Error]:
    """Return what the model gives back of its own constants: no test of it."""
    card = _card(H100.card)
    return [
        Error("`gpu-copied`", predicted_us(card, "copied", card), (_rung("R1"),)),
        Error("`gpu-graph`", predicted_us(card, "graph", card), (_rung("R6"),)),
        Error(
            "`gpu-graph`, minibatches of 1,024",
            predicted_us(card, "graph", card, batch_size=1024),
            (_rung("R8x16"),),
        ),
        Error(
            "`gpu-persistent`",
            predicted_us(card, "persistent", card),
            tuple(float(each) for each in _found(r"\*\*([\d.]+)\*\* \(median of 12 epochs")),
        ),
    ]


def shown(range_: Range) -> str:
    """Return a range as the page writes it, with three digits that count."""
    return "{} ({} to {})".format(*map(_digits, (range_.value, range_.low, range_.high)))


def _constants() -> str:
    model: CardModel = H100
    rows = (
        (
            "a launch, on the host",
            shown(model.launch_us),
            "a small kernel alone; ends: races of 15 launches on all hosts",
        ),
        (
            "gathering, copying and reading back a minibatch, on the host",
            shown(model.copying_us),
            "`gpu-copied` without its 14 launches; ends: its interval, and other hosts as their launches",
        ),
        ("a graph of this project's fused kernels", shown(model.graph_us), "R6 of the ladder"),
        ("one kernel an epoch", shown(model.persistent_us), "12 epochs"),
        (
            "part of the arithmetic peak, this project's fused kernels",
            _percent(model.arithmetic),
            "measured with minibatches of 1,024 (R8x16); ends: assumed",
        ),
        ("part of the memory's peak", _percent(model.memory), "0.89 measured for copies; the rest assumed"),
        ("cycles of the persistent kernel on another chip, times", _plain(model.other_chip), "assumed"),
        (
            "and where only one minibatch fits into a block, times",
            _plain(model.one_buffer),
            "at most the cycles again that hide the fetch",
        ),
    )
    return _table(("constant", "µs a minibatch, or as said", "where it is from"), rows)


def _errors() -> str:
    rows = [
        (each.what, shown(each.told), _spread(each.measured), f"{each.error:+.0%}".replace("%", " %"))
        for each in errors()
    ]
    return _table(("", "predicted, µs a minibatch", "measured", "error of the value"), rows)


def _reproduced() -> str:
    rows = [(each.what, shown(each.told), _spread(each.measured)) for each in reproduced()]
    return _table(("H100", "the model, µs a minibatch", "measured"), rows)


def _cards() -> str:
    reference = _card(H100.card)
    rows = []
    for card in published_cards():
        style, buffers = best_style(card, Network())
        told = [shown(predicted_us(card, each, reference)) for each in ("copied", "per-operation", "graph")]  # type: ignore[arg-type]
        own = shown(predicted_us(card, "persistent", reference, buffers=buffers)) if style == "persistent" else "-"
        rows.append((card.name, *told, own))
    heads = ("card", "as most people write it, µs", "one kernel an operation", "as a graph", "one kernel an epoch")
    return _table(heads, rows)


def _table(heads: tuple[str, ...], rows: object) -> str:
    lines = [heads, ("---",) * len(heads), *rows]  # type: ignore[misc]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines).replace(" --- ", "---")


def _lanes_on_h100() -> tuple[str, ...]:
    text = MEASUREMENTS.read_text(encoding="utf-8").partition("### `cudadoctor dbn-race --epochs 10`")[2]
    return tuple(re.findall(r"^\| [ABC][ ,|].*? \| \d \| [\d.]+ \| ([\d.]+) \|", text.partition("\n###")[0], re.M))


def _found(pattern: str) -> tuple[str, ...]:
    match = re.search(pattern, MEASUREMENTS.read_text(encoding="utf-8"))
    assert match is not None, f"measurements.md has no {pattern}"
    return match.groups()


def _rung(id: str) -> float:
    return float(_found(rf"\| {id} \| \S+ \| ([\d.]+) \|")[0])


def _epochs(seconds: tuple[str, ...]) -> tuple[float, ...]:
    return tuple(1e6 * float(each) / of_2014.MINIBATCHES for each in seconds)


def _spread(measured: tuple[float, ...]) -> str:
    if len(measured) == 1:
        return _digits(measured[0])
    return f"{_digits(min(measured))} to {_digits(max(measured))}, median {_digits(median(measured))}"


def _digits(us: float) -> str:
    return f"{us:,.0f}" if us >= 99.95 else f"{us:.1f}" if us >= 9.995 else f"{us:.2f}"


def _percent(part: Range) -> str:
    return "{:g} % ({:g} to {:g})".format(*(100 * each for each in (part.value, part.low, part.high)))


def _plain(factor: Range) -> str:
    return f"{factor.value:g} ({factor.low:g} to {factor.high:g})"


def _card(name: str) -> PublishedCard:
    found = published_card(name)
    assert found is not None, name
    return found
