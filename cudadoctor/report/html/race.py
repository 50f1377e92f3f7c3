"""A race as parts of the page: how each lane learned, how long its epochs took, how well it reads digits."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.facts.race import Epoch, Lane, Race
from cudadoctor.report.bandwidth.names import duration
from cudadoctor.report.html.charts import Bar, Scale, Series, bars_with_intervals, curve
from cudadoctor.report.html.parts import Figure, Part, Row, Table, charts, group, numbers
from cudadoctor.report.race import data_line, network_line, seconds_per_epoch
from cudadoctor.units import format_seconds


def race_parts(race: Race) -> list[Part]:
    """Return the race: its course first, then what each lane came to."""
    lead = [
        f"{data_line(race.data, race.training_samples, race.test_samples)}.",
        f"{network_line(race.layers, race.batch_size, race.minibatches_per_epoch, race.seed)}.",
    ]
    lead += [f"{lane.name} did not start: {lane.reason}." for lane in race.skipped]
    lead += [f"{lane.name}: {lane.state}: {lane.reason}." for lane in race.lanes if lane.state != "finished"]
    figures = [*_times(race.lanes), *_learning(race.lanes), *_digits(race.lanes)]
    return [Part(title="The race", lead=tuple(lead), figures=tuple(figures))]


def _times(lanes: Sequence[Lane]) -> list[Figure]:
    bars, rows = [], []
    for style, lane in enumerate(lanes):
        typical = seconds_per_epoch(lane)
        if typical is None:
            continue
        seconds = [epoch.seconds for epoch in lane.epochs]
        extremes = (min(seconds), max(seconds))
        bars.append(Bar(label=f"{lane.name}, {lane.device_name}", value=typical, interval=extremes, style=style))
        compiled = "-" if lane.compile_seconds is None else duration(lane.compile_seconds)
        figures = [duration(value) for value in (typical, *extremes, sum(seconds))]
        rows.append((lane.name, lane.device_name, *figures, compiled))
    if not bars:
        return []
    heads = ("lane", "device", "median", "fastest", "slowest", "all epochs", "compiling")
    scale = Scale(label="time of an epoch", show=_seconds)
    chart = bars_with_intervals("Time of an epoch", bars, scale)
    notes = ["Median over the epochs, with the fastest and the slowest. Compiling is never inside an epoch."]
    notes += [f"{lane.name}: {note}." for lane in lanes for note in lane.notes]
    table = numbers("Time of an epoch", heads, rows, texts=2)
    return [Figure(title="How long an epoch took", charts=charts(chart), notes=tuple(notes), tables=(table,))]


def _learning(lanes: Sequence[Lane]) -> list[Figure]:
    run = [lane for lane in lanes if lane.epochs]
    if not run:
        return []
    across = Scale(label="epoch", show=_figure, from_zero=False, tight=True, whole=True)
    drawn = charts(
        curve("Loss", [_series(lane, "loss") for lane in run], across, Scale(label="loss, nats", show=_figure)),
        curve("Error", [_series(lane, "err") for lane in run], across, Scale(label="err, fraction", show=_figure)),
        curve(
            "Time of each epoch", [_series(lane, "seconds") for lane in run], across, Scale(label="time", show=_seconds)
        ),
    )
    note = (
        "Loss is cross-entropy per case, err the fraction of training cases that were misclassified; both are running "
        "averages over the epoch."
    )
    return [Figure(title="Epoch by epoch", charts=drawn, notes=(note,), tables=(_epochs(run),))]


def _series(lane: Lane, field: str) -> Series:
    points = tuple((float(epoch.epoch), getattr(epoch, field)) for epoch in lane.epochs)
    return Series(name=lane.name, points=points)


def _epochs(lanes: Sequence[Lane]) -> Table:
    heads = ["epoch", *(f"{lane.name}: {field}" for lane in lanes for field in ("loss", "err", "time"))]
    by_epoch: list[dict[int, Epoch]] = [{epoch.epoch: epoch for epoch in lane.epochs} for lane in lanes]
    rows = []
    for number in sorted({number for found in by_epoch for number in found}):
        cells = [str(number)]
        for found in by_epoch:
            epoch = found.get(number)
            told = ("-", "-", "-")
            if epoch is not None:
                told = (_six(epoch.loss), _six(epoch.err), duration(epoch.seconds))
            cells += told
        rows.append(cells)
    return numbers("Epochs", heads, rows)


def _digits(lanes: Sequence[Lane]) -> list[Figure]:
    scored = [lane for lane in lanes if lane.digits]
    if not scored:
        return []
    heads = ("digit", "cases", "precision", "recall", "f1")
    rows: list[Row | Sequence[str]] = []
    for lane in scored:
        accuracy = "unknown" if lane.test_accuracy is None else f"{lane.test_accuracy:.4f}"
        rows.append(group(f"{lane.name}: accuracy {accuracy}", len(heads)))
        for score in lane.digits:
            ratios = ["-" if value is None else f"{value:.3f}" for value in (score.precision, score.recall, score.f1)]
            rows.append((str(score.digit), f"{score.support:,}", *ratios))
    return [Figure(title="On the test set", tables=(numbers("Scores of each digit", heads, rows),))]


def _six(value: float | None) -> str:
    return "nan" if value is None else f"{value:.6f}"


def _figure(value: float) -> str:
    return f"{value:.4g}"


def _seconds(value: float) -> str:
    return "0 s" if value == 0 else format_seconds(value) if value > 0 else f"{value:.3g} s"
