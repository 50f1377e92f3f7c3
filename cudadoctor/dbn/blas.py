"""The BLAS libraries that are loaded, and a limit on their threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class BlasThreads:
    """The BLAS libraries that are loaded when this is made; NumPy must have been imported."""

    def __init__(self) -> None:
        """Look for BLAS libraries."""
        from threadpoolctl import ThreadpoolController

        self._controller: Any = ThreadpoolController().select(user_api="blas")

    @property
    def most(self) -> int:
        """The greatest number of threads that one of the libraries has; 1 without any library."""
        return max((pool["num_threads"] for pool in self._controller.info()), default=1)

    @property
    def description(self) -> str:
        """Names, versions and threads of the libraries."""
        return (
            ", ".join(
                f"{pool['internal_api']} {pool['version'] or '(version unknown)'}, {pool['num_threads']} threads"
                for pool in self._controller.info()
            )
            or "no known library"
        )

    @contextmanager
    def limited(self, number: int) -> Iterator[None]:
        """Hold a limit on the threads for the body of a `with`."""
        with self._controller.limit(limits=number):
            yield
