"""Events of a measurement that keeps what it has when Ctrl-C ends it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

E = TypeVar("E")


def hear_out(events: Generator[E, None, None], take: Callable[[E], None]) -> None:
    """Hand over every event, in order.

    Ctrl-C may come while an event is taken, say while a line is shown. The measurement must hear of it too, to keep
    what was measured; so it is thrown into it, and its last events are handed over as well.

    Raises:
        KeyboardInterrupt: The measurement has nothing to keep.
    """
    struck: KeyboardInterrupt | None = None
    while True:
        try:
            event = next(events) if struck is None else events.throw(struck)
        except StopIteration:
            return
        struck = None
        try:
            take(event)
        except KeyboardInterrupt as error:
            struck = error
