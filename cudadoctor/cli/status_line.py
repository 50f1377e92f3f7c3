"""One line on a terminal that is written over: how far a command is."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable


def status_line(quiet: bool) -> Callable[[str], None]:
    """Return what shows on one line of a terminal how far a command is; nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        return lambda text: None

    def tell(text: str) -> None:
        # Written over at once by the next line, and cleared by an empty one; a line that wraps could not be.
        text = text[: max(20, shutil.get_terminal_size().columns - 1)]
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    return tell
