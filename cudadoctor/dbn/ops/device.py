"""Compile for the GPU with numba and keep the result on disk, if there is a place for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cudadoctor.gpu.numba_cuda import cuda

__all__ = ["cuda", "gpu_kernel"]


def gpu_kernel(function: Callable[..., None]) -> Any:
    """Compile on the first launch, for the types it is launched with; index the result with [grid, block] to launch."""
    try:
        return cuda.jit(cache=True)(function)
    except RuntimeError:  # numba found no folder that it may write to
        return cuda.jit(function)
