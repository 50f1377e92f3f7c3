"""Make text from drivers, files and variables safe to show."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

# Cc: control characters, Cf: invisible ones that reorder text, Cs: halves of surrogate pairs, Co and Cn: those that no
# font is sure to have, Zl and Zp: line ends.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str, *, keep_newlines: bool = False) -> str:
    r"""Return the text with every character that a terminal might obey written as an escape (`\x1b`, `\u202e`)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if character == " " or (character == "\n" and keep_newlines) or unicodedata.category(character) not in _UNSAFE
        else character.encode("ascii", "backslashreplace").decode("ascii")
        if ord(character) > 0x7F
        else f"\\x{ord(character):02x}"
        for character in text
    )


def shortened(text: str, width: int) -> str:
    """Return the text, with a piece of its middle left out (`...`) where it is longer than that many characters."""
    if len(text) <= width:
        return text
    kept = max(2, width - 3)
    return f"{text[: (kept + 1) // 2]}...{text[len(text) - kept // 2 :]}"


def is_printable(text: str) -> bool:
    """Say whether `printable` would leave the text as it is."""
    return printable(text) == text


def from_bytes(data: bytes) -> str:
    """Decode UTF-8; bytes that are not text become visible escapes."""
    return data.decode("utf-8", "backslashreplace")


def listed(names: Sequence[str], most: int = 4) -> str:
    """Return names for a sentence: `a, b, c, d and 9 more`; "" for none."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most:,} more"
    *others, last = names or [""]
    return f"{', '.join(others)} and {last}" if others else last
