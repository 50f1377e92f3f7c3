"""The one import of `numba.cuda`: a successor of numba-cuda would be one changed line here."""

from __future__ import annotations

from numba import cuda

__all__ = ["cuda"]
