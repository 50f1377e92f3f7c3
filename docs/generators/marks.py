"""Pages that are written by hand but for a part between two marks, which is generated."""

from __future__ import annotations

import re


def fill(page: str, mark: str, text: str) -> str:
    """Return the page with what stands between `<!-- MARK -->` and `<!-- end -->` made anew."""
    block = f"<!-- {mark} -->\n{text.strip()}\n<!-- end -->"
    page, count = re.subn(rf"<!-- {re.escape(mark)} -->\n.*?<!-- end -->", lambda _: block, page, flags=re.S)
    if count != 1:
        raise ValueError(f"the page has {count} places for {mark}, not one")
    return page
