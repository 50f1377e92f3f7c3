"""Build the site into docs/_site/html; a warning is an error, and so is anything that a page would load from elsewhere.

`python docs/build_site.py`; exits with 1 if something is wrong.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

DOCS = Path(__file__).parent
SITE = DOCS / "_site"

_LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
_LOADS |= {"embed": "src", "object": "data", "use": "href"}
_ELSEWHERE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
_IN_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?\s*(?:https?:)?//[^\s"')]*""", re.IGNORECASE)


class _Page(HTMLParser):
    """Collects what a browser would fetch from another host; links that a reader follows are none of it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one tag."""
        told = {name: value or "" for name, value in attrs}
        address = told.get(_LOADS.get(tag, ""), "")
        if tag == "link" and told.get("rel", "") not in ("next", "prev", "index", "search", "canonical", "author"):
            address = told.get("href", "")
        if _ELSEWHERE.match(address):
            self.found.append(address)
        self.found += [part for part in told.get("srcset", "").split(",") if _ELSEWHERE.match(part)]
        self.found += _IN_STYLE.findall(told.get("style", ""))
        self._in_style = tag == "style"

    def handle_data(self, data: str) -> None:
        """Look at style sheets in the page."""
        if self._in_style:
            self.found += _IN_STYLE.findall(data)

    def handle_endtag(self, tag: str) -> None:
        """Leave a style sheet."""
        self._in_style = False


def loaded_from_elsewhere(name: str, text: str) -> list[str]:
    """Return what a page, a style sheet or a picture would load from another host."""
    if name.endswith(".css"):
        return _IN_STYLE.findall(text)
    page = _Page()
    page.feed(text)
    page.close()
    return page.found


def main() -> int:
    """Build, and look at what was built."""
    from sphinx.cmd.build import build_main

    html = SITE / "html"
    options = ["-q", "-W", "--keep-going", "-n", "-j", "auto", "-d", str(SITE / "doctrees")]
    failed = build_main([*options, str(DOCS), str(html)])
    for path in sorted(html.rglob("*")):
        if path.suffix in (".html", ".css", ".svg"):
            for address in loaded_from_elsewhere(path.name, path.read_text(encoding="utf-8")):
                print(f"{path.relative_to(html)}: loads {address}")
                failed = 1
    if not failed:
        print(f"{sum(1 for _ in html.rglob('*.html'))} pages in {html.relative_to(DOCS.parent)}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
