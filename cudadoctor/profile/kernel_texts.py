"""The PTX of the program's kernels, where a library keeps it: in the traced child, standard library alone."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator

MOST_BYTES = 120_000
"""A longer text is no hand-written kernel."""

_MOST_KERNELS = 24
_SECONDS = 2.0


def numba_ptx() -> Iterator[str]:
    """Yield the PTX of kernels that numba compiled; none where numba.cuda was not used, or does not tell.

    What numba has not kept it compiles again, so this ends after some seconds.
    """
    if "numba.cuda.dispatcher" not in sys.modules and "numba_cuda" not in sys.modules:
        return
    end, left = time.monotonic() + _SECONDS, _MOST_KERNELS
    for each in gc.get_objects():
        if type(each).__name__ != "CUDADispatcher" or not getattr(each, "overloads", None):
            continue
        try:
            texts = list(each.inspect_asm().values())
        except Exception:  # noqa: BLE001 - numba's own inspection; the program has ended and is none of its business
            continue
        for text in texts:
            if isinstance(text, str) and len(text) <= MOST_BYTES:
                yield text
                left -= 1
            if left <= 0 or time.monotonic() > end:
                return
