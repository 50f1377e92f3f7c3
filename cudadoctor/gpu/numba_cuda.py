"""The one import of `numba.cuda`: a successor of numba-cuda would be one changed line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import cuda as _cuda

# numba-cuda's annotations know neither shared memory nor barriers, and leave half of its functions untyped.
cuda: Any = _cuda


def gpu_kernel(function: Callable[..., None]) -> Any:
    """Compile with numba for the types of the first launch and keep the result on disk, if there is a place for it.

    There is no signature, so nothing is compiled, and no driver asked, while the kernel's module is imported. Index the
    result with [grid, block] to launch.
    """
    try:
        return cuda.jit(cache=True)(function)
    except RuntimeError:  # numba found no folder that it may write to
        return cuda.jit(function)
