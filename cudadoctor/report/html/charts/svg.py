"""SVG elements as text. All text and every attribute is escaped here, and nowhere else."""

from __future__ import annotations

from xml.etree import ElementTree

import msgspec

from cudadoctor.text import printable

CHARACTER = 7.3
"""Width of a character of chart text, in units of the drawing: 12 units high, in the widest of common fonts."""


class Svg(msgspec.Struct, frozen=True):
    """A finished drawing. Templates take it as it is, by `__html__`; `description` says in words what it shows."""

    markup: str
    title: str
    description: str

    def __html__(self) -> str:
        """Return the markup."""
        return self.markup


class Drawing:
    """A drawing in the making, `width` by `height` units, that scales with the page."""

    def __init__(self, width: float, height: float, title: str, description: str) -> None:
        self.title, self.description = printable(title), printable(description)
        size = f"0 0 {_number(width)} {_number(height)}"
        self._root = ElementTree.Element("svg", {"viewBox": size, "role": "img", "class": "chart"})
        ElementTree.SubElement(self._root, "title").text = self.title
        ElementTree.SubElement(self._root, "desc").text = self.description

    def add(self, tag: str, text: str = "", *, told: str = "", **attributes: str | float) -> None:
        """Add one element.

        Args:
            tag: Its name.
            text: What stands in it.
            told: What a pointer that rests on it shows.
            attributes: By name; `kind` stands for `class`, and `_` for `-`.
        """
        named = {("class" if name == "kind" else name.replace("_", "-")): value for name, value in attributes.items()}
        element = ElementTree.SubElement(self._root, tag, {name: _value(value) for name, value in named.items()})
        if told:
            ElementTree.SubElement(element, "title").text = printable(told)
        if text:
            element.text = printable(text)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Add a straight line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, kind=kind)

    def finished(self) -> Svg:
        """Return the drawing."""
        return Svg(ElementTree.tostring(self._root, encoding="unicode"), self.title, self.description)


def path_of(points: list[tuple[float, float]]) -> str:
    """Return the path that joins the points."""
    return "M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in points)


def fitted(text: str, width: float) -> str:
    """Return the text, with its end left out where it is wider than that many units."""
    text = printable(text)
    most = max(4, int(width / CHARACTER))
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _value(value: str | float) -> str:
    return printable(value) if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
