"""Probes never raise: what nobody thought of becomes a section that is missing, with what happened as its reason."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from cudadoctor.facts.base import Missing

P = ParamSpec("P")
S = TypeVar("S")


def never_raises(gather: Callable[P, S | Missing]) -> Callable[P, S | Missing]:
    """Make a probe return `Missing` where it would raise."""

    @functools.wraps(gather)
    def guarded(*arguments: P.args, **named: P.kwargs) -> S | Missing:
        try:
            return gather(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - one broken file must not cost the other sections
            return Missing(f"it could not be read ({type(error).__name__}: {error})")

    return guarded
