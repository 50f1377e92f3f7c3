"""Why a race came out as it did: the ladder, where the time goes, break-even, what else mattered, what to change."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cudadoctor.attribution.causes import Judgement, judge
from cudadoctor.facts.explanation import BreakEven, BreakEvenPoint, Decomposition, Explanation, Line, Rung
from cudadoctor.facts.race import Race
from cudadoctor.report.html.charts import Bar, Reference, Scale, Series, Stack, bars_with_intervals, curve, stacked_bar
from cudadoctor.report.html.parts import Figure, Part, Row, charts, numbers
from cudadoctor.report.race.ladder import how_good, prediction_of, without_effect
from cudadoctor.report.race.surroundings import UNITS, break_even_lines, clock_lines, cpu_lines, neighbour_line
from cudadoctor.report.race.why import as_told, on_gpu, verdict
from cudadoctor.report.race.words import ADVICE, IDLE_WORDS, error, us

_COMPUTES, _COPIES, _RESIDUAL = "the GPU computes", "the GPU copies", "not explained"
_MODEL_POINTS = 40
_BEGINNING = re.compile(r"(?:^|(?<=\. ))[a-z](?=[a-z]*[ ,:]|reak-even)")


def _us(value: float) -> str:
    return f"{us(value)} µs" if value else "0 µs"


_LADDER = Scale(label="µs a minibatch", show=_us, log=True, tick=lambda value: f"{value:g}")
_SUM = Scale(label="µs a minibatch", show=_us, tick=lambda value: f"{value:g}")


def why_parts(race: Race) -> list[Part]:
    """Return the explanation; nothing for a race that was not explained."""
    explanation = race.explanation
    if explanation is None:
        return []
    judgement = judge(race)
    figures = [*_ladder(explanation), *_where(race, explanation, judgement)]
    for found in explanation.break_even:
        figures += _break_even(found)
    told = verdict(race)
    parts = [Part(title="Why", lead=(told,) if told else (), figures=(*figures, *_around(race, explanation)))]
    return [*parts, *_advice(judgement)]


def _ladder(explanation: Explanation) -> list[Figure]:
    if not explanation.rungs:
        return []
    measured = [rung for rung in explanation.rungs if rung.median_us is not None]
    bars = [
        Bar(
            label=f"{rung.id} {rung.lane if rung.device == 'cpu' else _without(rung)}",
            value=rung.median_us or 0.0,
            interval=None if rung.low_us is None or rung.high_us is None else (rung.low_us, rung.high_us),
            style=0 if rung.device.startswith("gpu") else 1,
        )
        for rung in measured
    ]
    cpu = min((rung for rung in measured if rung.device == "cpu"), key=lambda rung: rung.median_us or 0.0, default=None)
    references = [] if cpu is None else [Reference(cpu.median_us or 0.0, cpu.lane)]
    chart = bars_with_intervals("The ladder: what each rung does without", bars, _LADDER, references=references)
    first = next((rung for rung in measured if rung.device.startswith("gpu") and rung.median_us), None)
    rows = [_rung_row(rung, first, explanation) for rung in explanation.rungs]
    heads = ("rung", "without", "µs", "95 % interval", "factor", "predicted")
    notes = ["A rung is named after what it does without and the one before still had. 95 % intervals of the median."]
    notes += [f"Factor: times as fast as {first.id}. {how_good(explanation)}".strip()] if first else []
    notes += without_effect(explanation.rungs)
    if any(rung.changes_training for rung in explanation.rungs):
        notes.append("*: trains on other minibatches, so it learns something else.")
    for rung in explanation.rungs:
        if rung.state != "measured":
            notes.append(f"{rung.id} was {rung.state}: {rung.reason or 'no reason was given'}.")
    table = numbers("The ladder", heads, rows, texts=2)
    return [Figure(title="The ladder", charts=charts(chart), notes=tuple(notes), tables=(table,))]


def _without(rung: Rung) -> str:
    return f"{rung.removes or rung.lane}{'*' if rung.changes_training else ''}"


def _rung_row(rung: Rung, first: Rung | None, explanation: Explanation) -> tuple[str, ...]:
    interval = "-" if rung.low_us is None or rung.high_us is None else f"{us(rung.low_us)} to {us(rung.high_us)}"
    factor = f"{first.median_us / rung.median_us:.2f}" if first and first.median_us and rung.median_us else "-"
    prediction = prediction_of(explanation, rung)
    if prediction is None:
        told = "-"
    elif prediction.bound:
        told = f"at least {us(prediction.predicted_us)}"
    else:
        told = f"{us(prediction.predicted_us)} ± {error(prediction.error_us)}"
    time = us(rung.median_us) if rung.state == "measured" else rung.state
    return (rung.id, _without(rung), time, interval, factor, told)


def _where(race: Race, explanation: Explanation, judgement: Judgement | None) -> list[Figure]:
    """Return where the time of a minibatch goes, the judged rung first; the parts of each sum to its wall time."""
    own = judgement.decomposition if judgement is not None else None
    judged = None if own is None else as_told(race, own)
    made = [each for each in explanation.decompositions if judged is None or each.rung != judged.rung]
    made = [judged, *made] if judged is not None else made
    if not made:
        return []
    sums = [_sums(each) for each in made]
    names = list(dict.fromkeys(name for parts in sums for name in parts if name != _RESIDUAL))
    stacks = [
        Stack(
            label=f"{each.rung} {each.lane}",
            parts=tuple((name, parts.get(name, 0.0)) for name in [*names, _RESIDUAL]),
            whole=each.wall_us,
        )
        for each, parts in zip(made, sums, strict=True)
    ]
    rows = [(name, *(f"{parts[name]:.1f}" if name in parts else "-" for parts in sums)) for name in [*names, _RESIDUAL]]
    rows.append(("wall time, without any timer", *(f"{each.wall_us:.1f}" for each in made)))
    notes = [
        f"{each.rung}: played again, the recorded calls take {us(each.replayed_us)} µs; the timers that recorded them "
        f"made a minibatch {each.dilation:.2f} times as long."
        for each in made[:1]
    ]
    if any(parts[_RESIDUAL] < 0 for parts in sums):
        notes.append("Where more was explained than there was, what is not explained is negative, and not drawn.")
    table = numbers("Parts of a minibatch, µs", ("part", *(each.rung for each in made)), rows)
    chart = stacked_bar("Where a minibatch goes", stacks, _SUM, rest=_RESIDUAL)
    return [
        Figure(title="Where the time of a minibatch goes", charts=charts(chart), notes=tuple(notes), tables=(table,))
    ]


def _sums(made: Decomposition) -> dict[str, float]:
    """Return the parts by what the GPU does, or waits for; all kernels are one part, and all copies."""
    sums: dict[str, float] = {}
    for part in made.parts:
        if part.kind == "idle":
            name = f"waits: {IDLE_WORDS.get(part.name, part.name)}"
        else:
            name = _COMPUTES if part.kind == "kernels" else _COPIES
        sums[name] = sums.get(name, 0.0) + part.us
    return sums | {_RESIDUAL: made.residual_us}


def _break_even(found: BreakEven) -> list[Figure]:
    unit = UNITS[found.variable]
    points = sorted([*found.points, *found.checks], key=lambda point: point.value)
    fitted = bool(found.points) and bool(found.cpu.fixed_us or found.cpu.each_us)
    lanes = (
        (found.cpu_lane, [(float(point.value), point.cpu_us) for point in points], found.cpu),
        (found.gpu_lane, [(float(point.value), point.gpu_us) for point in points], found.gpu),
    )
    series = [
        Series(name=name, points=tuple(measured), model=_model(measured, line) if fitted else ())
        for name, measured, line in lanes
    ]
    thresholds = [] if found.at is None else [Reference(found.at, f"about {found.at:.0f}")]
    label = "rows in a minibatch" if unit == "rows" else unit
    across = Scale(label=label, show=lambda value: f"{value:.0f}", log=True, base=2)
    chart = curve(f"Break-even over {unit}", series, across, _LADDER, thresholds=thresholds)
    tested = {id(point) for point in found.checks}
    rows = [_point_row(point, id(point) in tested) for point in points]
    heads = (unit, found.cpu_lane, found.gpu_lane, "won", "predicted")
    table = numbers("µs a minibatch", heads, rows)
    notes = (_sentence(_joined(break_even_lines(found))),)
    return [
        Figure(title=f"Break-even over {label}", charts=charts(chart), notes=notes, tables=(table,) if rows else ())
    ]


def _model(measured: Sequence[tuple[float, float]], line: Line) -> tuple[tuple[float, float], ...]:
    sizes = [size for size, _ in measured if size > 0]
    if not sizes:
        return ()
    low, high = min(sizes), max(sizes)
    steps = (low * (high / low) ** (place / _MODEL_POINTS) for place in range(_MODEL_POINTS + 1))
    return tuple((size, line.fixed_us + line.each_us * size) for size in steps)


def _point_row(point: BreakEvenPoint, tested: bool) -> tuple[str, ...]:
    predicted = (point.predicted_winner or "-") if tested else "-"
    return (f"{point.value}", us(point.cpu_us), us(point.gpu_us), point.winner or "neither", predicted)


def _around(race: Race, explanation: Explanation) -> list[Figure]:
    notes = [_joined(clock_lines(explanation)), neighbour_line(race)] if on_gpu(race) else []
    notes += [_joined(cpu_lines(explanation.cpu))] if explanation.cpu is not None else []
    notes += explanation.notes
    told = tuple(_sentence(note) for note in notes)
    return [Figure(title="What else mattered", notes=told)] if told else []


def _advice(judgement: Judgement | None) -> list[Part]:
    if judgement is None or not judgement.causes:
        return []
    rows: list[Row | Sequence[str]] = [
        (cause.id, f"{100 * cause.share:.0f} % of the time, {cause.confidence}", "\n".join(ADVICE.get(cause.id, ())))
        for cause in judgement.causes[:3]
    ]
    table = numbers("What to change", ("cause", "costs", "what helps"), rows, texts=3)
    return [Part(title="What to change in your own code", figures=(Figure(title="", tables=(table,)),))]


def _sentence(text: str) -> str:
    """Return a text whose sentences begin with capitals; names of lanes, which have a hyphen, stay as they are."""
    return _BEGINNING.sub(lambda match: match[0].upper(), text)


def _joined(lines: Sequence[str]) -> str:
    return " ".join(" ".join(lines).split())
