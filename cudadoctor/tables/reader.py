"""Read the tables beside this file: tab-separated text whose comment lines say where the rows come from."""

from __future__ import annotations

import os
from functools import lru_cache

TABLE_DATE = "November 2026"
"""When the tables were last compared with their sources."""


def read_bytes(name: str) -> bytes:
    """Return a table's file as it is; for a lookup in a large table that needs one line of it."""
    with open(os.path.join(os.path.dirname(__file__), name), "rb") as file:
        return file.read()


@lru_cache(maxsize=8)
def rows(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the rows of a table, without its comments."""
    text = read_bytes(name).decode("utf-8")
    return tuple(tuple(line.split("\t")) for line in text.splitlines() if line and not line.startswith("#"))


@lru_cache(maxsize=8)
def legend(name: str) -> dict[str, str]:
    """Return what a table's short source keys stand for; its comments say `# A = ...`."""
    text = read_bytes(name).decode("utf-8")
    entries = (line[2:].partition(" = ") for line in text.splitlines() if line.startswith("# "))
    return {key: value for key, _, value in entries if len(key) == 1 and value}


_WORTH_KEEPING = 64
"""Characters: the answers for longer texts are not kept, for they may be of any length."""


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numeric components of a version or release: `12.4.1` as (12, 4, 1), anything else as ()."""
    return _numbers(version) if len(version) <= _WORTH_KEEPING else _split(version)


@lru_cache(maxsize=1024)
def _numbers(version: str) -> tuple[int, ...]:
    return _split(version)


def _split(version: str) -> tuple[int, ...]:
    parts: list[int] = []
    for part in version.strip().split("."):
        if not (part.isascii() and part.isdigit() and len(part) <= 9):
            break
        parts.append(int(part))
    return tuple(parts)


def major_minor(version: str) -> str | None:
    """Return `12.4` for `12.4`, `12.4.1` and `12.4.131`; None for what is no version with two components."""
    parts = numbers(version)
    return f"{parts[0]}.{parts[1]}" if len(parts) >= 2 else None
