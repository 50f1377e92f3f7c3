"""The outcome of planted programs as a table of plain text, and what it adds up to."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from tests.planted.measure import Outcome

HEADINGS = ("program", "expected", "said (confidence)", "predicted", "measured", "slow s", "fixed s", "verdict")


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def cells(row: Outcome) -> tuple[str, ...]:
    """Return one row's text."""
    spread = "" if row.low is None or row.high is None else f" ({100 * row.low:.0f} to {100 * row.high:.0f})"
    words = ", ".join(f"{id} ({confidence})" for id, confidence in row.said) or "nothing"
    return (
        row.name,
        row.expected or "nothing",
        "-" if row.verdict in ("skipped", "failed") else words,
        percent(row.predicted) + spread,
        percent(row.measured),
        seconds(row.slow_s),
        seconds(row.fixed_s),
        row.verdict + (f": {row.note}" if row.note else ""),
    )


def table(rows: Sequence[Outcome]) -> str:
    """Return the rows under their headings."""
    lines = [HEADINGS, *(cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def summary(rows: Sequence[Outcome]) -> str:
    """Say how many causes came first, which twins were accused, and how far savings were off."""
    ran = [row for row in rows if row.verdict not in ("skipped", "failed")]
    planted = [row for row in ran if row.expected and row.verdict != "not judged"]
    right = [row for row in planted if row.verdict == "ok"]
    twins = [row for row in ran if not row.expected]
    accused = [row.name for row in twins if row.verdict == "accused"]
    errors = [
        abs(row.predicted - row.measured) for row in right if row.predicted is not None and row.measured is not None
    ]
    without = sum(row.predicted is None for row in right)
    lines = [
        f"right cause first: {len(right)} of {len(planted)}",
        f"twins accused: {len(accused)} of {len(twins)}" + (f" ({', '.join(accused)})" if accused else ""),
    ]
    if errors:
        lines.append(
            f"savings: mean absolute error {100 * fmean(errors):.1f} points over {len(errors)} programs, "
            f"worst {100 * max(errors):.1f}" + (f"; {without} without a prediction" if without else "")
        )
    else:
        lines.append("savings: none predicted")
    of_fixed = [row for row in ran if row.said_of_fixed is not None]
    if of_fixed:
        still = [row.name for row in of_fixed if row.expected in dict(row.said_of_fixed or ())]
        healthy = sum(not row.said_of_fixed for row in of_fixed)
        lines.append(
            f"fixed programs accused of what was taken out: {len(still)} of {len(of_fixed)}"
            + (f" ({', '.join(still)})" if still else "")
            + f"; accused of nothing: {healthy}"
        )
    not_judged = sum(row.verdict == "not judged" for row in ran)
    failed = sum(row.verdict == "failed" for row in rows)
    skipped = sum(row.verdict == "skipped" for row in rows)
    lines.append(
        f"not judged: {not_judged}, failed: {failed}, skipped: {skipped}; {sum(row.seconds for row in rows):.0f} s"
    )
    return "\n".join(lines)
