"""What a browser makes of a page, as far as the tests ask: its elements, their text, and what it would fetch."""

from __future__ import annotations

from html.parser import HTMLParser

import msgspec

VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})
_FETCHED = ("src", "srcset", "data", "poster", "background", "xlink:href", "action", "formaction")


class Element(msgspec.Struct):
    """One element: its tag, its attributes, and the text directly or indirectly in it."""

    tag: str
    attributes: dict[str, str]
    pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Page(HTMLParser):
    """A page that was read; reading fails on a tag that is closed wrongly or never."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(source)
        self.close()
        assert not self._open, [element.tag for element in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, tag
        assert self._open[-1].tag == tag, (tag, self._open[-1].tag)
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.pieces.append(data)

    def all(self, tag: str, kind: str = "") -> list[Element]:
        """Return the elements of a tag, and of a class where one is given."""
        return [
            element
            for element in self.elements
            if element.tag == tag and (not kind or kind in element.attributes.get("class", "").split())
        ]

    @property
    def ids(self) -> list[str]:
        return [element.attributes["id"] for element in self.elements if "id" in element.attributes]

    @property
    def fetched(self) -> list[str]:
        """All addresses that a browser would fetch by itself."""
        found = [value for each in self.elements for name, value in each.attributes.items() if name in _FETCHED]
        found += [element.attributes.get("href", "") for element in self.all("link") + self.all("base")]
        return found + [text for text in ("@import", "url(") if text in self.all("style")[0].text]
