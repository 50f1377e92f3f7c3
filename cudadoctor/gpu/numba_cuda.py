"""The one import of `numba.cuda`: a successor of numba-cuda would be one changed line here."""

from __future__ import annotations

from typing import Any

from numba import cuda as _cuda

# numba-cuda's annotations know neither shared memory nor barriers, and leave half of its functions untyped.
cuda: Any = _cuda
