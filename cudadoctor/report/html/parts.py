"""What a page is made of besides findings: parts with figures, and figures with a chart, a table or both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from cudadoctor.report.html.charts import Svg

Align = Literal["text", "number", "source"]
"""What a column holds: text, figures, or where the row comes from."""


class Cell(msgspec.Struct, frozen=True):
    """One cell: its text, how many columns it spans, and a state that is shown by colour and mark beside its word."""

    text: str
    span: int = 1
    state: str = ""

    @property
    def long(self) -> bool:
        """Whether a word of it may be broken anywhere: the name of a kernel would leave no room for its figures."""
        return any(len(word) > 24 for word in self.text.split())


class Row(msgspec.Struct, frozen=True):
    """One row; the first cell names it. A `heading` stands over the rows of a group."""

    cells: tuple[Cell, ...]
    heading: bool = False


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table; `heads` and `aligned` have one item a column. A long one is folded."""

    caption: str
    heads: tuple[str, ...]
    aligned: tuple[Align, ...]
    rows: tuple[Row, ...]
    folded: bool = False

    @property
    def stacks(self) -> bool:
        """Whether its cells may stand below each other on a narrow page: a few columns of text."""
        return len(self.heads) <= 3 and all(align != "number" for align in self.aligned)


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """Something to look at: charts side by side where there is room, then what they say, then the numbers."""

    title: str
    charts: tuple[Svg, ...] = ()
    notes: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the page. `lead` are sentences under its title."""

    title: str
    lead: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()


MOST_ROWS = 24
"""Rows of numbers that stand open below a chart; more are folded."""


def numbers(
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Row | Sequence[str]],
    *,
    texts: int = 1,
    folds: bool = True,
    sourced: bool = False,
) -> Table:
    """Return a table of figures.

    Args:
        caption: What it is called.
        heads: One a column.
        rows: Texts, or whole rows.
        texts: How many columns from the left hold text; the others are numbers and stand to the right.
        folds: Whether it is folded if it is long.
        sourced: The last column says where the row comes from.
    """
    made = tuple(row if isinstance(row, Row) else Row(tuple(Cell(text) for text in row)) for row in rows)
    aligned: tuple[Align, ...] = tuple("text" if place < texts else "number" for place in range(len(heads)))
    if sourced:
        aligned = (*aligned[:-1], "source")
    return Table(
        caption=caption, heads=tuple(heads), aligned=aligned, rows=made, folded=folds and len(made) > MOST_ROWS
    )


def group(title: str, columns: int) -> Row:
    """Return the row that stands over a group."""
    return Row((Cell(title, span=columns),), heading=True)


def charts(*drawn: Svg | None) -> tuple[Svg, ...]:
    """Return the charts that could be drawn."""
    return tuple(each for each in drawn if each is not None)
