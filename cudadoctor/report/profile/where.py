"""Where the time goes: the parts of a step and of the whole run of one GPU, which sum to the wall time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cudadoctor.facts.profile import Analysis, Breakdown, Part
from cudadoctor.report.bandwidth.names import wrapped
from cudadoctor.report.profile.words import IDLE_NAMES, ms, scale
from cudadoctor.text import printable
from cudadoctor.units import format_percent

_BAR_MOST = 40
_LABEL = 35
_LEAST = 0.0005
"""Parts below this share are not shown."""
_ALIKE = 0.05


_WHEN = {"idle": "idle", "before": "before", "after": "after"}


class Column(NamedTuple):
    """One breakdown: what it is of, its parts in milliseconds by label, and what they sum to.

    `parts` are the program's own; `tracer_ms` comes on top of them, and `wall_ms` is all.
    """

    title: str
    parts: dict[str, float]
    own_ms: float
    tracer_ms: float
    wall_ms: float


COMPUTES, RESIDUAL = "GPU computes", "not explained"
OWN, TRACER, WALL = "= in all, without the tracer", "the tracer", "= in all, as it was traced"


def columns(analysis: Analysis, device: int) -> list[Column]:
    """Return a GPU's breakdown of a steady step, where steps were found, and that of the whole run."""
    made = []
    for window, found in (("steady", analysis.steady), ("whole", analysis.whole)):
        breakdown = next((each for each in found if each.device == device), None)
        if breakdown is None or breakdown.wall_ms <= 0:
            continue
        if window == "steady" and analysis.steps.found_by != "none":
            made.append(_column("a step", breakdown, max(1, analysis.steps.count)))
        else:
            made.append(_column("the whole run" if window == "whole" else "first to last work", breakdown, 1))
    return made


def _column(title: str, breakdown: Breakdown, count: int) -> Column:
    parts: dict[str, float] = {}
    tracer = 0.0
    for part in breakdown.parts:
        if part.kind == "tracer":
            tracer += part.ms / count
        else:
            label = label_of(part)
            parts[label] = parts.get(label, 0.0) + part.ms / count
    parts[RESIDUAL] = breakdown.residual_ms / count
    wall = breakdown.wall_ms / count
    return Column(title, parts, wall - tracer, tracer, wall)


def label_of(part: Part) -> str:
    """Return what a part is called; all kernels are one."""
    if part.kind == "kernels":
        return COMPUTES
    if part.kind == "copies":
        return f"GPU copies: {part.name}"
    told = IDLE_NAMES.get(part.name, part.name)
    return f"{_WHEN.get(part.kind, part.kind)}: {told}"


def labels(made: Sequence[Column]) -> list[str]:
    """Return the labels of all parts: what the GPU does, then what it waits for, the largest first, then the rest."""
    found = {label: None for column in made for label in column.parts}
    order = (COMPUTES, "GPU copies", *_WHEN.values())

    def key(label: str) -> tuple[int, list[float]]:
        group = next((place for place, start in enumerate(order) if label.startswith(start)), len(order))
        return group, [-column.parts.get(label, 0.0) for column in made]

    return [*sorted((label for label in found if label != RESIDUAL), key=key), RESIDUAL]


def where_lines(analysis: Analysis, width: int) -> list[str]:
    """Return the breakdown of the busiest GPU, and a line for each other one."""
    devices = used_devices(analysis)
    made = columns(analysis, devices[0]) if devices else []
    if not made:
        return []
    numbers = [_Numbers(column) for column in made]
    bar = max(0, min(_BAR_MOST, width - _LABEL - sum(each.wide for each in numbers) - 1))
    title = f"where the time goes{f', GPU {devices[0]}' if len(devices) > 1 else ''}"
    lines = [f"{title:{_LABEL + bar + 1}}{''.join(f'{each.column.title:>{each.wide}}' for each in numbers)}"]
    most = max(made[0].parts.values())

    def line(label: str, length: int, cells: Iterable[str]) -> str:
        return f"  {printable(label):{_LABEL - 3}.{_LABEL - 3}} {'#' * length:{bar}} {''.join(cells)}"[:width].rstrip()

    for label in shown_labels(made):
        length = round(bar * max(0.0, made[0].parts.get(label, 0.0) / most)) if most > 0 else 0
        lines.append(line(label, length, (each.cell(each.column.parts.get(label)) for each in numbers)))
    lines.append(line(OWN, 0, (each.cell(each.column.own_ms) for each in numbers)))
    if any(column.tracer_ms > 0 for column in made):
        lines.append(line(TRACER, 0, (each.cell(each.column.tracer_ms, False) for each in numbers)))
        lines.append(line(WALL, 0, (each.cell(each.column.wall_ms, False) for each in numbers)))
    for sentence in (untraced_sentence(analysis), *(other_sentence(analysis, device) for device in devices[1:])):
        lines += wrapped(sentence, width, "  ") if sentence else []
    return lines


def untraced_step_ms(analysis: Analysis) -> float | None:
    """Return what a step takes untraced in the mean, None where nothing was predicted of it."""
    return next((each.now_ms for each in analysis.what_ifs if each.scope == "step"), None)


def untraced_sentence(analysis: Analysis) -> str:
    """Return what a step takes untraced, where the host was not as fast there as in the run that is taken apart."""
    host_time = 1.0 if analysis.replay is None else analysis.replay.host_time
    now = untraced_step_ms(analysis)
    if now is None or abs(host_time - 1) < _ALIKE:
        return ""
    speed = "slower" if host_time < 1 else "faster"
    return f"These are times of the traced run, in which the host was {speed}: untraced, a step takes {ms(now)}."


def used_devices(analysis: Analysis) -> tuple[int, ...]:
    """Return the GPUs that there is a breakdown of, the busiest first."""
    found = [each.device for each in (*analysis.steady, *analysis.whole)]
    return tuple(dict.fromkeys([*(device for device in analysis.devices if device in found), *found]))


def shown_labels(made: Sequence[Column]) -> list[str]:
    """Return the labels of the parts that are not next to nothing, and of the residual."""
    return [
        label
        for label in labels(made)
        if label == RESIDUAL or any(abs(column.parts.get(label, 0.0)) >= _LEAST * column.own_ms for column in made)
    ]


class _Numbers:
    """Writes the figures of one column."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self.wide = max(18, len(column.title) + 2)
        self._factor, self._unit, self._digits = scale(column.wall_ms)

    def cell(self, ms: float | None, shared: bool = True) -> str:
        if ms is None:
            return " " * self.wide
        share = format_percent(round(ms / self.column.own_ms, 3) + 0.0) if shared and self.column.own_ms > 0 else ""
        shown = f"{round(ms * self._factor, self._digits) + 0.0:.{self._digits}f} {self._unit}"
        return f"{shown:>{self.wide - 8}}{share:>8}"


def other_sentence(analysis: Analysis, device: int) -> str:
    """Return what a GPU that is not the busiest does, in one line."""
    made = columns(analysis, device)
    if not made:
        return f"GPU {device}: nothing was recorded."
    column = made[0]
    sums = {"computes": COMPUTES, "copies": "GPU copies", "is idle": "idle"}
    told = []
    for word, start in sums.items():
        total = sum(value for label, value in column.parts.items() if label.startswith(start))
        told.append(f"{word} {format_percent(total / column.own_ms if column.own_ms > 0 else 0.0)}")
    return f"GPU {device}, of {column.title}: {', '.join(told)}."
