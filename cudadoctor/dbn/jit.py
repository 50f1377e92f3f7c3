"""Compile for the host with numba and keep the result on disk.

A cache that cannot be written costs time and nothing else: then every run compiles anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., Any])


def cpu_kernel(function: F) -> F:
    """Compile for one thread of the host, without the GIL.

    Never with `prange`: numba's thread pool beside a threaded BLAS made an epoch 17 times slower.
    """
    try:
        return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # numba found no folder that it may write to
        return cast(F, numba.njit(nogil=True, error_model="numpy")(function))


def in_llvm(function: Callable[..., Any]) -> Any:
    """Let a function of a kernel be written in LLVM's language: called with types, it returns what writes its code."""
    return intrinsic(function)
