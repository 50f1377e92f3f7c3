"""Take out of a diagnosis what a stranger need not see."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from cudadoctor.report import identifiers

S = TypeVar("S", bound=msgspec.Struct)

_HOME = re.compile(r"(?<![\w.-])(/home/|/Users/|/root(?=/|$)|[A-Za-z]:\\Users\\)([^/\\\s:;,'\"]*)")


def redacted(value: S, *, names: Iterable[str] = ()) -> S:
    """Return the struct with what tells of its user, host or card taken out.

    That is home folders, names of user and host, serial numbers, UUIDs, addresses of networks, passwords and tokens.
    A UUID gets another in its place, the same one wherever it stands and in every report, so that GPUs can still be
    told apart and found again; a place on the PCI bus tells nothing of anybody, and stays.

    Args:
        value: A `Diagnosis` or a `Machine`.
        names: Names of this user and this host, to be replaced wherever they stand as a word.
    """
    raw = msgspec.to_builtins(value)
    whole = identifiers.whole_uuids(_strings(raw))
    return msgspec.convert(_walk(raw, _cleaner(names, whole)), type=type(value))


def redacted_text(text: str, *, names: Iterable[str] = ()) -> str:
    """Return a text with the same taken out."""
    return _cleaner(names, identifiers.whole_uuids([text]))(text)


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


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item)


def _walk(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {key: _walk(item, clean) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_walk(item, clean) for item in value]
    return value


def _cleaner(names: Iterable[str], whole: frozenset[str]) -> Callable[[str], str]:
    words = _pattern(names)

    def clean(text: str) -> str:
        text = identifiers.without_identifiers(_HOME.sub("~", text), whole)
        return text if words is None else words.sub("[name]", text)

    return clean
