"""Tables of plain text that fit a width: the first column gives way, by leaving out the middle of long names."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.text import printable, shortened

_LEAST = 24


def table_lines(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return a table with a title over its first column; all other columns stand to the right.

    Columns from the right that leave too little room for the first are left out.

    Args:
        title: Of the first column.
        heads: Of the other columns.
        rows: One text for each column.
        width: Columns of the screen.
    """
    kept = len(heads)
    wide = [max([len(head), *(len(row[place]) for row in rows)]) for place, head in enumerate(heads, 1)]
    while kept > 1 and width - sum(each + 2 for each in wide[:kept]) < _LEAST + 2:
        kept -= 1
    first = width - sum(each + 2 for each in wide[:kept])
    longest = max([len(title), *(len(printable(row[0])) + 2 for row in rows)])
    first = max(_LEAST, min(first, longest))

    def line(name: str, cells: Sequence[str]) -> str:
        padded = "".join(f"  {printable(cell):>{each}}" for cell, each in zip(cells, wide[:kept], strict=False))
        return f"{shortened(name, first):{first}}{padded}"[:width].rstrip()

    return [line(title, heads), *(line(f"  {shortened(printable(row[0]), first - 2)}", row[1:]) for row in rows)]
