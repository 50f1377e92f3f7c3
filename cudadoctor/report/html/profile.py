"""A profiled program as parts of the page: where its time goes, what would be gained, its timeline, its tables."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.facts.profile import Analysis, Profile
from cudadoctor.report.html.charts import Bar, Scale, Stack, bars_with_intervals, stacked_bar
from cudadoctor.report.html.parts import Figure, Part, Row, Table, charts, numbers
from cudadoctor.report.html.profile_timeline import timeline_figures
from cudadoctor.report.profile import rows
from cudadoctor.report.profile.ran import other_notes, probe_sentence, ran_rows
from cudadoctor.report.profile.rows import Listed
from cudadoctor.report.profile.where import (
    COMPUTES,
    OWN,
    RESIDUAL,
    TRACER,
    WALL,
    Column,
    columns,
    other_sentence,
    shown_labels,
    untraced_sentence,
    used_devices,
)
from cudadoctor.report.profile.words import ms, scale
from cudadoctor.report.race.surroundings import clock_lines
from cudadoctor.units import format_percent

_MOST_ROWS = 60
_DRAWN, _COLOURS, _REST = 0.02, 5, "smaller parts"
_PERCENT = Scale(label="% of the time", show=lambda value: f"{value:.3g} %", tick=lambda value: f"{value:g}")


def profile_parts(profile: Profile) -> list[Part]:
    """Return the profile, the answer's evidence first and how it was come by last."""
    analysis = profile.analysis
    if analysis is not None and not analysis.used_gpu:
        return [_how(profile)]
    parts = []
    if analysis is not None:
        parts += [
            Part(title="Where the time goes", figures=tuple(_where(analysis))),
            Part(title="What would be gained", figures=tuple(_gains(analysis))),
        ]
    parts.append(Part(title="Timeline", figures=tuple(timeline_figures(profile.timeline))))
    if analysis is not None:
        parts.append(Part(title="What ran", figures=tuple(_tables(analysis))))
    parts.append(_how(profile))
    return [part for part in parts if part.figures]


def _where(analysis: Analysis) -> list[Figure]:
    figures = []
    devices = used_devices(analysis)
    for device in devices[:1]:
        made = columns(analysis, device)
        labels = shown_labels(made)
        large = _largest(made, labels)
        small = [label for label in labels if label not in large]
        stacks = [
            Stack(
                label=f"{each.title}, {ms(each.own_ms)}",
                parts=(
                    *((label, 100 * _share(each, label)) for label in labels if label in large and label != RESIDUAL),
                    (_REST, 100 * sum(_share(each, label) for label in small)),
                    (RESIDUAL, 100 * _share(each, RESIDUAL)),
                ),
                whole=100.0,
            )
            for each in made
        ]
        drawn = charts(stacked_bar("Where the time goes", stacks, _PERCENT, rest=RESIDUAL))
        heads = ["part", *(head for each in made for head in (each.title, "share"))]
        cells = [[label, *(text for each in made for text in _cells(each, each.parts.get(label)))] for label in labels]
        cells.append([OWN, *(text for each in made for text in _cells(each, each.own_ms))])
        for label, values in ((TRACER, [each.tracer_ms for each in made]), (WALL, [each.wall_ms for each in made])):
            pairs = zip(made, values, strict=True)
            cells.append([label, *(text for each, value in pairs for text in (_cells(each, value)[0], ""))])
        notes = [
            "Each moment belongs to one part. An idle GPU is charged to what the host did meanwhile; before and after "
            "mean before the first work of the GPU and after its last."
        ]
        notes += [text for text in [untraced_sentence(analysis)] if text]
        notes += [other_sentence(analysis, other) for other in devices[1:]]
        title = f"GPU {device}, the busiest" if len(devices) > 1 else ""
        figures.append(
            Figure(title=title, charts=drawn, notes=tuple(notes), tables=(numbers("Parts of the time", heads, cells),))
        )
    return figures


def _largest(made: Sequence[Column], labels: Sequence[str]) -> set[str]:
    """Return the parts that get a colour of their own: the largest ones, and the residual."""
    shares = {label: max(_share(each, label) for each in made) for label in labels if label not in (COMPUTES, RESIDUAL)}
    order = sorted((label for label in shares if shares[label] >= _DRAWN), key=lambda label: -shares[label])
    return {COMPUTES, *order[:_COLOURS], RESIDUAL}


def _share(column: Column, label: str) -> float:
    return column.parts.get(label, 0.0) / column.own_ms if column.own_ms > 0 else 0.0


def _cells(column: Column, value: float | None) -> tuple[str, str]:
    if value is None:
        return "-", "-"
    factor, unit, digits = scale(column.wall_ms)
    share = format_percent(round(value / column.own_ms, 3) + 0.0) if column.own_ms > 0 else "-"
    return f"{round(value * factor, digits) + 0.0:.{digits}f} {unit}", share


def _gains(analysis: Analysis) -> list[Figure]:
    listed = rows.what_ifs(analysis)
    if not listed.rows:
        return []
    bars = [
        Bar(
            label=each.cause,
            value=100 * each.saved_ms / each.now_ms,
            interval=(100 * each.low_ms / each.now_ms, 100 * each.high_ms / each.now_ms),
            style=0 if each.fits else 7,
        )
        for each in rows.ordered(analysis)
        if each.now_ms > 0
    ]
    chart = bars_with_intervals("What each cause costs, predicted", bars, _PERCENT)
    notes = [
        "Predicted: the recorded run is played again without one cause. Savings do not add up. Each range holds the "
        "noise, the error of the replay, and what fixes differ by.",
        *(f"{note}." for note in rows.what_if_notes(analysis)),
    ]
    table = _table(listed)
    return [Figure(title="", charts=charts(chart), notes=tuple(notes), tables=(table,))]


def _tables(analysis: Analysis) -> list[Figure]:
    figures = []
    for listed, texts in (
        (rows.lines(analysis, _MOST_ROWS), 3),
        (rows.kernels(analysis, _MOST_ROWS), 1),
        (rows.copies(analysis, _MOST_ROWS), 1),
        (rows.calls(analysis, _MOST_ROWS), 1),
    ):
        if listed.rows:
            notes = (_sentence(listed.left_out),) if listed.left_out else ()
            title = f"{listed.title[:1].upper()}{listed.title[1:]}"
            figures.append(Figure(title=title, notes=notes, tables=(_table(listed, texts),)))
    return figures


def _table(listed: Listed, texts: int = 1) -> Table:
    made: list[Row | Sequence[str]] = list(listed.rows)
    return numbers(listed.title, ("", *listed.heads), made, texts=texts)


def _how(profile: Profile) -> Part:
    table = numbers("How it was run", ("", "what was seen"), ran_rows(profile), texts=2, folds=False)
    told = [f"Probed: {probe_sentence(probe)}." for probe in profile.probes]
    told += [_sentence(" ".join(" ".join(clock_lines(profile)).split()))] if profile.readings else []
    told += [_sentence(note) for note in other_notes(profile)]
    return Part(title="How it was run", figures=(Figure(title="", notes=tuple(told), tables=(table,)),))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
