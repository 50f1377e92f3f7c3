"""The words of a text that mean something: a sign, the letters that must be there, and where needed a pattern.

The letters are searched in the whole text at once, in lower case; the pattern then judges the line (with the next one,
as terminals wrap) around them. They are data, and stand in `tables/signs.tsv`.
"""

from __future__ import annotations

import re

from cudadoctor.tables.reader import rows

ROWS = tuple(
    (sign, letters, re.compile(pattern[0]) if pattern else None) for sign, letters, *pattern in rows("signs.tsv")
)
"""Sign, letters, pattern. A sign may stand in several rows: any of them shows it."""
