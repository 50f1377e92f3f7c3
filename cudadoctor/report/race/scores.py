"""How well each lane knows each digit of the test set."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.facts.race import Lane

_MOST_BY_DIGIT = 3
_WIDTHS = {"precision": 9, "recall": 6, "f1": 6}


def score_lines(lanes: Sequence[Lane]) -> list[str]:
    """Return scores by digit: precision, recall and f1 of one or two lanes, f1 alone of three; of more, accuracies."""
    if len(lanes) > _MOST_BY_DIGIT:
        width = max(len(lane.name) for lane in lanes)
        lines = [f"{lane.name:{width}}  {_ratio(lane.test_accuracy, 4)}" for lane in lanes]
        return ["accuracy on the test set", *lines]
    names = tuple(_WIDTHS) if len(lanes) <= 2 else ("f1",)
    width = max(*(len(lane.name) for lane in lanes), sum(_WIDTHS[name] + 1 for name in names) - 1)
    lines = [
        _row("on the", "test set", [f"{lane.name:>{width}}" for lane in lanes]),
        _row("digit", "support", [_cell({name: name for name in names}, width)] * len(lanes)),
    ]
    for number, score in enumerate(lanes[0].digits):
        cells = [_cell({name: _ratio(getattr(lane.digits[number], name)) for name in names}, width) for lane in lanes]
        lines.append(_row(str(score.digit), f"{score.support:,d}", cells))
    total = sum(score.support for score in lanes[0].digits)
    accuracies = [f"{_ratio(lane.test_accuracy, 4):>{width}}" for lane in lanes]
    return [*lines, _row("accuracy", f"{total:,d}", accuracies)]


def _row(first: str, second: str, cells: Sequence[str]) -> str:
    return f"{first:>8} {second:>8}" + "".join(f"  {cell}" for cell in cells)


def _cell(values: dict[str, str], width: int) -> str:
    """Return values under each other's names, at the right of a lane's column."""
    return " ".join(f"{value:>{_WIDTHS[name]}}" for name, value in values.items()).rjust(width)


def _ratio(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
