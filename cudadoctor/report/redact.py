"""Take out of a diagnosis what a stranger need not see."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)

_HOME = re.compile(r"(?<![\w.-])(/home/|/Users/|/root(?=/|$)|[A-Za-z]:\\Users\\)([^/\\\s:;,'\"]*)")
_URL_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


def redacted(value: S, *, names: Iterable[str] = ()) -> S:
    """Return the struct with home folders, user and host names and credentials in URLs taken out.

    Addresses are not looked for: no fact holds one, and a version such as 10.4.0.35 looks the same.

    Args:
        value: A `Diagnosis` or a `Machine`.
        names: Names of this user and this host, to be replaced wherever they stand as a word.
    """
    return msgspec.convert(_walk(msgspec.to_builtins(value), _pattern(names)), type=type(value))


def redacted_text(text: str, *, names: Iterable[str] = ()) -> str:
    """Return a text with the same taken out."""
    return _clean(text, _pattern(names))


def own_names() -> list[str]:
    """Return the names of this host and this user."""
    import getpass
    import platform

    names = [platform.node(), platform.node().split(".")[0]]
    with contextlib.suppress(Exception):  # no entry in the password database, as in some containers
        names.append(getpass.getuser())
    return names


def _pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    words = sorted({name for name in names if len(name) >= 3 and name not in _COMMON}, key=len, reverse=True)
    return re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, words)) + r")(?![\w-])") if words else None


# User and host names that say nothing of anybody, and that are words elsewhere in a report.
_COMMON = frozenset(
    {"root", "user", "ubuntu", "debian", "localhost", "linux", "admin", "nvidia", "cuda", "local", "runner"}
)


def _walk(value: Any, names: re.Pattern[str] | None) -> Any:
    if isinstance(value, str):
        return _clean(value, names)
    if isinstance(value, dict):
        return {key: _walk(item, names) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_walk(item, names) for item in value]
    return value


def _clean(text: str, names: re.Pattern[str] | None) -> str:
    text = _HOME.sub("~", text)
    text = _URL_CREDENTIALS.sub("", text)
    return text if names is None else names.sub("[name]", text)
