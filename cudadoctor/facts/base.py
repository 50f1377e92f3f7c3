"""What a fact is: a value with its source, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")
U = TypeVar("U")


class Known(msgspec.Struct, Generic[T], frozen=True, tag_field="state", tag="known"):
    """A value that was read, and the call, file or variable that it was read from."""

    value: T
    source: str


class Missing(msgspec.Struct, frozen=True, tag_field="state", tag="missing"):
    """A value or a section that could not be read; the reason is a phrase that completes "because ..."."""

    reason: str


Fact = Known[T] | Missing


class Section(msgspec.Struct, frozen=True, kw_only=True, tag_field="state", tag="known"):
    """Base of all sections: a section is there (state "known") or is a `Missing` (state "missing")."""


def known(fact: Known[T] | Missing) -> T | None:
    """Return the value of a fact, or None if it is missing."""
    return fact.value if isinstance(fact, Known) else None


def converted(fact: Known[T] | Missing, convert: Callable[[T], U]) -> Known[U] | Missing:
    """Return the fact with its value converted, from the same source; a missing one stays missing."""
    return Known(convert(fact.value), fact.source) if isinstance(fact, Known) else fact
