"""The folder in which the driver keeps what it compiled from PTX."""

from __future__ import annotations

from cudadoctor.facts.base import Fact, Section


class JitCache(Section, frozen=True, kw_only=True):
    """The driver's cache of compiled kernels.

    `set_by` is `CUDA_CACHE_PATH` or `default`. `asked_path` is the folder itself or, where that does not exist, the one
    in which it would be made; `writable` says whether this user can write into it, `owner` who owns it, by name or
    number.
    """

    path: str
    set_by: str
    exists: bool
    asked_path: str
    writable: Fact[bool]
    owner: Fact[str]
