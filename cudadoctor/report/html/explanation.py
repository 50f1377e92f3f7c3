"""The page of a finding (Markdown, as the rules write it) as blocks that a template shows."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

_PIECE = re.compile(r"`(?P<code>[^`\n]+)`|<(?P<link>https?://[^>\s]+)>")


class Piece(msgspec.Struct, frozen=True):
    """A piece of a line: plain text, code, or the address of a page elsewhere."""

    text: str
    kind: Literal["text", "code", "link"] = "text"


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A heading, a paragraph, a list or a block of commands. `lines` are paragraphs or items, of commands one text."""

    kind: Literal["heading", "paragraph", "list", "code"]
    lines: tuple[tuple[Piece, ...], ...]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A whole page."""

    id: str
    title: str
    blocks: tuple[Block, ...]


def explanation(id: str, page: str) -> Explanation:
    """Read a page: headings, paragraphs, lists of `-` and blocks between fences; the first heading is its title."""
    title, blocks = "", []
    paragraph: list[str] = []
    items: list[str] = []
    fence: list[str] | None = None

    def close() -> None:
        if paragraph:
            blocks.append(Block(kind="paragraph", lines=(pieces(" ".join(paragraph)),)))
        if items:
            blocks.append(Block(kind="list", lines=tuple(pieces(item) for item in items)))
        paragraph.clear()
        items.clear()

    for line in page.strip().splitlines():
        if fence is not None:
            if line.startswith("```"):
                blocks.append(Block(kind="code", lines=((Piece("\n".join(fence)),),)))
                fence = None
            else:
                fence.append(line)
        elif line.startswith("```"):
            close()
            fence = []
        elif line.startswith("#"):
            close()
            words = line.lstrip("#").strip()
            if line.startswith("# ") and not title:
                title = words
            else:
                blocks.append(Block(kind="heading", lines=(pieces(words),)))
        elif line.startswith("- "):
            if paragraph:
                close()
            items.append(line[2:])
        elif not line.strip():
            close()
        elif items:
            items[-1] += f" {line.strip()}"
        else:
            paragraph.append(line.strip())
    if fence:
        blocks.append(Block(kind="code", lines=((Piece("\n".join(fence)),),)))
    close()
    return Explanation(id=id, title=title, blocks=tuple(blocks))


def pieces(text: str) -> tuple[Piece, ...]:
    """Return a line in pieces."""
    found: list[Piece] = []
    end = 0
    for match in _PIECE.finditer(text):
        if match.start() > end:
            found.append(Piece(text[end : match.start()]))
        found.append(Piece(match["code"], "code") if match["code"] else Piece(match["link"], "link"))
        end = match.end()
    if end < len(text):
        found.append(Piece(text[end:]))
    return tuple(found)
