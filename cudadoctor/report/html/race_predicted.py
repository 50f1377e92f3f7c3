"""What a GPU would do, where there is none, as part of the page."""

from __future__ import annotations

from cudadoctor.facts.race import PredictedCard, Race
from cudadoctor.report.html.charts import Bar, Reference, Scale, bars_with_intervals
from cudadoctor.report.html.parts import Figure, Part, charts, numbers
from cudadoctor.report.race.predicted import (
    card_rows,
    epoch_of,
    measured_cpu,
    notes,
    range_of,
    why_nothing,
    winner_sentence,
)
from cudadoctor.report.race.words import us


def _us(value: float) -> str:
    return f"{us(value)} µs" if value else "0 µs"


_SCALE = Scale(label="µs a minibatch, predicted", show=_us, log=True, tick=lambda value: f"{value:g}")
_WAYS = {"copied": "as most people write it", "graph": "a graph of fused kernels", "persistent": "one kernel an epoch"}


def predicted_parts(race: Race) -> list[Part]:
    """Return the predictions with the CPU's time among them; nothing for a race that has none."""
    rows = card_rows(race)
    title = "What a GPU would do (predicted, not measured)"
    if not rows:
        return [Part(title=title, lead=(f"{why_nothing(race)}.",))] if race.not_predicted else []
    cpu = measured_cpu(race)
    bars = [_bar(each) for row in rows for each in (row.copied, row.best) if each is not None]
    references = [] if cpu is None else [Reference(cpu.us, f"{cpu.lane}, measured")]
    chart = bars_with_intervals("Predicted time of a minibatch", bars, _SCALE, references=references)
    cells = [
        (
            row.card,
            "-" if row.best is None else _WAYS[row.best.style],
            range_of(row.copied),
            epoch_of(row.copied, race),
            range_of(row.best),
            epoch_of(row.best, race),
        )
        for row in rows
    ]
    if cpu is not None:
        cells.append((f"{cpu.lane}, measured", "-", range_of(cpu), epoch_of(cpu, race), "-", "-"))
    heads = ("card", "at its best", "as most people write it, µs", "an epoch", "at its best, µs", "an epoch")
    table = numbers("Predicted from data sheets, µs a minibatch", heads, cells, texts=2)
    figure = Figure(title="", charts=charts(chart), notes=tuple(notes(race)), tables=(table,))
    told = winner_sentence(race)
    return [Part(title=title, lead=(told,) if told else (), figures=(figure,))]


def _bar(card: PredictedCard) -> Bar:
    return Bar(
        label=f"{card.card}, {_WAYS[card.style]}",
        value=card.us,
        interval=(card.low_us, card.high_us),
        style=1 if card.style == "copied" else 0,
    )
